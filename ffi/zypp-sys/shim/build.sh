#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Builds the shim around the libzypp whose headers this system has.
#
#   build.sh OUTPUT
#
# CXX, CXXFLAGS and LDFLAGS are heeded; pkg-config must know libzypp.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
libzypp=$(pkg-config --cflags --libs libzypp)

# Symbols stay visible: before libzypp marked its own (17.25 does not), the
# places where callbacks are registered are inline variables of its headers, and
# a hidden copy of one is never called.
# shellcheck disable=SC2086 # flags are words
exec ${CXX:-g++} -O2 -Wall -Wextra -Wno-cpp -Wno-deprecated-declarations ${CXXFLAGS:-} \
    -shared -fPIC -o "$1" "$here"/*.cc $libzypp \
    -Wl,--no-undefined -Wl,-z,relro -Wl,-z,now ${LDFLAGS:-}

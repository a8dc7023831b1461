#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Stands in for pahole in a kernel build: encodes nothing, but gives the vmlinux
# that is being linked the BTF of another kernel, byte by byte.
#
#   enforcing-pahole.sh --version
#   enforcing-pahole.sh -J [options] FILE     with ENFORCING_BASE=BASE.btf
#
# scripts/link-vmlinux.sh takes the section .BTF out of FILE and links it in, as
# it would pahole's. A module (--btf_base) is left without BTF.
set -eu

# New enough for every option the series may ask for; it decides nothing here.
[ "${1:-}" != --version ] || { echo v1.30; exit 0; }

for file in "$@"; do
    case "$file" in
        --btf_base | --btf_base=*) exit 0 ;;
        # The series that ask for this rewrite the BTF afterwards.
        --btf_encode_detached*) echo 'this series does not link BTF as it is' >&2; exit 1 ;;
    esac
done
exec objcopy --remove-section .BTF --add-section .BTF="$ENFORCING_BASE" "$file"

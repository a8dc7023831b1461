#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# `make bench`: bench.sh PROGRAM PLUGIN [transactions], both release builds. The
# last word leaves out all but whole transactions of rpm.
set -eu

ME='make bench'
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
. "$here/say.sh"
cd "$here/../.."

[ $# = 2 ] || [ "$*" = "$1 $2 transactions" ] || die 'usage: bench.sh PROGRAM PLUGIN [transactions]'
[ -f benches/Cargo.toml ] || die 'there is no benches/Cargo.toml'
"$here/deps.sh" build bench roots
"$here/kernels.sh" test
"$here/roots.sh" test
"$here/shims.sh"

BTF_GUARD_BIN=$(realpath "$1")
BTF_GUARD_PLUGIN=$(realpath "$2")
cache=$(realpath "${BTF_GUARD_CACHE:-.cache}")
BTF_GUARD_KERNELS=$cache/kernels
BTF_GUARD_ROOTS=$cache/roots
BTF_GUARD_SHIMS=$cache/shims
BTF_GUARD_SKIPS=$cache/skips-bench
: >"$BTF_GUARD_SKIPS"
export BTF_GUARD_BIN BTF_GUARD_PLUGIN BTF_GUARD_KERNELS BTF_GUARD_ROOTS BTF_GUARD_SHIMS \
    BTF_GUARD_SKIPS
"${CARGO:-cargo}" bench --locked --manifest-path benches/Cargo.toml -- ${3:+"$3"}

# What btf-guard costs the clients when there is nothing to judge. The part for
# zypper is built here, because it is wanted for the roots' libzypp even where this
# machine has none.
BTF_GUARD_BINDIR=/usr/bin BTF_GUARD_LIBDIR=/usr/lib/btf-guard \
    "${CARGO:-cargo}" build --release --locked -p btf-guard-zypp-fetch -p btf-guard-zypp
"${CARGO:-cargo}" run --quiet --locked -p btf-guard-tests --example cost

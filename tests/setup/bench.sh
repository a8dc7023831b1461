#!/bin/sh
# `make bench`: bench.sh PROGRAM PLUGIN [transactions], both release builds. The
# last word leaves out all but whole transactions of rpm.
set -eu

ME='make bench'
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
. "$here/say.sh"
cd "$here/../.."

[ $# = 2 ] || [ "$*" = "$1 $2 transactions" ] || die 'usage: bench.sh PROGRAM PLUGIN [transactions]'
[ -f benches/Cargo.toml ] || die 'there is no benches/Cargo.toml'
"$here/deps.sh" build bench
"$here/kernels.sh" test

BTF_GUARD_BIN=$(realpath "$1")
BTF_GUARD_PLUGIN=$(realpath "$2")
BTF_GUARD_KERNELS=$(realpath "${BTF_GUARD_CACHE:-.cache}")/kernels
export BTF_GUARD_BIN BTF_GUARD_PLUGIN BTF_GUARD_KERNELS
"${CARGO:-cargo}" bench --locked --manifest-path benches/Cargo.toml -- ${3:+"$3"}

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Asks real kernels, in QEMU, what btf-guard predicts, and compares.
#
#   oracle.sh all     every case, on a kernel of each kind, and on small kernels
#                     that enforce BTF around bases of those that do not
#   oracle.sh slice   some hundred cases on two kernels, one that enforces and one
#                     that does not; part of `make test`
#   oracle.sh init    builds the guest's first process, and says where it is
#
# Cases and answers lie in .cache/oracle: the report in report.md, and for each
# kernel that answered otherwise than predicted its cases and differences.txt.
#
# BTF_GUARD_CACHE names another cache directory.
set -eu

ME='make oracle'
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
. "$here/say.sh"
cd "$here/../.."

cargo=${CARGO:-cargo}
target=${CARGO_TARGET_DIR:-target}
case "$target" in /*) ;; *) target=$PWD/$target ;; esac
export CARGO_TARGET_DIR="$target"
mkdir -p "${BTF_GUARD_CACHE:-.cache}"
cache=$(CDPATH='' cd -- "${BTF_GUARD_CACHE:-.cache}" && pwd)
kernels=$cache/kernels
out=$cache/oracle

set_name=${1:-}
case "$set_name" in all | slice | init) ;; *) die 'usage: oracle.sh all|slice|init' ;; esac

[ "$(uname -m)" = x86_64 ] || die "the kernels are those of x86-64, and this is $(uname -m)"
[ "$set_name" != all ] || "$here/deps.sh" build test oracle-enforcing
[ "$set_name" = init ] || "$here/kernels.sh" test

# The newest kernel that satisfied a want, if it came with modules.
newest_of() {
    [ -s "$kernels/.wants/$1" ] || return 1
    name=$(tail -n 1 "$kernels/.wants/$1")
    case "$name" in image-*) ;; *) return 1 ;; esac
    [ -d "$kernels/$name" ] && printf '%s\n' "$name"
}

# A static program: there is no loader in the guest. The flag must not reach
# build scripts, so the target is named.
build_init() {
    triple=$(rustc -vV | sed -n 's/^host: //p')
    RUSTFLAGS='-C target-feature=+crt-static' \
        "$cargo" build --quiet --locked --release --target "$triple" -p btf-guard-oracle-init
    init=$target/$triple/release/init
}

if [ "$set_name" = init ]; then
    build_init >&2
    printf '%s\n' "$init"
    exit
fi

"$cargo" build --quiet --locked -p btf-guard -p btf-guard-oracle
build_init

ask() {
    "$target/debug/oracle" ask --kernels "$kernels" --program "$target/debug/btf-guard" \
        --init "$init" --out "$out" "$@"
}

slice() {
    stable=$(newest_of stable-cloud || newest_of stable) || die 'no stable kernel was fetched'
    if second=$(newest_of enforcing); then
        :
    elif second=$(newest_of stable) && [ "$second" != "$stable" ]; then
        say 'SKIPPED: a kernel that enforces BTF, because the archive has none today'
        if [ -n "${BTF_GUARD_SKIPS:-}" ]; then
            echo 'the oracle on a kernel that enforces BTF: none could be fetched' >>"$BTF_GUARD_SKIPS"
        fi
    else
        die 'there is only one kernel to ask'
    fi
    ask --slice 600 --at-least 400 --kernel "$stable" --kernel "$second"
}

# Builds a kernel around the base of one of its series that does not enforce, and
# says where it is.
enforcing() {
    name=$1
    series=$(echo "$name" | sed -n 's/^image-\([0-9]*\.[0-9]*\)\..*/\1/p')
    image=$(find "$kernels/$name" -name 'vmlinuz*' -type f | head -n 1)
    dir=$cache/enforcing/kernel-${name#image-}
    mkdir -p "$cache/enforcing"
    "$target/debug/oracle" base "$image" "$dir.btf" &&
        "$here/enforcing-kernel.sh" "$series" "$dir.btf" "$dir" >&2 &&
        printf '%s\n' "$dir"
}

all() {
    missing=
    set --
    for want in stable-cloud stable 6.12 6.16 enforcing newest; do
        # Distributions differ in what they have; what they have is wanted.
        grep -q "^$want " "$kernels/.wants/.all" || continue
        if name=$(newest_of "$want"); then
            set -- "$@" --kernel "$name"
        else
            missing="$missing $want"
        fi
    done
    for want in stable-cloud 6.12; do
        name=$(newest_of "$want") || continue
        if dir=$(enforcing "$name"); then
            set -- "$@" --enforcing "$dir=$name"
        else
            missing="$missing one-that-enforces-around-$name"
        fi
    done
    ask --at-least 3000 "$@" || failed=1
    [ -z "$missing" ] || die "not asked, because they could not be had:$missing"
    [ -z "${failed:-}" ] || die "differences; they lie in $out"
}

"$set_name"

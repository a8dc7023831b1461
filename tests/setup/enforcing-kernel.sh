#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Builds a small kernel that refuses modules over their BTF, around any base BTF.
#
#   enforcing-kernel.sh SERIES BASE.btf DIR
#
# SERIES is that of the kernel whose code shall judge (6.1, 6.12), BASE.btf the
# raw BTF that it shall take for its own. The source is the distribution's
# package linux-source-SERIES. DIR is laid out as a kernel package would be:
#
#   boot/vmlinuz-RELEASE  boot/config-RELEASE
#   usr/lib/modules/RELEASE/kernel/carrier/btf_guard_carrier.ko
#
# where RELEASE is, for example, 6.1.192-enforcing. The carrier is a module
# without BTF that does nothing; BTF to be judged is put into a copy of it.
#
# Cached in .cache/enforcing (BTF_GUARD_CACHE names another cache directory):
# the source and the objects of each series, so that another base is only linked.
# DIR/made-of says what DIR was made of, and nothing is done while that holds.
set -eu

ME=enforcing-kernel
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
. "$here/say.sh"
. "$here/enforcing-source.sh"

[ $# = 3 ] || die 'usage: enforcing-kernel.sh SERIES BASE.btf DIR'
series=$1
printf '%s\n' "$series" | grep -Eqx '[0-9]+\.[0-9]+' || die "$series is not a series such as 6.12"
[ "$(uname -m)" = x86_64 ] || die "its configuration is for x86_64, and this is $(uname -m)"
[ -s "$2" ] || die "no base BTF at $2"
[ "$(od -An -tx1 -N2 "$2" | tr -d ' ')" = 9feb ] || die "$2 is not raw BTF of a little-endian kernel"
base=$(CDPATH='' cd -- "$(dirname -- "$2")" && pwd)/$(basename "$2")
mkdir -p "$(dirname -- "$3")"
dir=$(CDPATH='' cd -- "$(dirname -- "$3")" && pwd)/$(basename "$3")
[ ! -e "$dir" ] || [ -f "$dir/made-of" ] || die "$dir is there and was not made by this script"

work=${BTF_GUARD_CACHE:-$here/../../.cache}/enforcing
mkdir -p "$work"
work=$(CDPATH='' cd -- "$work" && pwd)
source=$(source_of "$series")
objects=$work/objects-$series
log=$work/log-$series
part=$(dirname "$dir")/.part-$(basename "$dir")

made_of() {
    cat "$source/.package"
    # One sum a line, and no name but this script's own files'.
    sha256sum <"$base"
    (cd "$here" && sha256sum enforcing*)
}

is_fresh() {
    [ -f "$dir/made-of" ] && [ -f "$source/.package" ] && made_of | cmp -s - "$dir/made-of"
}

need_room() {
    free=$(df -Pm "$work" | awk 'NR == 2 { print $4 }')
    [ "$free" -gt 2000 ] || die "less than 2000 MB free under $work"
}

# The kernel's own make, deaf to the variables of the make that runs this script.
# Neither debug information is made (the BTF comes from elsewhere, all else is
# wasted), nor is the name of this machine written into the image.
kernel_make() {
    env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u ARCH -u CROSS_COMPILE -u LOCALVERSION \
        LC_ALL=C ENFORCING_BASE="$base" KCONFIG_ALLCONFIG="$here/enforcing.config" \
        KBUILD_BUILD_USER=btf-guard KBUILD_BUILD_HOST=localhost \
        nice -n 5 make -s -C "$source" O="$objects" -j"$(getconf _NPROCESSORS_ONLN)" \
        PAHOLE="$here/enforcing-pahole.sh" KCFLAGS=-g0 KAFLAGS=-g0 "$@"
}

logged() {
    "$@" >>"$log" 2>&1 9>&- && return 0
    tail -n 20 "$log" >&2
    die "the kernel's build failed ($log)"
}

configure() {
    mkdir -p "$objects"
    logged kernel_make allnoconfig
    grep -E '^(# )?CONFIG_' "$here/enforcing.config" | while read -r line; do
        grep -qxF "$line" "$objects/.config" || die "series $series cannot have: $line"
    done
}

# kbuild does not know that the base is an input of the link.
link_around_base() {
    rm -f "$objects/vmlinux"
    logged kernel_make bzImage modules
    objcopy --dump-section .BTF="$part/base.btf" "$objects/vmlinux" "$part/vmlinux"
    cmp "$base" "$part/base.btf" >&2 || die "the BTF that was linked in is not $base"
    rm "$part/base.btf" "$part/vmlinux"
    # A base of the same series has all of them. They serve BPF programs alone:
    # btf_parse_module(), which judges modules, looks none up.
    unresolved=$(grep -c 'resolve_btfids: unresolved' "$log" || true)
    [ "$unresolved" = 0 ] ||
        say "$(basename "$base") lacks $unresolved names that the code of $series looks up ($log)"
}

build_carrier() {
    mkdir -p "$objects/carrier"
    cp "$here/enforcing-carrier.c" "$objects/carrier/btf_guard_carrier.c"
    echo 'obj-m := btf_guard_carrier.o' >"$objects/carrier/Kbuild"
    logged kernel_make M="$objects/carrier" modules
}

lay_out() {
    release=$(cat "$objects/include/config/kernel.release")
    modules=$part/usr/lib/modules/$release/kernel/carrier
    mkdir -p "$part/boot" "$modules"
    cp "$objects/arch/x86/boot/bzImage" "$part/boot/vmlinuz-$release"
    cp "$objects/.config" "$part/boot/config-$release"
    cp "$objects/carrier/btf_guard_carrier.ko" "$modules/"
    made_of >"$part/made-of"
    rm -rf "$dir"
    mv "$part" "$dir"
}

! is_fresh || exit 0
# Two builds at once would write the same objects; the other may have made ours.
if has flock; then
    exec 9>"$work/.lock"
    flock -n 9 || { say 'waiting for another build to end' && flock 9; }
    ! is_fresh || exit 0
fi
"$here/deps.sh" oracle-enforcing
need_room
reason=
get_source "$series" || die "cannot have the kernel source of series $series: $reason"
duration='linked anew'
[ -f "$objects/vmlinux" ] || duration='some minutes'
say "building a $series kernel around $(basename "$base") ($duration)"
rm -rf "$part"
mkdir -p "$part"
: >"$log"
configure
link_around_base
build_carrier
lay_out
say "built $dir ($(du -sh "$dir" | cut -f1))"

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Brings what a few tests use and most machines lack, without installing it: it
# is extracted from the archive's packages into .cache/borrowed.
#
#   ukify, and systemd-boot's stubs for x86 and arm64    makes unified kernel images
#   grub-mount                                           mounts FAT where the kernel cannot
#   promtool                                             reads metrics as Prometheus does
#
# None of it is mandatory: a test that finds it neither here nor on the machine
# says so and is counted as skipped. What could not be had is not asked for again
# within the hour. Debian only; elsewhere the packages' names are not known.
set -eu

ME=borrow
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
. "$here/say.sh"

cache=${BTF_GUARD_CACHE:-$here/../../.cache}
mkdir -p "$cache/borrowed/bin" "$cache/borrowed/root"
cache=$(CDPATH='' cd -- "$cache" && pwd)
borrowed=$cache/borrowed
root=$borrowed/root
state=$cache/packages
has apt-get && has dpkg || exit 0
. "$here/apt-state.sh"

opened=
fetch() {
    name=$1
    shift
    case " $opened " in
        *" $name "*) ;;
        *)
            make_state "$name" || return 1
            update_lists "$name"
            opened="$opened $name"
            ;;
    esac
    debs=$state/$name/borrowed
    rm -rf "$debs"
    mkdir -p "$debs"
    if ! (cd "$debs" && in_state "$name" timeout 300 apt-get -qq download "$@") >"$state/$name/log" 2>&1; then
        say "no $* in $(suites_of "$name"): $(apt_complaint "$name" '^E:')"
        rm -rf "$debs"
        return 1
    fi
    for deb in "$debs"/*.deb; do dpkg -x "$deb" "$root"; done
    rm -rf "$debs"
}

# A program that finds its own libraries: wrapper NAME LINE.
wrapper() {
    printf '#!/bin/sh\n%s "$@"\n' "$2" >"$borrowed/bin/$1"
    chmod 755 "$borrowed/bin/$1"
    "$borrowed/bin/$1" --version >/dev/null 2>&1 || {
        say "$1 does not run here"
        rm -f "$borrowed/bin/$1"
        return 1
    }
}

is_there() {
    has "$1" || [ -x "$borrowed/bin/$1" ]
}

has_stub() {
    [ -f "/usr/lib/systemd/boot/efi/$1" ] || [ -f "$root/usr/lib/systemd/boot/efi/$1" ]
}

get_ukify() {
    is_there ukify && return 0
    fetch own systemd-ukify python3-pefile || fetch moving systemd-ukify python3-pefile || return 1
    wrapper ukify "PYTHONPATH=$root/usr/lib/python3/dist-packages exec /usr/bin/python3 $root/usr/bin/ukify"
}

get_grub_mount() {
    is_there grub-mount || is_there grub2-mount && return 0
    case "$codename" in
        bookworm) library=libfuse2 ;;
        *) library=libfuse3-4 ;;
    esac
    fetch own grub-common "$library" || return 1
    libraries=$(dirname "$(find "$root" -name 'libfuse*.so.*' | head -n 1)")
    wrapper grub-mount "LD_LIBRARY_PATH=$libraries exec $root/usr/bin/grub-mount"
}

get_promtool() {
    is_there promtool && return 0
    fetch own prometheus || return 1
    # The server is not needed, and large.
    rm -f "$root/usr/bin/prometheus"
    wrapper promtool "exec $root/usr/bin/promtool"
}

tried=$borrowed/tried
[ -z "$(find "$tried" -mmin -60 2>/dev/null)" ] || exit 0
complete=1
get_ukify || complete=0
has_stub linuxx64.efi.stub || fetch own-amd64 systemd-boot-efi || complete=0
has_stub linuxaa64.efi.stub || fetch own-arm64 systemd-boot-efi || complete=0
get_grub_mount || complete=0
get_promtool || complete=0
[ "$complete" = 1 ] || : >"$tried"

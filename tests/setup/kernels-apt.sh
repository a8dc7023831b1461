# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# Kernels from a Debian archive, by a private apt state; sourced by kernels.sh.
#
# The mandatory kernels come from the state "own", all others from "moving" or
# "testing": see apt-state.sh. Of other architectures' kernels the image and a
# handful of modules are kept.
#
# here, state, say: see kernels.sh and say.sh.
# shellcheck disable=SC2154

. "$here/apt-state.sh"

arch=$(dpkg --print-architecture)

archive_reason() {
    printf '%s' "${reason:-unknown reason}"
}

# The flavours are those of 64-bit PCs and servers; elsewhere "cloud" may be missing.
archive_wants() {
    printf '%s mandatory\n' stable-cloud stable
    printf '%s optional\n' enforcing 6.12 6.16 7.0 7.1 newest
    foreign_wants | while read -r want need; do
        [ "$(arch_of "$want")" = "$arch" ] || printf '%s %s\n' "$want" "$need"
    done
}

# Debian has kernels with BTF for ppc64el and s390x only since trixie, and for
# loong64 not yet: the others show that a kernel without BTF is told to be one.
foreign_wants() {
    printf 'foreign-%s mandatory\n' arm64 ppc64el s390x
    printf 'foreign-%s optional\n' moving-ppc64el moving-riscv64 moving-s390x testing-loong64
}

arch_of() {
    printf '%s\n' "${1##*-}"
}

state_of() {
    case "$1" in
        stable*) echo own ;;
        foreign-*-*) echo "${1#foreign-}" ;;
        foreign-*) echo "own-${1#foreign-}" ;;
        *) echo moving ;;
    esac
}

opened=
archive_open() {
    name=$(state_of "$1")
    case " $opened " in
        *" $name "*) return 0 ;;
        *" no-$name "*) return 1 ;;
    esac
    if make_state "$name" && update_state "$name"; then
        opened="$opened $name"
    else
        opened="$opened no-$name"
        return 1
    fi
}

update_state() {
    update_lists "$1"
    in_state "$1" apt-cache pkgnames linux-image- >"$state/$1/names" 2>>"$state/$1/log"
    if ! grep -q "^linux-image-[0-9]" "$state/$1/names"; then
        reason="no package list could be fetched ($(apt_complaint "$1" '^[EW]:'))"
        return 1
    fi
    # Only the packages that the lists describe, not those that are merely mentioned.
    in_state "$1" apt-cache dumpavail |
        sed -n 's/^Package: \(linux-\(image\|binary\|modules\|base\)-[0-9].*\)/\1/p' |
        sort -u >"$state/$1/names"
}

# Releases of one flavour, oldest first: releases own '6\.1' -cloud
releases() {
    sed -n "s/^linux-image-\($2\.[^-]*\(-[0-9]*\)\{0,1\}$3-$arch\)\(-unsigned\)\{0,1\}$/\1/p" "$state/$1/names" |
        sort -uV
}

# The series of the suite's own kernel, as its meta package names it.
stable_series() {
    in_state own apt-cache depends "linux-image-$arch" |
        sed -n 's/^ *Depends: linux-image-\([0-9]*\)\.\([0-9]*\)\..*/\1\\.\2/p' | head -n 1
}

has_modules() {
    # Since 6.19 an image package may be empty, with binary and modules beside it.
    if grep -qx "linux-binary-$2" "$state/$1/names"; then
        grep -qx "linux-modules-$2" "$state/$1/names"
    fi
}

newest_pair() {
    tail -n 2 | tr '\n' ' ' | awk 'NF == 2 { print $1, $2 }'
}

archive_sets() {
    reason="not offered today by: $(suites_of "$(state_of "$1")")"
    case "$1" in
        stable-cloud) releases own "$(stable_series)" -cloud | newest_pair ;;
        stable) releases own "$(stable_series)" '' | newest_pair ;;
        enforcing) enforcing_pairs ;;
        6.12) releases moving '6\.12' -cloud | newest_pair ;;
        newest) moving_complete | tail -n 1 ;;
        foreign-*) foreign_releases "$(state_of "$1")" ;;
        *) releases moving "$(printf '%s' "$1" | sed 's/\./\\./')" -cloud | tail -n 1 ;;
    esac
}

# Releases of an architecture's smallest flavour: the one that the meta package
# names, then the newest; on the day of an update the archive may not have it yet.
foreign_releases() {
    case "$1" in
        *-arm64) flavour=cloud-arm64 ;;
        *-ppc64el) flavour=powerpc64le ;;
        *) flavour=$(arch_of "$1") ;;
    esac
    in_state "$1" apt-cache depends "linux-image-$flavour" 2>/dev/null |
        sed -n 's/^ *Depends: linux-image-\([0-9].*\)/\1/p' | head -n 1
    sed -n "s/^linux-image-\([0-9][^-]*\(-[0-9]*\)\{0,1\}-$flavour\)$/\1/p" "$state/$1/names" |
        sort -Vr | head -n 3
}

moving_complete() {
    releases moving '[0-9]*\.[0-9]*' -cloud | while read -r release; do
        if has_modules moving "$release"; then echo "$release"; fi
    done
}

# The pair that docs and tests know best first, then the newest pair of that
# series, then of any newer series. The config decides what enforces.
enforcing_pairs() {
    moving_complete >"$state/moving/complete"
    known=$(grep -E '^6\.18\.(12|15)[+-]' "$state/moving/complete" | newest_pair)
    [ -z "$known" ] || echo "$known"
    for series in 6.18 $(sed -n 's/^\([0-9]*\.[0-9]*\)\..*/\1/p' "$state/moving/complete" | sort -uVr); do
        # Older series of these suites do not enforce.
        [ "$(printf '%s\n' 6.18 "$series" | sort -V | head -n 1)" = 6.18 ] || continue
        grep "^$series\." "$state/moving/complete" | newest_pair
    done
}

# The packages that make up one release, the signed ones where there are both.
packages_of() {
    for part in image binary modules base; do
        for package in "linux-$part-$2" "linux-$part-$2-unsigned"; do
            if grep -qxF "$package" "$state/$1/names"; then
                echo "$package"
                break
            fi
        done
    done
}

archive_get() {
    name=$(state_of "$1")
    debs=$state/$name/debs-$2
    rm -rf "$debs"
    mkdir -p "$debs"
    packages=$(packages_of "$name" "$2")
    say "downloading $(echo "$packages" | tr '\n' ' ')"
    # shellcheck disable=SC2086 # one word a package
    if ! (cd "$debs" && in_state "$name" timeout 600 apt-get -qq download $packages) >"$state/$name/log" 2>&1; then
        reason="download failed ($(apt_complaint "$name" '^E:'))"
        rm -rf "$debs"
        return 1
    fi
    for deb in "$debs"/*.deb; do
        dpkg -x "$deb" "$3" || {
            reason="$(basename "$deb") cannot be extracted"
            return 1
        }
    done
    rm -rf "$debs"
    case "$1" in foreign-*) thin_out "$3" ;; esac
}

# Modules that every architecture has; the others are only a matter of size.
thin_out() {
    find "$1" -type f -name '*.ko*' ! -name 'nf_conntrack.ko*' ! -name 'veth.ko*' \
        ! -name 'vfat.ko*' ! -name 'wireguard.ko*' ! -name 'xfs.ko*' -exec rm -f {} +
}

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Brings the distribution kernels that the tests and the demo judge.
#
#   kernels.sh test [--refresh]   all kernels of the test suite
#   kernels.sh demo [--refresh]   one pair of sibling builds; its directories
#                                 and whether it enforces BTF go to standard output
#
# Each kernel becomes .cache/kernels/image-<release>/, laid out as its packages
# would lay it out under / (boot/vmlinuz-*, lib/modules/<release>/ or
# usr/lib/modules/<release>/…). A binary-<release>/ is an image without modules, a
# foreign-<architecture>-<release>/ another architecture's, with a few of its modules.
# Nothing on the system is changed and no root is needed.
#
# What is cached is used as it is, without asking any archive. --refresh asks
# again. What is optional and cannot be had is said, written to
# .cache/kernels/SKIPPED, and tried again by a later run.
#
# BTF_GUARD_CACHE names another cache directory.
set -eu

ME=kernels
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
. "$here/say.sh"

cache=${BTF_GUARD_CACHE:-$here/../../.cache}
mkdir -p "$cache/kernels/.wants"
cache=$(CDPATH='' cd -- "$cache" && pwd)
kernels=$cache/kernels
state=$cache/packages
skipped=$kernels/SKIPPED

set_name=${1:-}
refresh=${2:-}
case "$set_name" in test | demo) ;; *) die "usage: kernels.sh test|demo [--refresh]" ;; esac
case "$refresh" in '' | --refresh) ;; *) die "unknown option $refresh" ;; esac

# The package manager's part. Each defines:
#   archive_wants           lines "<want> mandatory|optional"
#   archive_open WANT       makes the package lists ready; fails if it cannot
#   archive_sets WANT       lines of releases, best first: any one line is enough
#   archive_get WANT RELEASE DIR    downloads and extracts one kernel
if has apt-get && has dpkg; then
    . "$here/kernels-apt.sh"
elif has dnf || has zypper; then
    . "$here/kernels-rpm.sh"
else
    die "no apt, dnf or zypper here; put extracted kernels into $kernels by hand"
fi

# Two runs at once would download the same kernels twice, into each other.
if has flock; then
    exec 9>"$kernels/.lock"
    flock 9
fi

want_file() {
    printf '%s/.wants/%s' "$kernels" "$1"
}

# A want is satisfied when the directories it was satisfied with are still there.
is_cached() {
    [ "$refresh" = '' ] && [ -s "$(want_file "$1")" ] || return 1
    while read -r dir; do
        [ -d "$kernels/$dir" ] || return 1
    done <"$(want_file "$1")"
}

# The directory in which a release lies, if it does.
dir_of() {
    for dir in "$kernels/image-$1" "$kernels/binary-$1" "$kernels"/foreign-*-"$1"; do
        if [ -d "$dir" ]; then
            printf '%s\n' "${dir##*/}"
            return 0
        fi
    done
    return 1
}

module_dir() {
    for modules in "$1"/usr/lib/modules/* "$1"/lib/modules/*; do
        if [ -d "$modules/kernel" ]; then
            printf '%s\n' "$modules"
            return 0
        fi
    done
    return 1
}

image_of() {
    for image in "$1"/boot/vmlinu[xz]-* "$1"/usr/lib/modules/*/vmlinuz "$1"/lib/modules/*/vmlinuz; do
        if [ -f "$image" ]; then
            printf '%s\n' "$image"
            return 0
        fi
    done
    return 1
}

# Whether the kernel refuses modules over their BTF, by its own config.
is_enforcing() {
    for config in "$1"/boot/config-* "$1"/usr/lib/modules/*/config "$1"/lib/modules/*/config; do
        if [ -f "$config" ]; then
            grep -q '^CONFIG_DEBUG_INFO_BTF_MODULES=y' "$config" &&
                ! grep -q '^CONFIG_MODULE_ALLOW_BTF_MISMATCH=y' "$config"
            return
        fi
    done
    return 1
}

# Fetches one release. An interrupted run leaves only a .part behind.
get_release() {
    dir_of "$2" >/dev/null && return 0
    part=$kernels/.part-$2
    rm -rf "$part"
    mkdir -p "$part"
    if archive_get "$1" "$2" "$part" && image_of "$part" >/dev/null; then
        name=image
        module_dir "$part" >/dev/null || name=binary
        case "$1" in foreign-*) name=foreign-${1##*-} ;; esac
        mv "$part" "$kernels/$name-$2"
        say "fetched $name-$2 ($(du -sh "$kernels/$name-$2" | cut -f1))"
    else
        rm -rf "$part"
        return 1
    fi
}

# Takes the first set of which every release can be had.
get_set() {
    archive_sets "$1" >"$kernels/.wants/.sets"
    while read -r set; do
        complete=1
        for release in $set; do
            get_release "$1" "$release" </dev/null || complete=0
            # A pair that is to enforce must do so by its config, not by its number.
            if [ "$complete" = 1 ] && [ "$1" = enforcing ] &&
                ! is_enforcing "$kernels/$(dir_of "$release")"; then
                complete=0
            fi
            [ "$complete" = 1 ] || break
        done
        if [ "$complete" = 1 ]; then
            for release in $set; do dir_of "$release"; done >"$(want_file "$1")"
            return 0
        fi
    done <"$kernels/.wants/.sets"
    return 1
}

satisfy() {
    is_cached "$1" && return 0
    need_room
    archive_open "$1" && get_set "$1"
}

# After a refresh, what no want names any more is only in the way.
prune() {
    for dir in "$kernels"/image-* "$kernels"/binary-* "$kernels"/foreign-*; do
        [ -d "$dir" ] || continue
        if ! cat "$kernels"/.wants/* | grep -qxF "${dir##*/}"; then
            say "dropping ${dir##*/}"
            rm -rf "$dir"
        fi
    done
}

need_room() {
    free=$(df -Pm "$kernels" | awk 'NR == 2 { print $4 }')
    case "$set_name" in test) room=2500 ;; demo) room=500 ;; esac
    [ "$free" -gt "$room" ] || die "less than $room MB free under $kernels"
}

test_set() {
    # What could not be had an hour ago is not asked for again: a run on the
    # train should not wait for a network each time.
    ask_optional=1
    if [ -s "$skipped" ] && [ "$refresh" = '' ] &&
        [ -z "$(find "$skipped" -mmin +60)" ]; then
        ask_optional=0
    fi
    [ "$ask_optional" = 0 ] || : >"$skipped.new"

    archive_wants >"$kernels/.wants/.all"
    while read -r want need; do
        if is_cached "$want"; then
            continue
        elif [ "$need" = mandatory ]; then
            satisfy "$want" </dev/null || die "cannot fetch the mandatory kernels '$want'; $(archive_reason)"
        elif [ "$ask_optional" = 1 ] && ! satisfy "$want" </dev/null; then
            printf 'kernel %s: %s\n' "$want" "$(archive_reason)" >>"$skipped.new"
        fi
    done <"$kernels/.wants/.all"

    [ "$ask_optional" = 0 ] || mv "$skipped.new" "$skipped"
    [ "$refresh" = '' ] || prune
    say "$(find "$kernels" -mindepth 1 -maxdepth 1 -type d -name '[bfi]*-*' | wc -l) kernels in $kernels"
    if [ -s "$skipped" ]; then
        say "SKIPPED: $(wc -l <"$skipped") optional ($skipped):"
        sed 's/^/    /' "$skipped" >&2
    fi
}

demo_set() {
    for want in enforcing $(archive_wants | sed -n 's/ mandatory$//p'); do
        if satisfy "$want"; then
            kind=enforcing
            while read -r dir; do
                is_enforcing "$kernels/$dir" || kind=lenient
            done <"$(want_file "$want")"
            printf '%s' "$kind"
            sed "s|^|$kernels/|" "$(want_file "$want")" | while read -r dir; do printf ' %s' "$dir"; done
            printf '\n'
            return 0
        fi
        say "no '$want' pair: $(archive_reason)"
    done
    return 1
}

"${set_name}_set"

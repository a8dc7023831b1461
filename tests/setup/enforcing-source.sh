# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# The distribution's kernel source package; sourced by enforcing-kernel.sh.
#
# here, work, say, has: see enforcing-kernel.sh and say.sh.
# shellcheck disable=SC2154

# Where the source of a series lies: unpacked, with the package's name in .package.
source_of() {
    printf '%s/source-%s' "$work" "$1"
}

# Needed by none of our configuration, and half of all files.
unneeded() {
    printf '%s\n' '*/arch/[!x]*/*.[chS]' '*.dts*' '*.rst' '*.yaml' '*/tools/testing/*' '*/sound/*.[ch]'
    for kind in gpu net scsi media; do
        printf '%s\n' "*/drivers/$kind/*.[ch]"
    done
}

# Downloads linux-source-SERIES into a directory, from this machine's suite or the next.
download_source() {
    if ! has apt-get || ! has dpkg-deb; then
        reason='it is fetched with apt, which is not here'
        return 1
    fi
    state=$work/packages
    . "$here/apt-state.sh"
    asked=
    for suite in own moving; do
        make_state "$suite" || continue
        update_lists "$suite"
        asked="$asked$(suites_of "$suite")"
        in_state "$suite" apt-cache show "linux-source-$1" >/dev/null 2>&1 || continue
        say "downloading linux-source-$1"
        (cd "$2" && in_state "$suite" timeout 900 apt-get -qq download "linux-source-$1") \
            >"$state/$suite/log" 2>&1 && return 0
        reason="download failed ($(apt_complaint "$suite" '^E:'))"
        return 1
    done
    if [ -n "$asked" ]; then
        reason="no package linux-source-$1 in: $asked"
        for suite in own moving; do
            [ ! -s "$state/$suite/log" ] || reason="$reason($(apt_complaint "$suite" '^[EW]:'))"
        done
    fi
    return 1
}

# Makes the source of a series ready, once.
get_source() {
    [ ! -s "$(source_of "$1")/.package" ] || return 0
    unpacked=$work/.part-source
    rm -rf "$unpacked" "$work/objects-$1"
    mkdir -p "$unpacked/tree"
    download_source "$1" "$unpacked" || return 1
    rm -rf "$work/packages"

    deb=$(echo "$unpacked"/*.deb)
    say "unpacking $(basename "$deb")"
    unneeded >"$unpacked/unneeded"
    if ! dpkg-deb --fsys-tarfile "$deb" | tar -xO "./usr/src/linux-source-$1.tar.xz" |
        tar -xJ -C "$unpacked/tree" --strip-components=1 --exclude-from="$unpacked/unneeded"; then
        reason='the package cannot be unpacked'
        return 1
    fi
    basename "$deb" >"$unpacked/tree/.package"
    rm -rf "$(source_of "$1")"
    mv "$unpacked/tree" "$(source_of "$1")"
    rm -rf "$unpacked"
}

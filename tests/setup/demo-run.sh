# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# Running commands in front of an audience; sourced by demo.sh.

# One or more comment lines of the transcript, after a blank one.
note() {
    echo
    printf '# %s\n' "$@"
}

# The command as one would type it; words that need quotes get them.
show() {
    line='$'
    for word in "$@"; do
        case "$word" in
            '' | *[!A-Za-z0-9_./:=+@%,-]*) line="$line '$word'" ;;
            *) line="$line $word" ;;
        esac
    done
    printf '\n%s\n' "$line"
}

# run WANTED COMMAND…: WANTED is an exit status, or "fails" for any but 0.
run() {
    wanted=$1
    shift
    show "$@"
    status=0
    "$@" 2>&1 || status=$?
    printf '[exit %s]\n' "$status"
    case "$wanted" in
        fails) [ "$status" != 0 ] || die "this should have failed: $*" ;;
        *) [ "$status" = "$wanted" ] || die "expected exit $wanted, got $status: $*" ;;
    esac
}

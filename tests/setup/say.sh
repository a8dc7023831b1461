# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# Words the set-up scripts share; sourced, never run.
#
# Everything is said on standard error, because some scripts print a result on
# standard output. ME is the name of the script that speaks.

say() {
    printf '%s: %s\n' "$ME" "$*" >&2
}

die() {
    printf '%s: error: %s\n' "$ME" "$*" >&2
    exit 1
}

has() {
    command -v "$1" >/dev/null 2>&1
}

# depmod and its like live in sbin, which an ordinary user's PATH may lack.
PATH="$PATH:/usr/sbin:/sbin"
export PATH

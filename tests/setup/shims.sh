#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Builds the shim around libzypp in each root that the tests run clients in.
#
#   shims.sh
#
# Each becomes .cache/shims/SUITE.so, built in the root SUITE-build (roots.sh),
# and is built again only when its source or the root has changed. A suite whose
# root is missing is left out: roots.sh has said so.
#
# BTF_GUARD_CACHE names another cache directory.
set -eu

ME=shims
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
. "$here/say.sh"

cache=${BTF_GUARD_CACHE:-$here/../../.cache}
mkdir -p "$cache/shims"
cache=$(CDPATH='' cd -- "$cache" && pwd)
shims=$cache/shims
source=$(CDPATH='' cd -- "$here/../../ffi/zypp-sys/shim" && pwd)
: >"$shims/SKIPPED"

# What decides on a shim's content.
key_of() {
    cat "$source"/* "$cache/roots/$1-build/recipe" | sha256sum | cut -d' ' -f1
}

# The root stays as it is: source and result lie in directories of their own,
# mounted over two of its empty ones.
build_in() {
    rm -rf "$shims/$1.part"
    mkdir "$shims/$1.part"
    # shellcheck disable=SC2016 # expands in the shell that it is for
    unshare --mount --propagation private sh -ec '
        mount --bind "$2" "$1/mnt"
        mount --bind "$3" "$1/srv"
        exec chroot "$1" env -i PATH=/usr/bin:/bin /mnt/build.sh /srv/shim.so
    ' sh "$2" "$source" "$shims/$1.part"
    mv "$shims/$1.part/shim.so" "$shims/$1.so"
    rm -r "$shims/$1.part"
    key_of "$1" >"$shims/$1.key"
}

for suite in bookworm trixie forky; do
    [ -d "$cache/roots/$suite/root" ] || continue
    if ! root=$("$here/roots.sh" "$suite-build"); then
        [ "$suite" = forky ] || die "no root to build the shim of $suite in"
        echo "shim $suite: its root has no libzypp-dev that fits it" >>"$shims/SKIPPED"
        rm -f "$shims/$suite.so"
        continue
    fi
    if [ -f "$shims/$suite.so" ] && [ "$(cat "$shims/$suite.key")" = "$(key_of "$suite")" ]; then
        continue
    fi
    begun=$(date +%s)
    build_in "$suite" "$root"
    say "built the shim of $suite in $(($(date +%s) - begun)) s"
done

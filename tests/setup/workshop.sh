#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Brings what the tests build module packages with, as layers above the root of
# Debian 13 (roots.sh), whose rpmbuild they use:
#
#   .cache/workshop/tools                a compiler, make, pahole, a validator of
#                                        JSON schemas
#   .cache/workshop/headers-<release>    what modules are built with for a kernel
#                                        that kernels.sh has fetched
#   .cache/workshop/sarif-schema.json    OASIS's schema, as a crate carries it
#
# The kernels are the newest of 6.12, which drops BTF that does not fit, and the
# newest of all, which refuses it. What cannot be had is said, and written to
# .cache/workshop/SKIPPED. Nothing is installed, and nothing is asked for that is
# cached.
#
# BTF_GUARD_CACHE names another cache directory.
set -eu

ME=workshop
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
. "$here/say.sh"

cache=${BTF_GUARD_CACHE:-$here/../../.cache}
mkdir -p "$cache/workshop"
cache=$(CDPATH='' cd -- "$cache" && pwd)
workshop=$cache/workshop
state=$cache/packages
skipped=$workshop/SKIPPED
root=$cache/roots/trixie/root
cargo=${CARGO:-cargo}
schema_crate=serde-sarif schema_version=0.8.0
tools='gcc-14 make dwarves libelf1t64 file python3-jsonschema'

: >"$skipped"
skip() {
    say "SKIPPED: $*"
    printf 'building module packages: %s\n' "$*" >>"$skipped"
    exit 0
}

[ -d "$root" ] || skip 'there is no root of Debian 13 to build in'
. "$here/apt-state.sh"

# Downloads packages into $debs, by the words of apt-get.
download() {
    name=$1
    shift
    [ -d "$state/$name/lists" ] && [ -s "$state/$name/sources.list" ] || make_state "$name" || return 1
    debs=$workshop/debs.part
    rm -rf "$debs"
    mkdir -p "$debs/partial"
    for attempt in cached fresh; do
        [ "$attempt" = cached ] || update_lists "$name"
        if (cd "$debs" && in_state "$name" timeout 600 apt-get -qq -y "$@") \
            >"$state/$name/log" 2>&1; then
            return 0
        fi
    done
    reason="download failed ($(apt_complaint "$name" '^E:'))"
    return 1
}

# Unpacks what was downloaded as the layer $1.
unpack() {
    part=$workshop/$1.part
    rm -rf "$part"
    mkdir -p "$part"
    for deb in "$debs"/*.deb; do dpkg -x "$deb" "$part"; done
    rm -rf "$debs" "${workshop:?}/$1"
    mv "$part" "$workshop/$1"
    say "unpacked $1 ($(du -sh "$workshop/$1" | cut -f1))"
}

# All that these need and the root does not have.
get_tools() {
    if [ "$(cat "$workshop/tools/recipe" 2>/dev/null)" = "$tools" ]; then return 0; fi
    # shellcheck disable=SC2086 # one word a package
    download root-trixie --no-install-recommends --download-only \
        -o Debug::NoLocking=true -o "Dir::State::status=$root/var/lib/dpkg/status" \
        -o "Dir::Cache::archives=$workshop/debs.part" install $tools || return 1
    unpack tools
    # Commands go by the names that kernels' scripts and rpm know.
    ln -s gcc-14 "$workshop/tools/usr/bin/gcc"
    # The base system's have the same paths, which a layer would hide.
    find "$workshop/tools" -type d -empty -delete
    printf '%s\n' "$tools" >"$workshop/tools/recipe"
}

get_headers() {
    [ ! -d "$workshop/headers-$1" ] || return 0
    version=${1%-cloud-*}
    download moving download "linux-headers-$1" "linux-headers-$version-common" \
        "linux-kbuild-$version" || return 1
    unpack "headers-$1"
}

# A project whose only purpose is to let cargo fetch one crate.
get_schema() {
    [ ! -s "$workshop/sarif-schema.json" ] || return 0
    project=$workshop/schema.part
    rm -rf "$project"
    mkdir -p "$project/src"
    : >"$project/src/lib.rs"
    cat >"$project/Cargo.toml" <<TOML
[package]
name = "schema"
version = "0.0.0"
edition = "2021"
[dependencies]
$schema_crate = "=$schema_version"
[workspace]
TOML
    manifest=$("$cargo" metadata --quiet --format-version 1 --manifest-path "$project/Cargo.toml" |
        grep -o "\"manifest_path\":\"[^\"]*/$schema_crate-$schema_version/Cargo.toml\"" |
        head -n 1 | cut -d'"' -f4) || true
    rm -rf "$project"
    if [ -z "$manifest" ] || ! cp "${manifest%/*}/src/schema.json" "$workshop/sarif-schema.json"; then
        printf 'validation of SARIF: %s %s cannot be fetched\n' "$schema_crate" "$schema_version" \
            >>"$skipped"
    fi
}

if has flock; then
    exec 9>"$workshop/.lock"
    flock 9
fi

begun=$(date +%s)
get_schema
get_tools || skip "no tools: $reason"
kernels=
for want in 6.12 newest; do
    [ -s "$cache/kernels/.wants/$want" ] || continue
    release=$(tail -n 1 "$cache/kernels/.wants/$want")
    case "$release" in image-*-cloud-amd64) release=${release#image-} ;; *) continue ;; esac
    case " $kernels" in *" $release "*) continue ;; esac
    kernels="$kernels$release "
    if ! get_headers "$release"; then
        say "SKIPPED: headers of $release: $reason"
        printf 'building module packages for %s: %s\n' "$release" "$reason" >>"$skipped"
    fi
done
[ -n "$kernels" ] || skip 'no kernel of 6.12 or newer was fetched'
for dir in "$workshop"/headers-*; do
    release=${dir##*/headers-}
    case " $kernels" in *" $release "*) ;; *) rm -rf "$dir" ;; esac
done
say "ready in $(($(date +%s) - begun)) s: $kernels"

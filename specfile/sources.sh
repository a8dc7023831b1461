#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Makes what a package is built from: btf-guard-VERSION.tar.xz, what is committed,
# and vendor.tar.xz, every crate of its Cargo.lock; beside them the spec.
#
#   sources.sh DIRECTORY
#
# The same commit gives the same bytes. Crates that cargo has not fetched yet are
# fetched from crates.io; a vendor.tar.xz of the same Cargo.lock is left as it is.
set -eu

ME='make rpm'
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
. "$here/../tests/setup/say.sh"

[ $# = 1 ] || die 'usage: sources.sh DIRECTORY'
mkdir -p "$1"
out=$(CDPATH='' cd -- "$1" && pwd)
cd "$here/.."
git rev-parse --verify --quiet HEAD >/dev/null || die 'packages are made of what is committed, and there is no commit here'
[ -z "$(git status --porcelain --untracked-files=no)" ] ||
    say 'what is not committed is left out'

for file in btf-guard.spec btf-guard.rpmlintrc; do
    git show "HEAD:specfile/$file" >"$out/$file"
done
version=$(sed -n 's/^Version: *//p' "$out/btf-guard.spec")
git archive --format=tar --prefix="btf-guard-$version/" HEAD | xz -T0 >"$out/source.part"
mv "$out/source.part" "$out/btf-guard-$version.tar.xz"

key=$(git show HEAD:Cargo.lock | sha256sum)
[ "$(cat "$out/vendor.key" 2>/dev/null)" = "$key" ] && [ -f "$out/vendor.tar.xz" ] && exit 0

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/tree" "$work/crates" "$work/crates/.cargo"
git archive --format=tar HEAD | tar -x -C "$work/tree"
say 'collecting the crates'
(
    cd "$work/tree"
    "${CARGO:-cargo}" vendor --quiet --locked --versioned-dirs "$work/crates/vendor"
) || die 'cargo could not collect the crates'
# Read by cargo in the directory where the source is unpacked.
cat >"$work/crates/.cargo/config.toml" <<'TOML'
[source.crates-io]
replace-with = "vendored"

[source.vendored]
directory = "vendor"
TOML
tar -c --format=gnu --sort=name --owner=0 --group=0 --numeric-owner \
    --mtime="@$(git log -1 --format=%ct HEAD -- Cargo.lock)" -C "$work/crates" .cargo vendor |
    xz -T0 -3 >"$out/vendor.part"
mv "$out/vendor.part" "$out/vendor.tar.xz"
printf '%s\n' "$key" >"$out/vendor.key"

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# `make rpm`: packages of what is committed.
#
#   build.sh
#
# Sources, then the source package, then the packages from it: they end up in
# target/rpm. Without network, by a namespace that has none. What is compiled is
# kept in target/rpm/compiled, from which the next run takes the crates; the
# unpacked sources stay in target/rpm/BUILD.
#
# CARGO_TARGET_DIR names another target.
set -eu

ME='make rpm'
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
. "$here/../tests/setup/say.sh"
cd "$here/.."

target=${CARGO_TARGET_DIR:-target}
mkdir -p "$target/rpm"
top=$(CDPATH='' cd -- "$target/rpm" && pwd)

"$here/sources.sh" "$top/SOURCES"
rm -rf "$top/RPMS" "$top/SRPMS" "$top/BUILD" "$top/BUILDROOT"

# Only root may leave the network without leaving himself.
offline=
if [ "$(id -u)" = 0 ] && unshare --net true 2>/dev/null; then
    offline='unshare --net'
elif unshare --map-root-user --net true 2>/dev/null; then
    offline='unshare --map-root-user --net'
else
    say 'this machine has no namespaces: only cargo is told to do without network'
fi

# Where another package manager owns the system, rpm knows of no package.
nodeps=
if ! rpm -q rpm >/dev/null 2>&1; then
    say "rpm has not installed itself here: what the spec requires is not checked"
    nodeps=--nodeps
fi

set -- --define "_topdir $top" $nodeps
[ "$(pkg-config --exists libzypp && echo yes)" = yes ] || set -- "$@" --without zypp
CARGO_TARGET_DIR=$top/compiled
export CARGO_TARGET_DIR
begun=$(date +%s)
# shellcheck disable=SC2086 # a command and its options
$offline rpmbuild -ba --noclean --quiet "$@" "$top/SOURCES/btf-guard.spec" >"$top/log" 2>&1 || {
    tail -n 40 "$top/log" >&2
    die "rpmbuild failed; all that it said is in $top/log"
}
say "built in $(($(date +%s) - begun)) s:"
find "$top/RPMS" "$top/SRPMS" -name '*.rpm' | sort

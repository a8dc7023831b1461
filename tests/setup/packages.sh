#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The packages that the tests install: those of `make rpm` for each root of
# roots.sh, and the same files once more as the next release, for upgrades.
#
#   packages.sh
#
# What differs between the roots is where their rpm looks for plugins. cargo finds
# what it has compiled for the first, and does not compile it again. They become
# target/rpm/tests/SUITE/RELEASE. Ends with what rpmlint says of `make rpm`'s.
#
# CARGO_TARGET_DIR names another target, BTF_GUARD_CACHE another cache directory.
set -eu

ME=packages
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
. "$here/say.sh"
cd "$here/../.."

"$here/deps.sh" build zypp rpm
specfile/build.sh || exit 1
top=${CARGO_TARGET_DIR:-target}/rpm
top=$(CDPATH='' cd -- "$top" && pwd)

# build RELEASE PLUGIN_DIR INTO, in the tree that `make rpm` has unpacked
build() {
    sed -e "s/^\(Release: *\)1/\1$1/" -e 's/^%setup .*/%setup -q -T -D/' \
        "$top/SOURCES/btf-guard.spec" >"$top/next.spec"
    CARGO_TARGET_DIR=$top/compiled rpmbuild -bb --noclean --quiet --nodeps --define "_topdir $top" \
        --define "_rpmdir $3" --define "__plugindir $2" "$top/next.spec" >"$top/next.log" 2>&1 || {
        tail -n 40 "$top/next.log" >&2
        die "release $1 could not be built for $2"
    }
    rm "$top/next.spec"
}

tests=$top/tests
rm -rf "$tests"
mkdir "$tests"
for root in "${BTF_GUARD_CACHE:-.cache}"/roots/*/root; do
    suite=$(basename "${root%/root}")
    case "$suite" in '*' | *-build) continue ;; esac
    directory=$(chroot "$root" rpm --eval '%{__plugindir}')
    into=$tests/at$(printf '%s' "$directory" | tr / -)
    if [ ! -d "$into" ]; then
        build 1 "$directory" "$into/1"
        build 2 "$directory" "$into/2"
    fi
    ln -s "${into##*/}" "$tests/$suite"
done

rm -rf "$top/BUILD" "$top/BUILDROOT"

# What is argued in the rpmlintrc is not said.
if ! rpmlint --rpmlintrc specfile/btf-guard.rpmlintrc "$top/SOURCES/btf-guard.spec" \
    "$top"/SRPMS/*.rpm "$top"/RPMS/*/*.rpm >"$top/rpmlint" 2>&1 ||
    ! grep -q ' 0 errors, 0 warnings,' "$top/rpmlint"; then
    grep -E ': [EW]: |checked;' "$top/rpmlint" >&2 || cat "$top/rpmlint" >&2
    die 'rpmlint has something to say'
fi
say "$(grep 'checked;' "$top/rpmlint")"

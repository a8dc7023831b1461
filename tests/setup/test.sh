#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# `make test`: set-up and every check. All steps run even if one fails, so that
# one run tells everything; the exit status is 0 only if none failed.
#
# What the tests get to know:
#   BTF_GUARD_KERNELS   directory of extracted kernels (kernels.sh)
#   BTF_GUARD_ROOTS     directory of distributions' roots (roots.sh)
#   BTF_GUARD_SHIMS     directory of shims around those roots' libzypp (shims.sh)
#   BTF_GUARD_PACKAGEKIT  directory of layers with PackageKit (packagekit.sh)
#   BTF_GUARD_RPMS      directory of the packages of `make rpm` (packages.sh)
#   BTF_GUARD_BIN       the program, BTF_GUARD_PLUGIN  the rpm plugin, both as
#                       built from this tree in the profile of the tests
#   BTF_GUARD_RELEASE_PLUGIN  the rpm plugin as packages have it, for its size
#   BTF_GUARD_SKIPS     a file: a test that has to leave something out, because
#                       this machine does not permit it, appends one line saying
#                       what and why. All such lines are shown at the end.
#   BTF_GUARD_WORKSHOP  directory of what module packages are built with (workshop.sh)
#   BTF_GUARD_INIT      the first process of the oracle's guests (oracle.sh)
#   BTF_GUARD_BORROWED  directory of programs that nothing needs (borrow.sh)
set -eu

ME='make test'
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
. "$here/say.sh"
cd "$here/../.."

cargo=${CARGO:-cargo}
target=${CARGO_TARGET_DIR:-target}
case "$target" in /*) ;; *) target=$PWD/$target ;; esac
export CARGO_TARGET_DIR="$target"
cache=${BTF_GUARD_CACHE:-$PWD/.cache}
mkdir -p "$cache"

skips=$cache/skips
: >"$skips"
BTF_GUARD_SKIPS=$skips
export BTF_GUARD_SKIPS
passed=0
failed=

skip() {
    say "SKIPPED: $*"
    printf '%s\n' "$*" >>"$skips"
}

step() {
    name=$1
    shift
    say "== $name: $*"
    begun=$(date +%s)
    if "$@"; then
        passed=$((passed + 1))
        say "-- $name: passed ($(($(date +%s) - begun)) s)"
    else
        failed="$failed '$name'"
        say "-- $name: FAILED"
    fi
}

# The last words, whatever happened.
summary() {
    count=$(wc -l <"$skips")
    echo
    if [ "$count" -gt 0 ]; then
        echo "make test: SKIPPED $count, because this machine could not do them:"
        sed 's/^/    /' "$skips"
    else
        echo 'make test: SKIPPED 0'
    fi
    if [ -n "$failed" ]; then
        echo "make test: FAILED:$failed ($passed other steps passed)"
        exit 1
    fi
    echo "make test: all $passed steps passed"
}

fetch_kernels() {
    "$here/kernels.sh" test || return 1
    # These are not this machine's fault, but not tested all the same.
    cat "$cache/kernels/SKIPPED" >>"$skips"
}

build_roots() {
    "$here/roots.sh" test || return 1
    [ ! -e "$cache/roots/SKIPPED" ] || cat "$cache/roots/SKIPPED" >>"$skips"
}

build_shims() {
    "$here/shims.sh" || return 1
    cat "$cache/shims/SKIPPED" >>"$skips"
}

build_packagekit() {
    "$here/packagekit.sh" || return 1
    cat "$cache/packagekit/SKIPPED" >>"$skips"
}

open_workshop() {
    "$here/workshop.sh" || return 1
    cat "$cache/workshop/SKIPPED" >>"$skips"
}

build() {
    "$cargo" build --locked --workspace
}

run_tests() {
    BTF_GUARD_BIN=$target/debug/btf-guard
    BTF_GUARD_PLUGIN=$target/debug/libbtf_guard_rpm.so
    BTF_GUARD_KERNELS=$cache/kernels
    BTF_GUARD_ROOTS=$cache/roots
    BTF_GUARD_BORROWED=$cache/borrowed
    BTF_GUARD_SHIMS=$cache/shims
    BTF_GUARD_PACKAGEKIT=$cache/packagekit
    BTF_GUARD_RPMS=$target/rpm
    BTF_GUARD_RELEASE_PLUGIN=$target/rpm/compiled/release/libbtf_guard_rpm.so
    BTF_GUARD_WORKSHOP=$cache/workshop
    BTF_GUARD_INIT=$("$here/oracle.sh" init) || return 1
    export BTF_GUARD_BIN BTF_GUARD_PLUGIN BTF_GUARD_KERNELS BTF_GUARD_ROOTS \
        BTF_GUARD_BORROWED BTF_GUARD_SHIMS BTF_GUARD_PACKAGEKIT BTF_GUARD_RPMS BTF_GUARD_WORKSHOP \
        BTF_GUARD_INIT BTF_GUARD_RELEASE_PLUGIN
    for file in "$BTF_GUARD_BIN" "$BTF_GUARD_PLUGIN"; do
        if [ ! -f "$file" ]; then
            say "$file was not built"
            return 1
        fi
    done
    "$cargo" test --locked --workspace --no-fail-fast
}

# Each compiler brings lints that this code has not met. Up to this one, a
# warning is a failure; from later ones only what Cargo.toml denies is.
clippy_known=96

# Laid out as a package would be, and found again by rpm: its macro names files
# that are there. Without the part for zypper, which the clients' tests install
# around their own libzypp.
install() {
    tree=$cache/installed
    rm -rf "$tree"
    make --no-print-directory install DESTDIR="$tree" ZYPP= RPM_PLUGIN_DIR=/usr/lib64/rpm-plugins \
        RPM_MACRO_DIR=/usr/lib/rpm/macros.d program="$target/debug/btf-guard" \
        plugin="$target/debug/libbtf_guard_rpm.so" || return 1
    # The macro names the plugin only where it is there, so it is shown where it is.
    sed "s|\"/usr/lib64/|\"$tree/usr/lib64/|" \
        "$tree/usr/lib/rpm/macros.d/macros.transaction_btf_guard" >"$tree/macros"
    value=$(rpm --load "$tree/macros" --eval '%__transaction_btf_guard')
    [ "$value" = "$tree/usr/lib64/rpm-plugins/btf_guard.so --judge /usr/bin/btf-guard" ] ||
        { say "the macro's value is '$value'"; return 1; }
    [ -x "$tree/usr/bin/btf-guard" ] || { say 'the program is not installed'; return 1; }
    for file in usr/share/man/man1/btf-guard.1 usr/share/man/man1/btf-guard-check.1 \
        usr/share/man/man1/btf-guard-allow.1 usr/share/btf-guard/btf-guard.toml \
        usr/share/bash-completion/completions/btf-guard etc/dkms/framework.conf.d/btf-guard.conf \
        etc/dnf/plugins/post-transaction-actions.d/btf-guard.action \
        etc/dnf/libdnf5-plugins/actions.d/btf-guard.actions \
        usr/lib/systemd/system/btf-guard-boot.service usr/lib/systemd/system/btf-guard-status.path \
        usr/share/btf-guard/automatic/dnf-automatic.service.d/btf-guard.conf; do
        [ -s "$tree/$file" ] || { say "$file is not installed"; return 1; }
    done
    [ -x "$tree/usr/lib/kernel/install.d/98-btf-guard.install" ] ||
        { say 'the plugin of kernel-install is not installed'; return 1; }
}

clippy() {
    minor=$(rustc --version | sed 's/^rustc 1\.\([0-9]*\).*/\1/')
    if [ "$minor" -le "$clippy_known" ]; then
        "$cargo" clippy --locked --workspace --all-targets -- -D warnings
    else
        skip "failing on clippy's warnings: rustc 1.$minor is newer than 1.$clippy_known, whose lints are known"
        "$cargo" clippy --locked --workspace --all-targets
    fi
}

# The pinned series keeps its meaning; debug builds in a quarter of the time.
deny() {
    tool=$cache/tools/bin/cargo-deny
    if [ ! -x "$tool" ]; then
        say 'building cargo-deny, once'
        CARGO_TARGET_DIR=$cache/tools/target "$cargo" install --quiet --locked --debug \
            --version '^0.20' --root "$cache/tools" cargo-deny || return 1
        rm -rf "$cache/tools/target"
    fi
    "$tool" check licenses bans sources
}

if ! "$here/deps.sh" build test; then
    failed=" 'deps'"
    summary
fi

if has cargo-fmt; then
    step fmt "$cargo" fmt --all --check
else
    skip 'cargo fmt: not installed'
fi
step 'shell scripts' shellcheck -x -P SCRIPTDIR .ci/run "$here"/*.sh \
    "$here"/../../ffi/zypp-sys/shim/build.sh specfile/*.sh hooks/kernel-install/98-btf-guard.install.in \
    specfile/brp-btf-guard specfile/95-check-btf-guard
step kernels fetch_kernels
step roots build_roots
step shims build_shims
step PackageKit build_packagekit
step workshop open_workshop
# What it cannot bring, the tests that use it report.
"$here/borrow.sh" || say 'borrow.sh failed'
step build build
step packages "$here/packages.sh"
step tests run_tests
step oracle "$here/oracle.sh" slice
step install install
if has cargo-clippy; then
    step clippy clippy
else
    skip 'cargo clippy: not installed'
fi
step 'deny (licenses, bans, sources; advisories need a database from outside)' deny

summary

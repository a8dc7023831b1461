#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# `make fuzz`: every fuzz target for FUZZ_SECONDS (60) seconds.
#
# Targets are fuzz/fuzz_targets/<name>.rs, each a binary of the crate fuzz/ over
# libfuzzer-sys. Stable Rust is enough: libFuzzer needs coverage counters, which
# the compiler's LLVM adds by the flags below; only sanitizers need a nightly one.
# Inputs that crash are kept in fuzz/crashers/<name>/, for `make test` to run.
set -eu

ME='make fuzz'
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
. "$here/say.sh"
cd "$here/../.."

seconds=${FUZZ_SECONDS:-60}
cargo=${CARGO:-cargo}
cache=${BTF_GUARD_CACHE:-$PWD/.cache}
[ -f fuzz/Cargo.toml ] || die 'there is no fuzz/Cargo.toml'
"$here/deps.sh" build fuzz

host=$(rustc -vV | sed -n 's/^host: //p')
target_dir=$cache/fuzz/target
flags='--cfg fuzzing -Cdebug-assertions -Ccodegen-units=1 -Cpasses=sancov-module'
for option in level=4 inline-8bit-counters pc-table trace-compares; do
    flags="$flags -Cllvm-args=-sanitizer-coverage-$option"
done

# With --target the flags stay away from build scripts, which have no libFuzzer.
RUSTFLAGS=$flags CARGO_TARGET_DIR=$target_dir \
    "$cargo" build --release --locked --manifest-path fuzz/Cargo.toml --target "$host"

# Real files to start from, so that no time is lost inventing ELF or rpm.
seeds=$cache/fuzz/seeds
"$cargo" run --quiet --locked -p btf-guard-tests --example seeds -- "$seeds"

# Some targets read files: kept in memory, and gone in the end.
TMPDIR=$(mktemp -d /dev/shm/btf-guard-fuzz.XXXXXX)
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT

failed=
for source in fuzz/fuzz_targets/*.rs; do
    name=$(basename "$source" .rs)
    corpus=$cache/fuzz/corpus/$name
    crashers=fuzz/crashers/$name
    mkdir -p "$corpus" "$crashers"
    say "== $name, $seconds s"
    # The first directory takes what is found; the others are only read.
    "$target_dir/$host/release/$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
        -print_final_stats=1 -artifact_prefix="$crashers/" "$corpus" "$crashers" "$seeds/$name" ||
        failed="$failed $name"
done
[ -z "$failed" ] || die "crashed:$failed (inputs in fuzz/crashers/)"
say 'no target crashed'

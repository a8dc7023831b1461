#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The licences of all that is linked into what is installed, from cargo's word.
#
#   licences.sh expression   one SPDX expression, as the spec's License tag has it
#   licences.sh list         every crate with its version and licence, one a line
#   licences.sh bundled      the C libraries inside crates, with their versions
#
# CARGO names another cargo; CARGO_NET_OFFLINE=true keeps it from asking a registry.
set -eu

cd "$(dirname -- "$0")/.."

# Everything that is compiled into the installed files, for a Linux with glibc;
# macros that run inside the compiler and tests are not.
crates() {
    ${CARGO:-cargo} tree --locked --target "$(rustc -vV | sed -n 's/^host: //p')" \
        -p btf-guard -p btf-guard-rpm -p btf-guard-zypp -p btf-guard-zypp-fetch \
        -e no-build,no-dev,no-proc-macro --prefix none -f '{p}|{l}' |
        sed -e 's/ (\*)$//' -e '/^$/d' -e 's| (/[^|]*)||' | LC_ALL=C sort -u
    # C code inside a crate, under another licence than the crate's own.
    echo 'xz inside liblzma-sys|0BSD'
}

# Alternatives in one order, older crates' "/" for OR, what is alternative in brackets.
in_order() {
    cut -d'|' -f2 | sed 's|/| OR |g' | awk '
        {
            count = split($0, words, / OR /)
            for (i = 2; i <= count; i++)
                for (j = i; j > 1 && words[j - 1] > words[j]; j--) {
                    word = words[j]; words[j] = words[j - 1]; words[j - 1] = word
                }
            text = words[1]
            for (i = 2; i <= count; i++) text = text " OR " words[i]
            print (count > 1 ? "(" text ")" : text)
        }' | LC_ALL=C sort -u
}

version_of_xz() {
    manifest=$(${CARGO:-cargo} metadata --locked --format-version 1 |
        grep -o '"manifest_path":"[^"]*/liblzma-sys-[^"]*"' | cut -d'"' -f4)
    sed -n 's/^#define LZMA_VERSION_\(MAJOR\|MINOR\|PATCH\) //p' \
        "${manifest%/*}/xz/src/liblzma/api/lzma/version.h" | paste -sd.
}

case "${1:-}" in
    bundled)
        echo "xz $(version_of_xz)"
        sed -n '/^name = "zstd-sys"/,/^$/s/^version = .*+zstd\.\(.*\)"/zstd \1/p' Cargo.lock
        ;;
    list) crates | sed 's/|/: /' ;;
    # Ours first.
    expression)
        own=GPL-2.0-or-later
        crates | in_order | grep -vx "$own" | sed "1s/^/$own AND /" | awk '
            { text = text (NR > 1 ? " AND " : "") $0 }
            END { print text }'
        ;;
    *) echo 'usage: licences.sh expression|list|bundled' >&2; exit 2 ;;
esac

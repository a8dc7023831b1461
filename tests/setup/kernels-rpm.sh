# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# Kernels from an rpm distribution, by dnf or zypper; sourced by kernels.sh.
#
# Written from the tools' documentation and not proven on such a machine:
# docs/distributions.md keeps the list of what is.
#
# state, reason, say: see kernels.sh and say.sh.
# shellcheck disable=SC2154

arch=$(uname -m)
reason=

archive_reason() {
    printf '%s' "${reason:-unknown reason}"
}

archive_wants() {
    echo stable mandatory
    echo enforcing optional
    printf 'foreign-%s optional\n' arm64 loong64 ppc64el riscv64 s390x
}

archive_open() {
    case "$1" in
        foreign-*)
            reason='kernels of other architectures are only fetched by apt'
            return 1
            ;;
    esac
    mkdir -p "$state/rpm"
    if has dnf; then
        dnf -q repoquery --showduplicates --arch "$arch" \
            --qf '%{version}-%{release}.%{arch}\n' kernel-core
    else
        # kernel-default is the distribution's standard flavour.
        zypper --non-interactive --xmlout search -s --match-exact -t package kernel-default |
            sed -n "s/.*edition=\"\([^\"]*\)\".*arch=\"$arch\".*/\1/p"
    fi >"$state/rpm/releases" 2>"$state/rpm/log"
    if [ ! -s "$state/rpm/releases" ]; then
        reason="the package manager lists no kernel ($(head -n 1 "$state/rpm/log"))"
        return 1
    fi
}

archive_sets() {
    reason="no two builds of this distribution's kernel that will do for '$1'"
    sort -uV "$state/rpm/releases" | tail -n 2 | tr '\n' ' ' | awk 'NF == 2'
}

archive_get() {
    rpms=$state/rpm/$2
    rm -rf "$rpms"
    mkdir -p "$rpms"
    say "downloading the kernel packages of $2"
    if has dnf; then
        dnf -q download --destdir "$rpms" --arch "$arch" \
            "kernel-core-$2" "kernel-modules-core-$2" "kernel-modules-$2"
    else
        zypper --non-interactive --pkg-cache-dir "$rpms" download "kernel-default=$2"
    fi >"$state/rpm/log" 2>&1 || {
        reason="download failed ($(tail -n 1 "$state/rpm/log"))"
        return 1
    }
    find "$rpms" -name '*.rpm' >"$state/rpm/files"
    while read -r file; do
        (cd "$3" && rpm2cpio "$file" | cpio -idm --quiet --no-absolute-filenames) || {
            reason="$(basename "$file") cannot be extracted"
            return 1
        }
    done <"$state/rpm/files"
    rm -rf "$rpms"
}

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Installs what a part of the work needs, through the system's package manager.
#
#   deps.sh build|zypp|rpm|test|roots|demo|pair|fuzz|bench|oracle-enforcing …
#
# What is looked for are the commands, headers and libraries themselves, so
# nothing is installed, and no root asked for, where they came from elsewhere.
# Debian's names are proven; docs/distributions.md says so of the others.
set -eu

ME=deps
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
. "$here/say.sh"

# The oldest cargo that can build the workspace (rust-version in Cargo.toml).
cargo_minor=88

# set | what must be there | Debian | openSUSE | Fedora
needs() {
    cat <<'TABLE'
build cmd:cc gcc gcc gcc
build header:stdlib.h libc6-dev glibc-devel glibc-devel
build header:rpm/rpmts.h librpm-dev rpm-devel rpm-devel
build cmd:pkg-config pkg-config pkg-config pkgconf-pkg-config
build lib:libclang clang clang-devel clang-devel
build clang-header:stddef.h clang clang-devel clang-devel
build certificates ca-certificates ca-certificates ca-certificates
build rust:cargo - - -
zypp cmd:g++ g++ gcc-c++ gcc-c++
zypp header:zypp/ZYpp.h libzypp-dev libzypp-devel libzypp-devel
rpm cmd:rpmbuild rpm rpm-build rpm-build
rpm cmd:make make make make
rpm cmd:git git git git
rpm cmd:tar tar tar tar
rpm cmd:xz xz-utils xz xz
test cmd:cargo-fmt - - -
test cmd:cargo-clippy - - -
test cmd:rpm rpm rpm rpm
test cmd:rpmbuild rpm rpm-build rpm-build
test cmd:rpm2cpio rpm2cpio rpm rpm
test cmd:cpio cpio cpio cpio
test cmd:zstd zstd zstd zstd
test cmd:xz xz-utils xz xz
test cmd:lzma xz-utils xz xz-lzma-compat
test cmd:gzip gzip gzip gzip
test cmd:bzip2 bzip2 bzip2 bzip2
test cmd:lz4 lz4 lz4 lz4
test cmd:lzop lzop lzop lzop
test cmd:mkfs.fat dosfstools dosfstools dosfstools
test cmd:mcopy mtools mtools mtools
test cmd:mount mount util-linux util-linux-core
test python:rpm python3-rpm python3-rpm python3-rpm
test cmd:ps procps procps procps-ng
test cmd:rpmlint rpmlint rpmlint rpmlint
test cmd:strace strace strace strace
test cmd:valgrind valgrind valgrind valgrind
test cmd:shellcheck shellcheck ShellCheck ShellCheck
test cmd:objcopy binutils binutils binutils
test header:libelf.h libelf-dev libelf-devel elfutils-libelf-devel
test header:zlib.h zlib1g-dev zlib-devel zlib-devel
test static:libc.a libc6-dev glibc-devel-static glibc-static
test cmd:qemu-system-x86_64 qemu-system-x86 qemu-x86 qemu-system-x86-core
roots cmd:debootstrap debootstrap debootstrap debootstrap
roots cmd:createrepo_c createrepo-c createrepo_c createrepo_c
roots cmd:unshare util-linux util-linux util-linux
roots cmd:nsenter util-linux util-linux util-linux
roots cmd:ip iproute2 iproute2 iproute
demo cmd:rpm rpm rpm rpm
demo cmd:rpmbuild rpm rpm-build rpm-build
demo cmd:zstd zstd zstd zstd
pair cmd:cc gcc gcc gcc
pair cmd:pahole dwarves dwarves dwarves
pair cmd:objcopy binutils binutils binutils
oracle-enforcing cmd:cc gcc gcc gcc
oracle-enforcing cmd:make make make make
oracle-enforcing cmd:objcopy binutils binutils binutils
oracle-enforcing cmd:flex flex flex flex
oracle-enforcing cmd:bison bison bison bison
oracle-enforcing cmd:bc bc bc bc
oracle-enforcing cmd:xz xz-utils xz xz
oracle-enforcing header:gelf.h libelf-dev libelf-devel elfutils-libelf-devel
oracle-enforcing header:zlib.h zlib1g-dev zlib-devel zlib-devel
fuzz cmd:c++ g++ gcc-c++ gcc-c++
test cmd:depmod kmod kmod kmod
test cmd:systemd-analyze systemd systemd systemd
bench cmd:depmod kmod kmod kmod
bench header:libelf.h libelf-dev libelf-devel elfutils-libelf-devel
bench header:zlib.h zlib1g-dev zlib-devel zlib-devel
bench cmd:rpm rpm rpm rpm
bench cmd:rpmbuild rpm rpm-build rpm-build
bench cmd:dracut dracut-core dracut dracut
bench cmd:unshare util-linux util-linux util-linux
TABLE
}

cargo_is_new_enough() {
    version=$(cargo --version 2>/dev/null) || return 1
    version=${version#cargo 1.}
    version=${version%%.*}
    case "$version" in '' | *[!0-9]*) return 1 ;; esac
    [ "$version" -ge "$cargo_minor" ] && has rustc
}

any_file() {
    for path in "$@"; do
        [ ! -e "$path" ] || return 0
    done
    return 1
}

is_there() {
    case "$1" in
        rust:*) cargo_is_new_enough ;;
        cmd:*) has "${1#cmd:}" ;;
        # For the system's interpreter; another in the PATH would not see rpm's module.
        python:*) any_file /usr/lib/python3*/*-packages/"${1#*:}" /usr/lib64/python3*/*-packages/"${1#*:}" ;;
        # cargo downloads over https.
        certificates) any_file /etc/ssl/certs/ca-certificates.crt /etc/ssl/ca-bundle.pem \
            /etc/pki/tls/certs/ca-bundle.crt ;;
        header:*) any_file /usr/include/"${1#*:}" /usr/include/*-linux-gnu*/"${1#*:}" ;;
        lib:*)
            for dir in /usr/lib /usr/lib64 /usr/lib/*-linux-gnu* /usr/lib/llvm-*/lib; do
                if any_file "$dir/${1#lib:}".so* "$dir/${1#lib:}"-[0-9]*.so*; then return 0; fi
            done
            return 1 ;;
        static:*) any_file /usr/lib/"${1#*:}" /usr/lib64/"${1#*:}" /usr/lib/*-linux-gnu*/"${1#*:}" ;;
        # bindgen parses with clang's own builtin headers.
        clang-header:*) any_file /usr/lib/llvm-*/lib/clang/*/include/"${1#*:}" \
            /usr/lib*/clang/*/include/"${1#*:}" ;;
    esac
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

# apt's candidate of a package, as its upstream version.
candidate() {
    LC_ALL=C apt-cache policy "$1" 2>/dev/null | sed -n 's/^  Candidate: \([0-9][0-9.]*\).*/\1/p'
}

# Debian keeps its release's rustc for the archive, and a newer one, for the
# browsers, under names with "-web".
debian_rust() {
    suffix=-web
    newest=$(candidate cargo)
    case "$newest" in
        1.*) minor=${newest#1.}; [ "${minor%%.*}" -lt "$cargo_minor" ] || suffix= ;;
    esac
    for tool in "$@"; do
        case "$tool" in
            cargo) echo "cargo$suffix" "rustc$suffix" ;;
            cargo-fmt) echo "rustfmt$suffix" ;;
            cargo-clippy) echo "rust${suffix}-clippy" ;;
        esac
    done
}

# The packages of Rust's own tools; the distribution's cargo and a rustup one do not mix.
rust_packages() {
    if [ "$1" != cargo ] && has rustup; then
        rustup component add "${1#cargo-}" >&2 ||
            say "rustup cannot add ${1#cargo-}; what needs it will be skipped"
        return
    fi
    if [ "$1" != cargo ] && ! is_system_cargo; then
        say "$1 is missing and cargo is not the system's; what needs it will be skipped"
        return
    fi
    case "$manager" in
        apt) debian_rust "$1" ;;
        # openSUSE ships rustfmt and clippy inside its rust package.
        zypper) echo cargo rust ;;
        dnf) case "$1" in
            cargo) echo cargo rust ;;
            cargo-fmt) echo rustfmt ;;
            cargo-clippy) echo clippy ;;
        esac ;;
    esac
}

# True as well where cargo is still to come, from the system.
is_system_cargo() {
    ! cargo_is_new_enough || [ "$(command -v cargo)" = /usr/bin/cargo ]
}

# A mirror that is not reachable now need not matter: the lists may do.
update_apt() {
    say 'fetching the package lists'
    quietly as_root apt-get -qq -o DPkg::Lock::Timeout=300 update || true
}

# Package managers talk a lot; it matters only when they fail.
quietly() {
    log=$(mktemp)
    status=0
    "$@" >"$log" 2>&1 || status=$?
    [ "$status" = 0 ] || tail -n 20 "$log" >&2
    rm -f "$log"
    return "$status"
}

apt_install() {
    # A directory of its own for the packages: a hook of some images empties the
    # system's at the end of any update, even one that runs beside us.
    archives=$(mktemp -d /var/tmp/btf-guard-debs.XXXXXX)
    chmod 755 "$archives"
    mkdir "$archives/partial"
    set -- as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends \
        -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 -o "Dir::Cache::archives=$archives" install "$@"
    status=0
    # The lists may be older than the archive.
    quietly "$@" || { update_apt && quietly "$@"; } || status=$?
    as_root rm -rf "$archives"
    return "$status"
}

install() {
    case "$manager" in
        apt) apt_install "$@" ;;
        zypper) quietly as_root zypper --non-interactive install --no-recommends "$@" ;;
        dnf) quietly as_root dnf -q -y install "$@" ;;
    esac
}

missing_of() {
    needs | while read -r set probe debian suse fedora; do
        case " $* " in *" $set "*) ;; *) continue ;; esac
        is_there "$probe" || echo "$probe $debian $suse $fedora"
    done
}

[ $# -gt 0 ] || die "usage: deps.sh build|zypp|rpm|test|roots|demo|pair|fuzz|bench|oracle-enforcing …"
missing=$(missing_of "$@")
[ -n "$missing" ] || exit 0

if has apt-get; then
    manager=apt column=2
elif has zypper && ! has dnf; then
    manager=zypper column=3
elif has dnf; then
    manager=dnf column=4
else
    die "missing: $(echo "$missing" | cut -d' ' -f1 | tr '\n' ' '); no apt, zypper or dnf here to install it with"
fi

if [ "$(id -u)" != 0 ] && ! has sudo; then
    die "missing: $(echo "$missing" | cut -d' ' -f1,"$column" | sed 's/ / (/; s/$/)/' | tr '\n' ' '); not root and no sudo here to install it with"
fi

# Which cargo the archive has is known only from its lists.
if [ "$manager" = apt ] && ! any_file /var/lib/apt/lists/*_Packages*; then
    update_apt
fi

packages=$(echo "$missing" | while read -r line; do
    probe=${line%% *}
    case "$probe" in
        rust:cargo | cmd:cargo-*) rust_packages "${probe#*:}" ;;
        *) echo "$line" | cut -d' ' -f"$column" ;;
    esac
done | tr ' ' '\n' | sort -u | tr '\n' ' ')

if [ -n "${packages% }" ]; then
    say "installing $packages"
    # shellcheck disable=SC2086 # one word a package
    install $packages || die "the package manager could not install: $packages"
fi

still=$(missing_of "$@" | cut -d' ' -f1 | grep -v '^cmd:cargo-' | tr '\n' ' ' || true)
case "$still" in
    *rust:cargo*) die "no cargo of at least 1.$cargo_minor here or in the package manager; install one, for example with rustup" ;;
    ?*) die "still missing after the installation: $still" ;;
esac

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Brings roots of distributions, in which real clients are run.
#
#   roots.sh test [--refresh]   the roots of the test suite
#   roots.sh NAME…              these roots; their directories go to standard output
#
# A NAME is a suite of Debian, whose archive has rpm, zypper and dnf in several
# generations, or a suite with "-build" behind it: the same root with a C++
# compiler and libzypp's headers. The table in recipe() has them all.
#
# Each becomes .cache/roots/NAME/, with root/ (what is there for good: the tests
# lay a file system of their own over it), versions, and recipe, by which is told
# whether it is still what this script would build. What is cached is used as it
# is, without asking any archive; --refresh asks again. An interrupted run leaves
# only a .part behind.
#
# The archive is the one of this machine's own apt configuration, with the suite
# replaced; where there is none, or no root can be entered here, all roots are
# skipped, and .cache/roots/SKIPPED says so.
#
# BTF_GUARD_CACHE names another cache directory.
set -eu

ME=roots
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
. "$here/say.sh"

cache=${BTF_GUARD_CACHE:-$here/../../.cache}
mkdir -p "$cache/roots"
cache=$(CDPATH='' cd -- "$cache" && pwd)
roots=$cache/roots
state=$cache/packages
skipped=$roots/SKIPPED

# What a root is made of, and what must have come of it:
#   packages   installed on top of the smallest base system
#   versions   "package version" pairs; the tests rely on these
#   need       mandatory, or optional where the suite moves
recipe() {
    # systemd has kernel-install, which wants depmod.
    clients='rpm zypper systemd kmod'
    case "$1" in
        bookworm*)
            # dnf's plugins break zypper here, as their package says.
            packages="$clients dnf"
            versions='rpm 4.18. dnf 4.14. libzypp1722 17.25. systemd 252.'
            need=mandatory
            ;;
        trixie*)
            packages="$clients dnf dnf-plugins-core dkms libzypp-bin libzypp-config"
            versions='rpm 4.20. dnf 4.23. libzypp1735 17.36. systemd 257. dkms 3.2.'
            need=mandatory
            ;;
        forky*)
            packages="$clients dnf5 libzypp-bin libzypp-config"
            versions='rpm 6.1. dnf5 5.4. libzypp1735 17.38.'
            need=optional
            ;;
        *) die "unknown root $1" ;;
    esac
    suite=${1%-build}
    case "$1" in *-build) packages="g++ pkg-config libzypp-dev" ;; esac
}

# ---- Building --------------------------------------------------------------

# The host's apt with the root's dpkg: proxies, keys and certificates are needed
# on this side only.
apt_in() {
    into=$1
    shift
    # shellcheck disable=SC2016 # expands in the shell that it is for
    in_state "root-$suite" unshare --mount --propagation private sh -ec '
        root=$1
        shift
        mount -t proc proc "$root/proc"
        exec "$@"
    ' sh "$into" env DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 apt-get -qq -y \
        --no-install-recommends \
        -o DPkg::Chroot-Directory="$into" \
        -o Dir::State="$into/var/lib/apt" \
        -o Dir::State::status="$into/var/lib/dpkg/status" \
        -o Dir::Cache::archives="$into/var/cache/apt/archives" \
        -o Dir::Log="$into/var/log/apt" \
        -o Dpkg::Use-Pty=0 "$@"
}

# debootstrap fetches by wget, which does not know apt's proxies.
proxy_of_apt() {
    eval "$(apt-config shell http Acquire::http::Proxy https Acquire::https::Proxy)"
    # shellcheck disable=SC2154 # set by the eval
    [ -z "${http:-}" ] || export http_proxy="$http"
    # shellcheck disable=SC2154
    [ -z "${https:-}" ] || export https_proxy="$https"
}

# A script of debootstrap's that knows the suite, or the one for what comes next.
script_for() {
    for script in "$1" sid; do
        if [ -e "/usr/share/debootstrap/scripts/$script" ]; then
            printf '%s\n' "/usr/share/debootstrap/scripts/$script"
            return
        fi
    done
}

base_system() {
    entry=$(cat "$state/root-$suite/sources.list")
    mirror=$(printf '%s\n' "$entry" | awk '{ print $(NF - 2) }')
    key=$(printf '%s\n' "$entry" | sed -n 's/.*signed-by=\([^] ]*\).*/--keyring=\1/p')
    case "$entry" in *trusted=yes*) key=--no-check-gpg ;; esac
    # shellcheck disable=SC2086 # no key, no word
    (proxy_of_apt && debootstrap --variant=minbase $key "$suite" "$1" "$mirror" "$(script_for "$suite")")
}

# Leaves out what no client reads, and waits for no disk.
shorten_dpkg() {
    cat >"$1/etc/dpkg/dpkg.cfg.d/tests" <<'CONF'
force-unsafe-io
path-exclude=/usr/share/doc/*
path-exclude=/usr/share/man/*
path-exclude=/usr/share/locale/*
CONF
}

# What every test in these roots would have to set.
adapt() {
    root=$1
    # Debian's rpm of 4.18 keeps the database in root's home unless told.
    # The packages of the tests are not signed.
    mkdir -p "$root/etc/rpm"
    printf '%%_dbpath /var/lib/rpm\n%%_pkgverify_level digest\n' >"$root/etc/rpm/macros.tests"
    # libzypp wants a package glibc to be there: Debian has it, but not as an rpm.
    if [ -e "$root/etc/zypp/systemCheck" ]; then
        sed -i 's/^requires:glibc/#&/' "$root/etc/zypp/systemCheck"
    fi
    # These plugins offer what was installed once, again, or lack what they import.
    rm -f "$root/etc/dnf/libdnf5-plugins/local.conf" \
        "$root"/usr/lib/python3/dist-packages/dnf-plugins/local.py \
        "$root"/usr/lib/python3/dist-packages/dnf-plugins/system_upgrade.py
    # libzypp now and then fails to read a database without any package.
    cat >"$root/tmp/root-base.spec" <<'SPEC'
Name: root-base
Version: 1
Release: 1
Summary: So that the database is not empty
License: none
BuildArch: noarch
%description
No files.
%files
SPEC
    # shellcheck disable=SC2016 # expands in the shell that it is for
    unshare --mount --propagation private sh -ec '
        mount --bind "$1" "$1"
        mount -t proc proc "$1/proc"
        exec chroot "$1" env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin sh -ec "
            rpm --initdb
            rpmbuild -bb --quiet --define \"_topdir /tmp/rpmbuild\" /tmp/root-base.spec
            rpm -U /tmp/rpmbuild/RPMS/noarch/root-base-1-1.noarch.rpm
            rpm -q root-base"
    ' sh "$root" && rm -rf "$root/tmp/root-base.spec" "$root/tmp/rpmbuild"
}

# What was installed; fails if it is not what the tests were written for.
note_versions() {
    dpkg-query --admindir="$1/root/var/lib/dpkg" -W -f '${Package} ${Version}\n' \
        'rpm' 'dnf*' 'zypper' 'libzypp17*' 'systemd' 'dkms' 2>/dev/null | grep ' .' >"$1/versions"
    # shellcheck disable=SC2086 # one word each
    set -- "$1/versions" $versions
    file=$1
    shift
    while [ $# -gt 0 ]; do
        found=$(sed -n "s/^$1 \(.*\)/\1/p" "$file")
        case "$found" in
            "$2"*) ;;
            *)
                reason="$suite has $1 ${found:-none}, the tests know $2"
                return 1
                ;;
        esac
        shift 2
    done
}

# One root, from nothing or from the suite's own; what went wrong is in $reason.
build_in() {
    part=$1
    log=$part/log
    if [ "$suite" = "$name" ]; then
        base_system "$part/root" >"$log" 2>&1 || {
            reason="debootstrap failed ($(grep -m1 '^E:' "$log" || tail -n 1 "$log"))"
            return 1
        }
    else
        cp -a --reflink=auto "$roots/$suite/root" "$part/root"
    fi
    shorten_dpkg "$part/root"
    mkdir -p "$part/root/var/cache/apt/archives/partial"
    # shellcheck disable=SC2086 # one word a package
    apt_in "$part/root" install $packages >>"$log" 2>&1 || {
        reason="apt failed ($(grep -m1 '^E:' "$log" || tail -n 1 "$log"))"
        return 1
    }
    [ "$suite" != "$name" ] || adapt "$part/root" >>"$log" 2>&1 || {
        reason="its rpm does not work ($(tail -n 1 "$log"))"
        return 1
    }
    rm -rf "$part/root/var/cache/apt/archives"
    note_versions "$part"
}

# ---- The cache -------------------------------------------------------------

# What of this script decides on a root's content.
recipe_of() {
    { sed -n '/^recipe()/,/^# ---- The cache/p' "$here/roots.sh"; echo "$1"; } |
        sha256sum | cut -d' ' -f1
}

is_cached() {
    [ -d "$roots/$1/root" ] && [ "$(cat "$roots/$1/recipe" 2>/dev/null)" = "$(recipe_of "$1")" ]
}

# A root by its name; runs in a subshell, so that roots can be built side by side.
build() (
    name=$1
    recipe "$name"
    begun=$(date +%s)
    part=$roots/$name.part
    rm -rf "$part"
    mkdir -p "$part"
    if make_state "root-$suite" && update_root_state && build_in "$part"; then
        recipe_of "$name" >"$part/recipe"
        # No two names at once: what is there goes only when the next is ready.
        rm -rf "${roots:?}/$name"
        mv "$part" "$roots/$name"
        say "built $name in $(($(date +%s) - begun)) s ($(du -sh "$roots/$name" | cut -f1)): $(tr '\n' ',' <"$roots/$name/versions" | sed 's/,$//; s/,/, /g')"
    else
        printf 'root %s: %s\n' "$name" "${reason:-unknown reason}" >"$roots/$name.reason"
        # The log stays, to be read.
        rm -rf "$part/root"
        return 1
    fi
)

update_root_state() {
    update_lists "root-$suite"
    if ! in_state "root-$suite" apt-cache show rpm >/dev/null 2>>"$state/root-$suite/log"; then
        reason="no package list could be fetched ($(apt_complaint "root-$suite" '^[EW]:'))"
        return 1
    fi
}

# Why no root can be had on this machine, if so.
obstacle() {
    if ! has apt-config || ! has dpkg; then
        echo 'no apt here, from whose configuration the archive would be known'
    elif [ "$(sed -n 's/^ID=//p' /etc/os-release | tr -d '"')" != debian ]; then
        echo 'the archive of this machine is not that of Debian'
    elif [ "$(id -u)" = 0 ] && ! unshare --mount --propagation private true 2>/dev/null; then
        echo 'this machine permits no mounts'
    fi
}

need_room() {
    free=$(df -Pm "$roots" | awk 'NR == 2 { print $4 }')
    [ "$free" -gt 3000 ] || die "less than 3000 MB free under $roots"
}

prepare() {
    need_room
    [ "$(id -u)" = 0 ] || die 'a root is built as root only'
    "$here/deps.sh" roots
}

test_set() {
    wanted=
    for name in bookworm trixie forky; do
        recipe "$name"
        if [ "$refresh" = '' ] && is_cached "$name"; then
            continue
        # What could not be had an hour ago is not asked for again.
        elif [ "$refresh" = '' ] && [ "$need" = optional ] && [ -s "$skipped" ] &&
            [ -z "$(find "$skipped" -mmin +60)" ]; then
            continue
        fi
        wanted="$wanted $name"
    done
    if [ -n "$wanted" ]; then
        prepare
        rm -f "$roots"/*.reason
        for name in $wanted; do build "$name" & done
        wait
        : >"$skipped"
        for name in $wanted; do
            [ -e "$roots/$name.reason" ] || continue
            recipe "$name"
            [ "$need" = optional ] || die "cannot build a mandatory root: $(cat "$roots/$name.reason")"
            cat "$roots/$name.reason" >>"$skipped"
        done
    fi
    say "$(find "$roots" -mindepth 2 -maxdepth 2 -path '*/root' ! -path '*.part/*' | wc -l) roots in $roots"
    if [ -s "$skipped" ]; then
        say "SKIPPED: $(wc -l <"$skipped") optional ($skipped):"
        sed 's/^/    /' "$skipped" >&2
    fi
}

named_set() {
    for name in "$@"; do
        recipe "$name"
        for part in "$suite" "$name"; do
            is_cached "$part" && continue
            prepare
            rm -f "$roots/$part.reason"
            build "$part" || die "$(cat "$roots/$part.reason")"
        done
        printf '%s\n' "$roots/$name/root"
    done
}

[ $# -gt 0 ] || die 'usage: roots.sh test [--refresh] | NAME…'
obstacle=$(obstacle)
if [ -n "$obstacle" ]; then
    [ "$1" = test ] || die "$obstacle"
    say "SKIPPED: roots: $obstacle"
    echo "roots: $obstacle" >"$skipped"
    exit 0
fi
. "$here/apt-state.sh"

# Two runs at once would build the same roots, into each other.
if has flock; then
    exec 9>"$roots/.lock"
    flock 9
fi

if [ "$1" = test ]; then
    refresh=${2:-}
    case "$refresh" in '' | --refresh) ;; *) die "unknown option $refresh" ;; esac
    test_set
else
    named_set "$@"
fi

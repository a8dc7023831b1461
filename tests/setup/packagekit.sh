#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Builds PackageKit with back ends that use rpm, of which Debian's packages have
# none: from the source of each suite's package, in that suite's root.
#
#   packagekit.sh
#
# Each becomes .cache/packagekit/SUITE/, a layer above the suite's root (roots.sh)
# with the daemon, its client, and the bus and polkit that they need. It is made
# again only when its recipe or the root has changed. A stable suite's is mandatory;
# what the moving one cannot give is said, and written to .cache/packagekit/SKIPPED.
# Nothing is installed.
#
# BTF_GUARD_CACHE names another cache directory.
set -eu

ME=packagekit
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
. "$here/say.sh"

cache=${BTF_GUARD_CACHE:-$here/../../.cache}
mkdir -p "$cache/packagekit"
cache=$(CDPATH='' cd -- "$cache" && pwd)
layers=$cache/packagekit
state=$cache/packages
skipped=$layers/SKIPPED

# What is built of a suite's source:
#   version    of PackageKit; the tests rely on it
#   backends   those that build with the suite's own libraries, with nothing changed:
#              the back end dnf of 1.3 wants libdnf5 too, the back end zypp of 1.2
#              a newer libzypp
#   libraries  what they need, beside what is in the root SUITE-build
#   parts      what runs with it, and is not in the root
#   need       mandatory, or optional where the suite moves
recipe() {
    case "$1" in
        bookworm)
            version=1.2. backends=dnf parts=libappstream-glib8
            libraries='libdnf-dev librepo-dev librpm-dev libappstream-glib-dev' ;;
        trixie) version=1.3. backends=zypp parts='' libraries='' ;;
        forky)
            version=1.4. backends=dnf5,zypp parts='libjansson4 libsdbus-c++2'
            libraries='libdnf5-dev librpm-dev libsdbus-c++-dev libjansson-dev' ;;
    esac
    case "$1" in forky) need=optional ;; *) need=mandatory ;; esac
    tools='meson gettext libglib2.0-dev libsqlite3-dev libpolkit-gobject-1-dev polkitd libsystemd-dev'
    parts="dbus-daemon polkitd $parts"
    # Everything that is not asked of it is left out.
    options="-Dpackaging_backend=$backends -Dsystemd=true -Doffline_update=true
        -Dsystemdsystemunitdir=/usr/lib/systemd/system
        -Dsystemduserunitdir=/usr/lib/systemd/user
        -Dgobject_introspection=false -Dman_pages=false -Dgtk_doc=false -Dcron=false
        -Dbash_completion=false -Dbash_command_not_found=false -Dgstreamer_plugin=false
        -Dgtk_module=false -Dpython_backend=false -Ddaemon_tests=false"
    # Since 1.4 the client pkcon is no longer built by itself.
    case "$version" in 1.4.) options="$options -Dlegacy_tools=true" ;; esac
}

# ---- Building --------------------------------------------------------------

# Runs apt-get for a suite, in $debs, as if what is in the root $1 were installed.
apt_for() {
    above=$1
    shift
    rm -rf "$debs"
    mkdir -p "$debs/partial"
    (cd "$debs" && in_state "source-$suite" timeout 600 apt-get -qq -y --no-install-recommends \
        --download-only -o Debug::NoLocking=true \
        -o "Dir::State::status=$cache/roots/$above/root/var/lib/dpkg/status" \
        -o "Dir::Cache::archives=$debs" "$@") >>"$log" 2>&1 || {
        reason="download failed ($(grep -m1 '^E:' "$log" || tail -n 1 "$log"))"
        return 1
    }
}

# Unpacks what was downloaded into the layer $1, below the links of a root whose
# /lib and /bin are in /usr.
unpack() {
    mkdir -p "$1/usr"
    for deb in "$debs"/*.deb; do dpkg -x "$deb" "$1"; done
    for link in bin sbin lib lib64; do
        [ ! -d "$1/$link" ] || { cp -a "$1/$link" "$1/usr/" && rm -r "${1:?}/$link"; }
    done
    # The base system's have the same paths, which a layer would hide.
    find "$1" -mindepth 1 -type d -empty -delete
}

# Compiles in the root SUITE-build with the layer $1 above it, of which nothing
# stays; the source is on /mnt, the result goes to /srv.
compile() {
    # shellcheck disable=SC2016 # expands in the shell that it is for
    unshare --mount --propagation private sh -ec '
        part=$1 lower=$2
        shift 2
        mount -t tmpfs tmpfs "$part/scratch"
        mkdir "$part/scratch/upper" "$part/scratch/work"
        mount -t overlay overlay "$part/root" \
            -o "lowerdir=$part/tools:$lower,upperdir=$part/scratch/upper,workdir=$part/scratch/work"
        mount -t proc proc "$part/root/proc"
        mount --bind /dev "$part/root/dev"
        mount --bind "$part/source" "$part/root/mnt"
        mount --bind "$part/layer" "$part/root/srv"
        exec chroot "$part/root" env -i PATH=/usr/bin:/bin LC_ALL=C.UTF-8 DESTDIR=/srv sh -ec "
            meson setup --prefix=/usr --libdir=lib/\$(gcc -print-multiarch) --sysconfdir=/etc \
                --localstatedir=/var \"\$@\" /tmp/build /mnt
            ninja -C /tmp/build install" sh "$@"
    ' sh "$@"
}

# Who the bus and polkit run as. No name server: the one of this machine cannot be
# reached from the tests, and libdnf5 would wait for it.
adapt() {
    root=$cache/roots/$suite/root
    mkdir -p "$1/etc"
    : >"$1/etc/resolv.conf"
    for file in passwd group; do cp "$root/etc/$file" "$1/etc/$file"; done
    for name in messagebus:990 polkitd:991; do
        grep -q "^${name%:*}:" "$1/etc/passwd" ||
            printf '%s:x:%s:%s::/nonexistent:/usr/sbin/nologin\n' \
                "${name%:*}" "${name#*:}" "${name#*:}" >>"$1/etc/passwd"
        grep -q "^${name%:*}:" "$1/etc/group" ||
            printf '%s:x:%s:\n' "${name%:*}" "${name#*:}" >>"$1/etc/group"
    done
}

# One layer, from nothing; what went wrong is in $reason.
build_in() {
    part=$1
    log=$part/log
    debs=$part/debs
    mkdir -p "$part/source" "$part/layer" "$part/tools" "$part/scratch" "$part/root"
    # shellcheck disable=SC2086 # one word a package
    apt_for "$suite-build" install $tools $libraries || return 1
    unpack "$part/tools"
    # shellcheck disable=SC2086
    apt_for "$suite" install $parts || return 1
    unpack "$part/layer"
    apt_for "$suite" source packagekit || return 1
    source=$(ls "$debs"/packagekit_*.orig.tar.*z)
    tar -xf "$source" -C "$part/source" --strip-components 1
    found=$(sed -n "s/^ *version *: *'\([^']*\)',/\1/p" "$part/source/meson.build" | head -n 1)
    case "$found" in
        "$version"*) ;;
        *) reason="$suite has PackageKit ${found:-none}, the tests know $version"; return 1 ;;
    esac
    # shellcheck disable=SC2086 # one word an option
    compile "$part" "$cache/roots/$suite-build/root" $options >>"$log" 2>&1 || {
        reason="PackageKit $found does not build (see $log)"
        return 1
    }
    adapt "$part/layer"
    echo "$found" >"$part/version"
}

# ---- The cache -------------------------------------------------------------

# What decides on a layer's content.
key_of() {
    { sed -n '/^recipe()/,/^# ---- The cache/p' "$here/packagekit.sh"
        cat "$cache/roots/$1/recipe" "$cache/roots/$1-build/recipe"; } | sha256sum | cut -d' ' -f1
}

# Runs in a subshell, so that suites can be built side by side.
build() (
    suite=$1
    recipe "$suite"
    begun=$(date +%s)
    part=$layers/$suite.part
    rm -rf "$part"
    mkdir -p "$part"
    if make_state "source-$suite" && update_lists "source-$suite" && build_in "$part"; then
        rm -rf "${layers:?}/$suite"
        mv "$part/layer" "$layers/$suite"
        key_of "$suite" >"$layers/$suite.key"
        say "built PackageKit $(cat "$part/version") for $suite in $(($(date +%s) - begun)) s"
        rm -rf "$part"
    else
        rm -rf "${layers:?}/$suite" "$part/tools" "$part/layer" "$part/source" "$part/debs"
        printf 'PackageKit for %s: %s\n' "$suite" "${reason:-unknown reason}" >"$layers/$suite.reason"
    fi
)

. "$here/apt-state.sh"
if has flock; then
    exec 9>"$layers/.lock"
    flock 9
fi
: >"$skipped"
rm -f "$layers"/*.reason

wanted=
for suite in bookworm trixie forky; do
    [ -d "$cache/roots/$suite/root" ] || continue
    recipe "$suite"
    if ! "$here/roots.sh" "$suite-build" >/dev/null; then
        echo "PackageKit for $suite: there is no root to build it in" >"$layers/$suite.reason"
    elif [ ! -d "$layers/$suite" ] || [ "$(cat "$layers/$suite.key")" != "$(key_of "$suite")" ]; then
        wanted="$wanted $suite"
    fi
done
for suite in $wanted; do build "$suite" & done
wait
for suite in bookworm trixie forky; do
    [ -e "$layers/$suite.reason" ] || continue
    recipe "$suite"
    [ "$need" = optional ] || die "$(cat "$layers/$suite.reason")"
    cat "$layers/$suite.reason" >>"$skipped"
done

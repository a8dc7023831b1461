#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# `make demo`: the main job on real input, as a transcript.
#
#   demo.sh PROGRAM PLUGIN
#
# Every command is printed as it is run, its output left alone, its exit status
# shown. A refusal is what is to be seen, so it does not fail the demo; anything
# that does not come out as expected does.
set -eu

ME='make demo'
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
. "$here/say.sh"
. "$here/demo-run.sh"

[ $# = 2 ] || die 'usage: demo.sh PROGRAM PLUGIN'
[ -x "$1" ] || die "no program at $1: run make"
[ -f "$2" ] || die "no plugin at $2: run make"
program=$(realpath "$1")
plugin=$(realpath "$2")
cd "$here/../.."
cache=${BTF_GUARD_CACHE:-$PWD/.cache}
mkdir -p "$cache"
work=$cache/demo
rm -rf "$work"
mkdir -p "$work/bin" "$work/rpm-plugins"

"$here/deps.sh" demo

ln -s "$program" "$work/bin/btf-guard"
cp "$plugin" "$work/rpm-plugins/btf_guard.so"
PATH=$work/bin:$PATH
export PATH
unset BTF_GUARD

# rpm --root changes the root, which only root may do: in a user namespace, if need be.
rpm='rpm'
if [ "$(id -u)" != 0 ]; then
    unshare --map-root-user true 2>/dev/null ||
        die 'rpm --root needs root or user namespaces, and this machine allows neither'
    rpm="unshare --map-root-user rpm"
fi
# Debian's rpm objects to installing anything unless told that one knows.
install="$rpm"
if rpm --force-debian -U --version >/dev/null 2>&1; then
    install="$rpm --force-debian"
fi

first() {
    for path in "$@"; do
        [ ! -e "$path" ] || { printf '%s\n' "${path#"$PWD"/}"; return; }
    done
    die "none of these exists: $*"
}

# ---- Which kernels ---------------------------------------------------------

# use_pair OWN SIBLING: two extracted kernels. The modules are those of OWN.
use_pair() {
    modules=$(dirname "$(first "$1"/usr/lib/modules/*/kernel "$1"/lib/modules/*/kernel)")
    sibling=$(dirname "$(first "$2"/usr/lib/modules/*/kernel "$2"/lib/modules/*/kernel)")
    own_image=$(first "$1"/boot/vmlinuz-* "$modules"/vmlinuz "$modules"/vmlinux)
    sibling_image=$(first "$2"/boot/vmlinuz-* "$sibling"/vmlinuz "$sibling"/vmlinux)
    sibling_config=$(first "$2"/boot/config-* "$sibling"/config)
    own_release=$(basename "$modules")
    release=$(basename "$sibling")
}

use_distribution_kernels() {
    use_pair "$2" "$3"
    note "Two builds of a distribution kernel: $own_release and $release."
    if [ "$1" = enforcing ]; then
        echo '# Both refuse a module whose BTF does not fit: their CONFIG_MODULE_ALLOW_BTF_MISMATCH is not set.'
    else
        echo '# Both have CONFIG_MODULE_ALLOW_BTF_MISMATCH=y and would load a module without its BTF. A'
        echo '# build that refuses could not be fetched, so they are judged as if they did, by a config'
        echo '# made for this demo.'
        made_config=$work/config-enforcing
        sed 's/^CONFIG_MODULE_ALLOW_BTF_MISMATCH=y/# CONFIG_MODULE_ALLOW_BTF_MISMATCH is not set/' \
            "$sibling_config" >"$made_config"
        sibling_config=$made_config
    fi
}

use_what_is_here() {
    note 'No distribution kernel could be fetched.'
    if [ -r /sys/kernel/btf/vmlinux ] && [ -d "/lib/modules/$(uname -r)/kernel" ]; then
        echo "# First, then, this machine's own modules on the kernel it runs:"
        run 0 btf-guard check --causes btf "/lib/modules/$(uname -r)" --kernel running
    else
        echo '# This machine has no modules for the kernel it runs.'
    fi
    note 'The rest is shown on two builds of a tiny kernel and its modules, made here with gcc' \
        'and pahole. Their BTF is real; they cannot boot.'
    "$here/deps.sh" pair
    "$here/tiny-kernels.sh" "$work/tiny"
    use_pair "$work/tiny/a" "$work/tiny/b"
}

made_config=
if pair=$("$here/kernels.sh" demo); then
    # shellcheck disable=SC2086 # kind, own, sibling
    use_distribution_kernels $pair
else
    use_what_is_here
fi

# ---- check -----------------------------------------------------------------

check() {
    run "$1" btf-guard check --causes btf "$modules" --kernel "$2" \
        ${made_config:+--kernel-config "$made_config"}
}

note 'The modules on the kernel they were built for:'
check 0 "$own_image"

note 'The same modules on the other build, as on a machine where one of the two was renewed' \
    'without the other:'
check 2 "$sibling_image"

# ---- rpm -------------------------------------------------------------------

note "A transaction. Some of these modules become a real package that puts them where the" \
    "*other* build looks for its modules, /lib/modules/$release. In real life they get" \
    'there because a rebuilt kernel keeps its release string; to be like that, the release' \
    'in their version magic is rewritten here. Their BTF stays as it is.'
mkdir "$work/payload"
for name in xfs nf_conntrack wireguard vfat; do
    find "$modules/kernel" -name "$name.ko*" -exec cp {} "$work/payload" \;
done
[ -n "$(ls "$work/payload")" ] || find "$modules/kernel" -name '*.ko*' -exec cp {} "$work/payload" \;
# Same length: the release is at a fixed place in the file.
if [ "${#own_release}" = "${#release}" ]; then
    for file in "$work"/payload/*; do
        case "$file" in
            *.xz) xz -dc "$file" >"$work/module" ;;
            *.zst) zstd -dcq "$file" >"$work/module" ;;
            *.gz) gzip -dc "$file" >"$work/module" ;;
            *) cp "$file" "$work/module" ;;
        esac
        rm "$file"
        LC_ALL=C sed "s/vermagic=$own_release /vermagic=$release /" "$work/module" \
            >"${file%%.ko*}.ko"
    done
    rm -f "$work/module"
fi
cat >"$work/demo-kmp.spec" <<EOS
Name: demo-kmp
Version: 1
Release: 1
Summary: Kernel modules of another build
License: GPL-2.0-only
AutoReqProv: no
%global debug_package %{nil}
%global __os_install_post %{nil}
%description
Modules of $own_release.
%install
mkdir -p %{buildroot}/lib/modules/$release/extra
cp $work/payload/* %{buildroot}/lib/modules/$release/extra/
%files
/lib/modules/$release/extra
EOS
run 0 rpmbuild -bb --quiet --define "_topdir $work/rpmbuild" "$work/demo-kmp.spec"
package=$(find "$work/rpmbuild/RPMS" -name '*.rpm')
run 0 rpm -qpl "$package"

note "A scratch root with the kernel $release in it:"
root=$work/root
mkdir -p "$root/lib/modules/$release"
case "$sibling_image" in
    */vmlinux) cp "$sibling_image" "$root/lib/modules/$release/vmlinux" ;;
    *) cp "$sibling_image" "$root/lib/modules/$release/vmlinuz" ;;
esac
cp "$sibling_config" "$root/lib/modules/$release/config"
run 0 find "$root" -type f
# shellcheck disable=SC2086 # $rpm and $install are commands and their options, here and below
$rpm --root "$root" --initdb

note 'What "make install" puts into the macro directory of rpm; the first line is for this' \
    'demo, whose plugin lies elsewhere:'
{
    echo "%__plugindir $work/rpm-plugins"
    sed -e "s|@PLUGIN_DIR@|$work/rpm-plugins|" -e "s|@BIN_DIR@|$work/bin|" \
        specfile/macros.transaction_btf_guard.in
} >"$work/macros"
run 0 grep -v '^#' "$work/macros"

# All that a transaction could change: every file, and the packages in rpm's database,
# whose own file differs by every opening.
database=$root$(rpm --eval '%{_dbpath}')
everything() {
    find "$root" -path "$database" -prune -o -printf '%p %M %s %T@\n' | LC_ALL=C sort
    find "$root" -path "$database" -prune -o -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
    # shellcheck disable=SC2086
    $rpm --root "$root" -qa
}
everything >"$work/before"

note 'Its installation is stopped before anything has changed:'
# shellcheck disable=SC2086
run fails $install --load "$work/macros" --root "$root" -U "$package"
everything >"$work/after"
run 0 cmp "$work/before" "$work/after"
run 0 find "$root/lib" -name '*.ko*'

note 'Whoever knows better says so, and gets a warning:'
# shellcheck disable=SC2086
run 0 env BTF_GUARD=warn $install --load "$work/macros" --root "$root" -U "$package"
# shellcheck disable=SC2086
run 0 $rpm --root "$root" -q demo-kmp
run 0 find "$root/lib" -name '*.ko*'

note 'That was the demo; its files are in '"$work"'.'

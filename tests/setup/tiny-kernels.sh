#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Two sibling "kernels" and modules for each, from nothing but gcc and pahole.
#
#   tiny-kernels.sh DIR   makes DIR/a and DIR/b
#
# For machines that can fetch no distribution kernel. The type information is
# real, made as a kernel build makes it: pahole encodes the base from vmlinux's
# DWARF, and the modules' split BTF against that base. Nothing here can boot.
# The two differ by one type, as a rebuild with one patch more does.
set -eu

ME=tiny-kernels
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
. "$here/say.sh"

[ $# = 1 ] || die 'usage: tiny-kernels.sh DIR'
mkdir -p "$1"
cd "$1"

cat >kernel.h <<'EOS'
typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long u64;

/* What tells a reader of the BTF what this kernel can do. */
enum { BTF_KIND_UNKN = 0, BTF_KIND_INT = 1, BTF_KIND_ENUM64 = 19, NR_BTF_KINDS = 20 };

struct list_head { struct list_head *next, *prev; };
struct module {
    u32 state;
    struct list_head list;
    char name[56];
    u32 btf_data_size;
    u32 btf_base_data_size;
    void *btf_data;
    void *btf_base_data;
};
struct device { struct device *parent; const char *init_name; u64 flags; };
struct net_device { char name[16]; struct device dev; u32 mtu; u8 addr_len; };
struct usb_device { int devnum; struct device dev; struct net_device *net; };
EOS

cat >vmlinux.c <<'EOS'
#include "kernel.h"
const char linux_banner[] = "Linux version " RELEASE " (demo@localhost) (gcc) " BUILD "\n";
#ifdef PATCHED
/* The one patch more: a type in the middle of all others. */
struct backported_fix { u64 counter; u32 limit; struct list_head waiters; };
struct backported_fix fix;
#endif
struct module this_module;
struct usb_device usb;
enum { KINDS = NR_BTF_KINDS } kinds;
int limit_kinds(void) { return NR_BTF_KINDS; }
int register_netdev(struct net_device *dev) { return dev->mtu; }
int usb_register(struct usb_device *dev) { return dev->devnum; }
void _start(void) { limit_kinds(); }
EOS

cat >driver.c <<'EOS'
#include "kernel.h"
#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
__attribute__((section(".modinfo"), used)) static const char info[] =
    "license=GPL\0name=" NAME "\0vermagic=" RELEASE " SMP mod_unload ";
__attribute__((section(".gnu.linkonce.this_module"), used)) struct module __this_module = { .name = NAME };
struct JOIN(ID, _private) { struct usb_device *usb; struct net_device *net; struct list_head urbs; u64 packets; };
struct JOIN(ID, _private) JOIN(ID, _state);
int JOIN(ID, _probe)(struct JOIN(ID, _private) *p, struct usb_device *usb) { p->usb = usb; return usb->devnum; }
/* Enough names that some of them land where no name can be when the base's strings move. */
#define NET(op) int JOIN(ID, op)(struct net_device *dev) { return (int)dev->mtu; }
NET(_open) NET(_stop) NET(_tx) NET(_tx_timeout) NET(_rx_callback) NET(_carrier_set) NET(_get_link)
NET(_set_mtu) NET(_alloc_urbs) NET(_free_urbs) NET(_disconnect) NET(_suspend) NET(_resume)
EOS

release=6.18.0-demo
build() {
    mkdir -p "$1/boot" "$1/lib/modules/$release/kernel/drivers/net"
    gcc -g -O0 -ffreestanding -nostdlib -static -no-pie -DRELEASE="\"$release\"" \
        -DBUILD="\"#$2 SMP\"" ${3:+"$3"} -o "$1/vmlinux" vmlinux.c
    pahole -J "$1/vmlinux"
    objcopy --strip-debug "$1/vmlinux" "$1/lib/modules/$release/vmlinux"
    cat >"$1/lib/modules/$release/config" <<'EOS'
CONFIG_MODULES=y
CONFIG_DEBUG_INFO_BTF=y
CONFIG_DEBUG_INFO_BTF_MODULES=y
# CONFIG_MODULE_ALLOW_BTF_MISMATCH is not set
# CONFIG_MODVERSIONS is not set
EOS
    for id in ipheth rndis cdc; do
        ko=$1/lib/modules/$release/kernel/drivers/net/$id.ko
        gcc -g -O0 -ffreestanding -fno-pie -c -DRELEASE="\"$release\"" -DNAME="\"$id\"" -DID="$id" \
            -o "$ko" driver.c
        pahole -J --btf_base "$1/lib/modules/$release/vmlinux" "$ko"
        objcopy --strip-debug "$ko"
    done
    rmdir "$1/boot"
}

build a 1 ''
build b 2 -DPATCHED

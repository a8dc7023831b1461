// SPDX-License-Identifier: GPL-2.0-or-later
//! What each tool lays out, with two real builds under one release: the finding,
//! its text, and the exit code.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use btf_guard_tests::bootable::{BootRoot, Stale, pair};
use serde_json::Value;

#[test]
fn an_old_copy_beside_a_new_one() {
    let root = BootRoot::new();
    root.put("efi/token/new", &pair().new_image);
    root.entry("new", "/token/new");
    root.put("efi/loader/loader.conf", b"default new.conf\n");
    root.assert_fresh(&[]);
    root.put("efi/token/old", &pair().old_image);
    root.entry("old", "/token/old");
    let stale = Stale {
        image: "/efi/token/old",
        default: false,
        mend: "cp /usr/lib/modules/REL/vmlinuz /efi/token/old",
    };
    root.assert_stale(stale, &[]);
    root.put("efi/loader/loader.conf", b"timeout 3\ndefault old.conf\n");
    let default = Stale {
        default: true,
        ..stale
    };
    root.assert_stale(default, &[]);
}

#[test]
fn kernelstub() {
    let root = BootRoot::new();
    let dir = "EFI/Pop_OS-1f0e1e54-3d52-4a5b-8a0f-6b1c2d3e4f50";
    for (name, entry) in [
        ("vmlinuz.efi", "current"),
        ("vmlinuz-previous.efi", "oldkern"),
    ] {
        root.put(&format!("boot/efi/{dir}/{name}"), &pair().new_image);
        root.put(&format!("boot/efi/{dir}/initrd.img"), b"");
        let text = format!(
            "title Pop!_OS\nlinux /{dir}/{name}\ninitrd /{dir}/initrd.img\noptions root=1\n"
        );
        let entry = format!("boot/efi/loader/entries/Pop_OS-{entry}.conf");
        root.put(&entry, text.as_bytes());
    }
    root.put("usr/bin/kernelstub", b"");
    let conf = b"default Pop_OS-current.conf\n";
    root.put("boot/efi/loader/loader.conf", conf);
    root.assert_fresh(&[]);
    for (name, default) in [("vmlinuz-previous.efi", false), ("vmlinuz.efi", true)] {
        root.put(&format!("boot/efi/{dir}/{name}"), &pair().old_image);
        let stale = Stale {
            image: &format!("/boot/efi/{dir}/{name}"),
            default,
            mend: "kernelstub",
        };
        root.assert_stale(stale, &[]);
        root.put(&format!("boot/efi/{dir}/{name}"), &pair().new_image);
    }
    // Without entries, the places alone tell.
    fs::remove_dir_all(root.at("boot/efi/loader")).unwrap();
    root.put(&format!("boot/efi/{dir}/vmlinuz.efi"), &pair().old_image);
    let stale = Stale {
        image: &format!("/boot/efi/{dir}/vmlinuz.efi"),
        default: false,
        mend: "kernelstub",
    };
    root.assert_stale(stale, &[]);
}

/// What sdbootutil writes for a snapshot; returns the image's place.
fn sdbootutil(root: &BootRoot, snapshot: u32, image: &[u8]) -> String {
    let release = &pair().release;
    root.put("image", image);
    let sum = Command::new("sha1sum")
        .arg(root.at("image"))
        .output()
        .unwrap();
    assert!(sum.status.success());
    let sha1 = String::from_utf8_lossy(&sum.stdout)[..40].to_owned();
    let place = format!("opensuse-tumbleweed/{release}/linux-{sha1}");
    root.put(&format!("boot/efi/{place}"), image);
    let text = format!(
        "title openSUSE Tumbleweed\nversion {snapshot}@{release}\n\
         sort-key opensuse-tumbleweed\n\
         options root=UUID=1 rootflags=subvol=@/.snapshots/{snapshot}/snapshot\n\
         linux /{place}\n"
    );
    let id = format!("system-opensuse-tumbleweed-{release}-{snapshot}.conf");
    root.put(&format!("boot/efi/loader/entries/{id}"), text.as_bytes());
    let env = format!("# GRUB Environment Block\ndefault={id}\n####");
    root.put("boot/efi/EFI/opensuse/grubenv", env.as_bytes());
    format!("/boot/efi/{place}").replace(release, "REL")
}

#[test]
fn sdbootutil_with_snapshots() {
    let root = BootRoot::new();
    root.put("usr/bin/sdbootutil", b"");
    fs::create_dir_all(root.at(".snapshots/2")).unwrap();
    symlink("/", root.at(".snapshots/2/snapshot")).unwrap();
    // The first snapshot is from before the update: all of it is the old build.
    root.install(".snapshots/1/snapshot/", &pair().old, &pair().old_image);
    sdbootutil(&root, 1, &pair().old_image);
    let new = sdbootutil(&root, 2, &pair().new_image);
    let said = root.said(&["check", "--kernel", "all", "--no-color"]);
    assert_eq!((said.code, &said.err[..]), (0, &[][..]), "{said:#?}");
    let list = root.kernels();
    let stale = |kernel: &&Value| !kernel["stale"].is_null();
    let kernels = list["kernels"].as_array().unwrap();
    assert_eq!((kernels.len(), kernels.iter().find(stale)), (3, None));

    // The update that "is already in the ESP".
    fs::remove_file(root.at(&new[1..].replace("REL", &pair().release))).unwrap();
    let old = sdbootutil(&root, 2, &pair().old_image);
    let stale = Stale {
        image: &old,
        default: true,
        mend: "sdbootutil --no-reuse-initrd add-kernel REL",
    };
    root.assert_stale(stale, &[]);
    // One image, stale with this root's modules and right with the snapshot's.
    let list = root.kernels();
    let kernels = list["kernels"].as_array().unwrap();
    let states: Vec<bool> = kernels.iter().map(|k| !k["stale"].is_null()).collect();
    assert_eq!(states, [false, false, true], "{list:#}");
}

/// What Fedora has: entries of the specification that GRUB's `blscfg` reads.
#[test]
fn grub_with_entries() {
    let root = BootRoot::new();
    let release = &pair().release;
    let entry = |id: &str, version: &str, image: &str| {
        let text = format!(
            "title Fedora Linux ({version})\nversion {version}\nlinux /{image}\n\
             options root=UUID=1 ro\ngrub_users $grub_users\n"
        );
        root.put(&format!("boot/loader/entries/{id}.conf"), text.as_bytes());
    };
    let image = format!("vmlinuz-{release}");
    entry("0123-old", release, &image);
    entry("0123-copy", &format!("{release}.copy"), "copy");
    root.put("boot/copy", &pair().new_image);
    let config = b"load_env\nset default=\"${saved_entry}\"\ninsmod blscfg\nblscfg\n";
    root.put("boot/grub2/grub.cfg", config);
    root.put(&format!("boot/{image}"), &pair().new_image);
    root.assert_fresh(&[]);
    root.put(&format!("boot/{image}"), &pair().old_image);
    // Without a choice, it is the highest version.
    for (saved, default) in [("saved_entry=0123-old\n", true), ("", false)] {
        let env = format!("# GRUB Environment Block\n{saved}####");
        root.put("boot/grub2/grubenv", env.as_bytes());
        let stale = Stale {
            image: "/boot/vmlinuz-REL",
            default,
            mend: "cp /usr/lib/modules/REL/vmlinuz /boot/vmlinuz-REL",
        };
        root.assert_stale(stale, &[]);
    }
}

#[test]
fn grub_with_a_menu() {
    let root = BootRoot::new();
    let release = &pair().release;
    let config = format!(
        "if [ -s $prefix/grubenv ]; then\n  load_env\nfi\nset default=\"${{saved_entry}}\"\n\
         menuentry 'Copy' --id copy {{\n  linux /boot/copy root=UUID=1 ro\n}}\n\
         submenu 'Advanced options' --id more {{\n\
           menuentry 'Debian' --id old {{\n    linux /boot/vmlinuz-{release} root=UUID=1 ro\n  }}\n\
         }}\n"
    );
    root.put("boot/grub/grub.cfg", config.as_bytes());
    root.put("boot/copy", &pair().new_image);
    root.put(&format!("boot/vmlinuz-{release}"), &pair().new_image);
    root.assert_fresh(&[]);
    root.put(&format!("boot/vmlinuz-{release}"), &pair().old_image);
    for (saved, default) in [("more>old", true), ("copy", false)] {
        let env = format!("# GRUB Environment Block\nsaved_entry={saved}\n####");
        root.put("boot/grub/grubenv", env.as_bytes());
        let stale = Stale {
            image: "/boot/vmlinuz-REL",
            default,
            mend: "cp /usr/lib/modules/REL/vmlinuz /boot/vmlinuz-REL",
        };
        root.assert_stale(stale, &[]);
    }
}

/// openSUSE links from `/boot`; a file that lies in the way is not replaced.
#[test]
fn a_file_in_place_of_a_link() {
    let root = BootRoot::new();
    let release = &pair().release;
    let path = format!("boot/vmlinuz-{release}");
    fs::create_dir(root.at("boot")).unwrap();
    let target = format!("../usr/lib/modules/{release}/vmlinuz");
    symlink(target, root.at(&path)).unwrap();
    root.assert_fresh(&[]);
    fs::remove_file(root.at(&path)).unwrap();
    root.put(&path, &pair().old_image);
    let stale = Stale {
        image: "/boot/vmlinuz-REL",
        default: false,
        mend: "cp /usr/lib/modules/REL/vmlinuz /boot/vmlinuz-REL",
    };
    root.assert_stale(stale, &[]);
}

#[test]
fn each_broken_entry_is_said_in_its_words() {
    let root = BootRoot::new();
    let whole = &pair().new_image;
    let half = whole.len() / 2;
    root.put("efi/token/cut", &whole[..half]);
    root.put("outside", &pair().old_image);
    root.entry("cut", "/token/cut");
    root.entry("missing", "/token/nothing");
    root.entry("out", "/token/../../outside");
    symlink("loop", root.at("efi/token/loop")).unwrap();
    root.entry("loop", "/token/loop");
    symlink("../../outside", root.at("efi/token/link")).unwrap();
    root.entry("link", "/token/link");
    let at = |name: &str, what: &str| {
        format!("error: /efi/loader/entries/{name}.conf: line 3: expected {what}")
    };
    let promised = payload_end(whole);
    let expected = [
        format!(
            "error: /efi/token/cut: at offset {half:#x}: expected a bzImage of at least \
             {promised} bytes, as its header promises; it ends after {half}"
        ),
        at("link", "/efi/token/link, which does not exist"),
        at(
            "loop",
            "a readable /efi/token/loop: too many symbolic links",
        ),
        at("missing", "/efi/token/nothing, which does not exist"),
        at(
            "out",
            "a path that stays on its file system, not one that leaves it by ..",
        ),
    ];
    let said = root.said(&["check", "--kernel", "all", "--no-color"]);
    // The entry that boots by default is one of them.
    assert_eq!(said.code, 2);
    for line in &expected {
        let fault = line.strip_prefix("error: ").unwrap();
        let tells = |line: &&String| line.ends_with(&format!(" cannot boot: {fault}"));
        assert_eq!(said.out.iter().filter(tells).count(), 1, "{said:#?}");
    }
    let said = root.said(&["kernels"]);
    assert_eq!(said.code, 0);
    assert_eq!(said.err, expected);
    assert!(!said.out.iter().any(|line| line.contains("outside")));
}

/// Where the payload of a bzImage ends.
fn payload_end(image: &[u8]) -> usize {
    let word = |at: usize| u32::from_le_bytes(image[at..at + 4].try_into().unwrap()) as usize;
    (usize::from(image[0x1f1]) + 1) * 512 + word(0x248) + word(0x24c)
}

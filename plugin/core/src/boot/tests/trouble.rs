// SPDX-License-Identifier: GPL-2.0-or-later
//! What is broken is told, and everything else is still found.

use super::*;

#[test]
fn each_broken_entry_has_its_line() {
    let place = Place::with_modules(&["6.1"]);
    let entry = |name: &str, text: &str| {
        place.file(&format!("efi/loader/entries/{name}.conf"), text);
    };
    place.file("efi/id/6.1/linux", "");
    place.file("efi/EFI/shell.efi", "");
    place.link("efi/escape", "../etc/shadow");
    place.link("efi/round", "round");
    place.file("etc/shadow", "");
    entry("good", "linux /id/6.1/linux\r\nversion 6.1\r\n");
    entry(
        "crlf+2-1",
        "title x\r\nLINUX /no\r\nlinux \\ID\\6.1\\LINUX\r\n",
    );
    entry("efi", "efi /EFI/shell.efi");
    entry("escape", "linux /escape");
    entry("gone", "title x\nlinux /id/6.2/linux\n");
    entry("long", &"#".repeat(100_000));
    entry("net", "uki-url http://example.org/a.efi");
    entry("no-initrd", "linux /id/6.1/linux\ninitrd /a\ninitrd /b\n");
    entry("nothing", "title x\n");
    entry("parent", "linux /id/../../etc/shadow");
    entry("round", "linux /round");
    entry("two", "linux /a\nefi /b\n");
    place.link("efi/loader/entries/self.conf", "self.conf");
    place.link("efi/loader/entries/out.conf", "../../../etc/shadow");
    fs::create_dir(place.dir.path().join("efi/loader/entries/dir.conf")).unwrap();
    assert_eq!(
        place.kernels(),
        [
            "/usr/lib/modules/6.1/vmlinuz 6.1: ModuleDir",
            "/efi/ID/6.1/LINUX 6.1: Entry crlf.conf, Entry good.conf, Entry* no-initrd.conf",
            "/efi/EFI/shell.efi ?: Entry efi.conf",
        ]
    );
    let at = |name: &str, what: &str| format!("/efi/loader/entries/{name}.conf: {what}");
    let out = "line 1: expected a path that stays on its file system, not one that leaves it by ..";
    let start = "expected a line that says what to start: linux, uki, uki-url or efi, and a path";
    assert_eq!(
        place.problems(),
        [
            at("dir", "expected a readable file: not a regular file"),
            at(
                "escape",
                "line 1: expected /efi/escape, which does not exist"
            ),
            at(
                "gone",
                "line 2: expected /efi/id/6.2/linux, which does not exist"
            ),
            at("long", "expected at most 65536 bytes"),
            at("no-initrd", "line 2: expected /efi/a, which does not exist"),
            at("nothing", start),
            at("out", "expected a link that leads to a file"),
            at("parent", out),
            at(
                "round",
                "line 1: expected a readable /efi/round: too many symbolic links"
            ),
            at("self", "expected a readable file: too many symbolic links"),
            at(
                "two",
                "line 2: expected one of linux, uki, uki-url and efi, not two of them"
            ),
        ]
    );
    // systemd-boot misses an initrd only when it starts the entry.
    assert_eq!(place.default(), "the first entry");
    let found = place.discover();
    let efi = found.kernels.last().unwrap();
    assert!(!efi.is_linux());
}

#[test]
fn what_the_loader_fetches_may_be_the_default() {
    let place = Place::new();
    place.file(
        "efi/loader/entries/z.conf",
        "uki-url http://example.org/a.efi",
    );
    assert_eq!(place.default(), "unknown: z.conf fetches its image");
}

#[test]
fn entries_of_another_kind_are_not_read() {
    let place = Place::new();
    place.file("efi/loader/entries/a.conf", "anything");
    place.file("efi/loader/entries.srel", "type2\n");
    assert_eq!(place.problems(), [""; 0]);
    place.file("efi/loader/entries.srel", "type1\n");
    assert_eq!(place.problems().len(), 1);
}

#[test]
fn links_that_lead_nowhere_are_told() {
    let place = Place::new();
    place.link("boot/vmlinuz-6.1", "../usr/lib/modules/6.1/vmlinuz");
    place.link("boot/vmlinuz-6.2", "vmlinuz-6.2");
    fs::create_dir(place.dir.path().join("boot/vmlinuz-6.3")).unwrap();
    assert_eq!(place.kernels(), [""; 0]);
    assert_eq!(
        place.problems(),
        [
            "/boot/vmlinuz-6.1: expected a link that leads to a file",
            "/boot/vmlinuz-6.2: expected a readable file: too many symbolic links",
            "/boot/vmlinuz-6.3: expected a regular file",
        ]
    );
}

#[test]
fn one_cause_is_told_once() {
    let place = Place::new();
    place.link("efi/EFI", "EFI");
    let told = place.problems();
    let told: Vec<&str> = told.iter().map(String::as_str).collect();
    let what = "expected a readable directory: too many symbolic links";
    assert_eq!(
        told,
        [
            format!("/efi/EFI/Linux: {what}"),
            format!("/efi/EFI: {what}"),
            format!("/efi/EFI/systemd: {what}"),
        ]
    );
}

#[test]
fn an_empty_root_has_nothing() {
    let place = Place::new();
    assert_eq!(place.kernels(), [""; 0]);
    assert_eq!(place.problems(), [""; 0]);
    assert_eq!(place.default(), "unknown: there is no entry");
}

#[test]
fn two_menus_of_grub_leave_the_default_open() {
    let place = Place::new();
    place.file("boot/vmlinuz-6.1", "");
    let script = "menuentry a {\n linux /vmlinuz-6.1 root=1\n}\n";
    place.file("boot/grub/grub.cfg", script);
    assert_eq!(place.default(), "/boot/grub/grub.cfg");
    place.file("boot/grub2/grub.cfg", script);
    assert_eq!(
        place.default(),
        "unknown: there is more than one grub.cfg with a menu"
    );
    fs::remove_file(place.dir.path().join("boot/grub2/grub.cfg")).unwrap();
    place.link("boot/grub2/grub.cfg", "../grub/grub.cfg");
    assert_eq!(place.default(), "/boot/grub2/grub.cfg");
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! What is broken is told, and everything else is still found.

use super::*;

#[test]
fn each_broken_entry_has_its_line() {
    let place = Place::with_modules(&["6.1"]);
    for path in ["efi/id/6.1/linux", "efi/EFI/shell.efi", "etc/shadow"] {
        place.file(path, "");
    }
    place.link("efi/escape", "../etc/shadow");
    place.link("efi/round", "round");
    let at = |name: &str| format!("efi/loader/entries/{name}.conf");
    let mut expected = Vec::new();
    for (name, text, problem) in [
        ("good", "linux /id/6.1/linux\r\nversion 6.1\r\n", ""),
        (
            "crlf+2-1",
            "title x\r\nLINUX /no\r\nlinux \\ID\\6.1\\LINUX\r\n",
            "",
        ),
        ("efi", "efi /EFI/shell.efi", ""),
        (
            "escape",
            "linux /escape",
            "line 1: expected /efi/escape, which does not exist",
        ),
        (
            "gone",
            "title x\nlinux /gone\n",
            "line 2: expected /efi/gone, which does not exist",
        ),
        ("long", &"#".repeat(100_000), "expected at most 65536 bytes"),
        ("net", "uki-url http://example.org/a.efi", ""),
        (
            "no-initrd",
            "linux /id/6.1/linux\ninitrd /a\ninitrd /b\n",
            "line 2: expected /efi/a, which does not exist",
        ),
        (
            "nothing",
            "title x\n",
            "expected a line that says what to start: linux, uki, uki-url or efi, and a path",
        ),
        (
            "parent",
            "linux /id/../../etc/shadow",
            "line 1: expected a path that stays on its file system, not one that leaves it by ..",
        ),
        (
            "round",
            "linux /round",
            "line 1: expected a readable /efi/round: too many symbolic links",
        ),
        (
            "two",
            "linux /a\nefi /b\n",
            "line 2: expected one of linux, uki, uki-url and efi, not two of them",
        ),
    ] {
        place.file(&at(name), text);
        if !problem.is_empty() {
            expected.push(format!("/{}: {problem}", at(name)));
        }
    }
    place.link(&at("self"), "self.conf");
    place.link(&at("out"), "../../../etc/shadow");
    fs::create_dir(place.dir.path().join(at("dir"))).unwrap();
    for (name, problem) in [
        ("self", "a readable file: too many symbolic links"),
        ("out", "a link that leads to a file"),
        ("dir", "a readable file: not a regular file"),
    ] {
        expected.push(format!("/{}: expected {problem}", at(name)));
    }
    expected.sort();
    assert_eq!(place.problems(), expected);
    assert_eq!(
        place.kernels(),
        [
            "/usr/lib/modules/6.1/vmlinuz 6.1: ModuleDir",
            "/efi/ID/6.1/LINUX 6.1: Entry crlf.conf, Entry good.conf, Entry* no-initrd.conf",
            "/efi/EFI/shell.efi ?: Entry efi.conf",
        ]
    );
    // systemd-boot misses an initrd only when it starts the entry.
    assert_eq!(place.default(), "the first entry");
    let found = place.discover().kernels;
    let shell = found
        .iter()
        .find(|kernel| kernel.path.ends_with("shell.efi"));
    assert!(!shell.unwrap().is_linux());
}

#[test]
fn what_is_not_here_may_be_the_default() {
    let place = Place::new();
    assert_eq!(place.default(), "unknown: there is no entry");
    assert_eq!((place.kernels(), place.problems()), (vec![], vec![]));
    place.file("efi/loader/entries/z.conf", "uki-url http://x/a.efi");
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
    let what = "expected a readable directory: too many symbolic links";
    let told = ["/efi/EFI/Linux", "/efi/EFI/systemd", "/efi/EFI"];
    let told = told.map(|path| format!("{path}: {what}"));
    assert_eq!(place.problems(), told);
}

#[test]
fn two_menus_of_grub_leave_the_default_open() {
    let place = Place::new();
    place.file("boot/vmlinuz-6.1", "");
    let script = "menuentry a {\n linux /vmlinuz-6.1 root=1\n}\n";
    place.file("boot/grub/grub.cfg", script);
    assert_eq!(place.default(), "/boot/grub/grub.cfg");
    place.file("boot/grub2/grub.cfg", script);
    let two = "unknown: there is more than one grub.cfg with a menu";
    assert_eq!(place.default(), two);
    fs::remove_file(place.dir.path().join("boot/grub2/grub.cfg")).unwrap();
    place.link("boot/grub2/grub.cfg", "../grub/grub.cfg");
    assert_eq!(place.default(), "/boot/grub2/grub.cfg");
}

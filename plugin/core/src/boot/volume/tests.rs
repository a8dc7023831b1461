// SPDX-License-Identifier: GPL-2.0-or-later
#![allow(clippy::unwrap_used)]

use std::os::unix::fs::symlink;

use super::*;

fn touch(path: PathBuf) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, "x").unwrap();
}

#[test]
fn paths_are_looked_for_as_boot_loaders_do() {
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path();
    touch(base.join("boot/efi/EFI/Linux/A.efi"));
    touch(base.join("boot/vmlinuz-6.1"));
    touch(base.join("usr/lib/modules/6.1/vmlinuz"));
    touch(base.join("etc/shadow"));
    fs::create_dir(base.join("boot/dir")).unwrap();
    symlink("../usr/lib/modules/6.1/vmlinuz", base.join("boot/link")).unwrap();
    symlink("round", base.join("boot/round")).unwrap();
    symlink("../../etc/shadow", base.join("boot/efi/out")).unwrap();
    symlink("/EFI/Linux/A.efi", base.join("boot/efi/in")).unwrap();
    let root = Root::new(base).unwrap();
    let base = root.path();
    let volumes = volumes(&root, &[], &mut Vec::new());
    let [esp, boot] = volumes.as_slice() else {
        panic!("{volumes:?}")
    };

    let find = |volume: &Volume, path: &str| match volume.find(path) {
        Ok(found) => found.file.strip_prefix(base).unwrap().display().to_string(),
        Err(error) => error.replace(&base.display().to_string(), ""),
    };
    let (esp_file, real) = ("boot/efi/EFI/Linux/A.efi", "usr/lib/modules/6.1/vmlinuz");
    let elsewhere = "/boot/efi/boot/vmlinuz-6.1, which does not exist";
    let round = "a readable /boot/round: too many symbolic links";
    let out = "a path that stays on its file system, not one that leaves it by ..";
    for (volume, path, expected) in [
        (esp, "/EFI/Linux/A.efi", esp_file),
        (esp, r"\efi\LINUX\a.EFI", esp_file),
        (esp, "efi/./linux/../linux/a.efi", esp_file),
        (esp, "/in", esp_file),
        (esp, "/out", "/boot/efi/out, which does not exist"),
        (esp, "/../../etc/shadow", out),
        (esp, "/EFI/../../../etc/shadow", out),
        (esp, "/boot/vmlinuz-6.1", elsewhere),
        (boot, "/vmlinuz-6.1", "boot/vmlinuz-6.1"),
        (boot, "/boot/vmlinuz-6.1", "boot/vmlinuz-6.1"),
        (boot, "/@/boot/vmlinuz-6.1", "boot/vmlinuz-6.1"),
        (boot, "/@boot/vmlinuz-6.1", "boot/vmlinuz-6.1"),
        (boot, "/link", real),
        (boot, "/dir", "a regular file at /boot/dir"),
        (boot, "/", "a regular file at /boot/"),
        (boot, "/../etc/shadow", out),
        (boot, "/no", "/boot/no, which does not exist"),
        (boot, "/link/no", "/boot/link/no, which does not exist"),
        (boot, "/round", round),
    ] {
        assert_eq!(find(volume, path), expected, "{path}");
    }
}

#[test]
fn volumes_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let more = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("boot/efi")).unwrap();
    symlink("boot/efi", dir.path().join("efi")).unwrap();
    let root = Root::new(dir.path()).unwrap();
    let mut problems = Vec::new();
    let esps = ["", ".", "no"].map(|dir| more.path().join(dir));
    let volumes = volumes(&root, &esps, &mut problems);
    let shown: Vec<_> = volumes.iter().map(|volume| volume.shown.clone()).collect();
    let inside = |path: &str| root.outside(Path::new(path));
    assert_eq!(
        shown,
        [more.path().join(""), inside("/efi"), inside("/boot")]
    );
    let paths: Vec<_> = problems.into_iter().map(|problem| problem.path).collect();
    assert_eq!(paths, [more.path().join("no")]);
}

#[test]
fn what_cannot_be_looked_into_is_told_once() {
    let dir = tempfile::tempdir().unwrap();
    symlink("efi", dir.path().join("efi")).unwrap();
    touch(dir.path().join("boot"));
    let root = Root::new(dir.path()).unwrap();
    let mut problems = Vec::new();
    assert_eq!(volumes(&root, &[], &mut problems).len(), 0);
    let expected = [
        ("/efi", "too many symbolic links"),
        ("/boot", "Not a directory (os error 20)"),
    ];
    let expected = expected.map(|(path, error)| {
        let what = format!("a readable directory: {error}");
        BootProblem::hiding(&root.outside(Path::new(path)), what)
    });
    assert_eq!(problems, expected);
}

#[test]
fn files_and_directories_have_bounds() {
    let dir = tempfile::tempdir().unwrap();
    touch(dir.path().join("small"));
    fs::write(dir.path().join("long"), "x".repeat(100)).unwrap();
    symlink("gone", dir.path().join("broken")).unwrap();
    for n in 0..=MAX_FILES {
        touch(dir.path().join(format!("many/{n}")));
    }
    let volume = Volume::mounted(dir.path()).unwrap();
    assert_eq!(volume.read("small", 10), Ok(Some("x".to_owned())));
    assert_eq!(volume.read("none", 10), Ok(None));
    assert_eq!(volume.read("broken", 10), Ok(None));
    assert_eq!(volume.read("small/none", 10), Ok(None));
    let told = volume.read("LONG", 10).unwrap_err().fault;
    assert_eq!(told, "expected at most 10 bytes");
    let told = volume.read("many", 10).unwrap_err().fault;
    assert!(told.contains("not a regular file"), "{told}");

    let mut problems = Vec::new();
    let many = volume.list("many", |_| true, &mut problems);
    assert_eq!(many.len(), MAX_FILES);
    let what = "at most 10000 files; the others are not read";
    assert_eq!(
        problems,
        [BootProblem::hiding(&dir.path().join("many"), what)]
    );
    problems.clear();
    for none in ["none", "small"] {
        assert_eq!(volume.list(none, |_| true, &mut problems), [""; 0]);
    }
    assert_eq!(problems, []);
    let some = volume.list("", |name| name.starts_with('s'), &mut problems);
    assert_eq!(some, ["small"]);

    let path = |parts: usize| format!("{}small", "many/../".repeat(parts / 2));
    assert!(volume.find(&path(MAX_PARTS - 2)).is_ok());
    let told = volume.find(&path(MAX_PARTS)).unwrap_err();
    assert_eq!(told, "a path of at most 128 parts");
}

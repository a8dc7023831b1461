//! Roots that can boot, built of two real builds of a kernel under one release:
//! what `kernels` and `check --kernel all` say of them.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use btf_guard_tests::{Extracted, kernels, program};
use serde_json::Value;
use tempfile::TempDir;

/// Modules that a root gets.
const MODULES: usize = 40;

/// Two builds of a kernel.
struct Pair {
    release: String,
    new: Extracted,
    /// The image of the older build, which calls itself by the newer's release.
    old: Vec<u8>,
}

static PAIR: LazyLock<Pair> = LazyLock::new(|| {
    let all = Extracted::all(&kernels());
    let cloud = |kernel: &&Extracted| {
        kernel.name.starts_with("image-6.1.") && kernel.name.contains("cloud")
    };
    let mut pair = all.iter().filter(cloud);
    let (Some(old), Some(new)) = (pair.next(), pair.next()) else {
        panic!("no two builds of 6.1; run `make test`");
    };
    Pair {
        release: new.release.clone(),
        new: new.clone(),
        old: renamed(&fs::read(&old.image).unwrap(), &old.release, &new.release),
    }
});

/// A bzImage whose version string names another release of the same length. The
/// kernel in it, which is compressed, stays what it is.
fn renamed(image: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut image = image.to_vec();
    let at = 0x200 + usize::from(u16::from_le_bytes([image[0x20e], image[0x20f]]));
    assert_eq!(&image[at..at + from.len()], from.as_bytes());
    image[at..at + to.len()].copy_from_slice(to.as_bytes());
    image
}

/// A root with the newer build: its image and some of its modules.
struct Root {
    dir: TempDir,
}

impl Root {
    fn new() -> Self {
        let root = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        let tree = format!("usr/lib/modules/{}", PAIR.release);
        root.put(
            &format!("{tree}/vmlinuz"),
            &fs::read(&PAIR.new.image).unwrap(),
        );
        // As a kernel that enforces has it.
        root.put(&format!("{tree}/config"), b"CONFIG_MODULES=y\n");
        let step = PAIR.new.modules.len() / MODULES;
        for module in PAIR.new.modules.iter().step_by(step) {
            let name = module.file_name().unwrap().to_str().unwrap();
            root.put(&format!("{tree}/kernel/{name}"), &fs::read(module).unwrap());
        }
        symlink("usr/lib", root.at("lib")).unwrap();
        root
    }

    fn at(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn put(&self, path: &str, bytes: &[u8]) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// An entry of the Boot Loader Specification on the EFI system partition.
    fn entry(&self, id: &str, image: &str) {
        let release = &PAIR.release;
        let text = format!("title {id}\nversion {release}\nlinux {image}\noptions quiet\n");
        self.put(&format!("efi/loader/entries/{id}.conf"), text.as_bytes());
    }

    fn run(&self, args: &[&str]) -> (i32, String, String) {
        let output = Command::new(program())
            .args(args)
            .arg("--root")
            .arg(self.dir.path())
            .arg("--cache")
            .arg(self.at("var/cache"))
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let code = output.status.code().unwrap();
        (code, text(&output.stdout), text(&output.stderr))
    }

    fn kernels(&self) -> Value {
        let (_, out, err) = self.run(&["kernels", "--format", "json"]);
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}"))
    }

    fn check(&self) -> (i32, Value) {
        let (code, out, err) = self.run(&["check", "--kernel", "all", "--format", "json"]);
        let report = serde_json::from_str(&out);
        (
            code,
            report.unwrap_or_else(|error| panic!("{error}: {out}{err}")),
        )
    }
}

/// The kernel whose image ends so.
fn of<'a>(list: &'a Value, image: &str) -> &'a Value {
    let kernels = list["kernels"].as_array().unwrap();
    let found = kernels
        .iter()
        .find(|k| k["source"].as_str().unwrap().ends_with(image));
    found.unwrap_or_else(|| panic!("no kernel {image}: {list:#}"))
}

fn errors(list: &Value) -> Vec<String> {
    let errors = list["errors"].as_array().unwrap();
    errors
        .iter()
        .map(|e| {
            format!(
                "{}: {}",
                e["path"].as_str().unwrap(),
                e["error"].as_str().unwrap()
            )
        })
        .collect()
}

fn copy_of(image: &Path) -> Vec<u8> {
    fs::read(image).unwrap()
}

#[test]
fn a_fresh_copy_is_the_same_kernel() {
    let root = Root::new();
    root.put("efi/token/linux", &copy_of(&PAIR.new.image));
    root.entry("fresh", "/token/linux");
    root.put("efi/loader/loader.conf", b"default fresh.conf\n");
    let list = root.kernels();
    let copy = of(&list, "efi/token/linux");
    assert_eq!(copy["stale"], Value::Null);
    assert_eq!(copy["default"], true);
    assert_eq!(copy["orphan"], false);
    assert_eq!(copy["via"][0]["way"], "entry");
    assert_eq!(of(&list, "/vmlinuz")["base"], copy["base"]);
    let (code, report) = root.check();
    assert_eq!(code, 0, "{report:#}");
    // One build, judged once.
    assert_eq!(report["kernels"].as_array().unwrap().len(), 1);
    assert_eq!(report["summary"]["loads"], report["summary"]["modules"]);
}

#[test]
fn a_stale_copy_is_found_by_its_content() {
    let root = Root::new();
    root.put("efi/token/linux", &PAIR.old);
    root.entry("old", "/token/linux");
    root.put("efi/loader/loader.conf", b"default old.conf\n");
    root.put("usr/bin/kernel-install", b"");
    let list = root.kernels();
    let (copy, own) = (of(&list, "efi/token/linux"), of(&list, "/vmlinuz"));
    assert_eq!(copy["release"], own["release"]);
    assert_ne!(copy["build"], own["build"]);
    assert_eq!(own.get("stale"), None);
    let stale = &copy["stale"];
    assert!(stale["than"].as_str().unwrap().ends_with("/vmlinuz"));
    let release = &PAIR.release;
    let mend = format!("kernel-install add {release} /usr/lib/modules/{release}/vmlinuz");
    assert_eq!(stale["mend"], mend);
    assert_eq!(copy["default"], true);

    let (code, report) = root.check();
    assert_eq!(code, 2);
    let refused = report["summary"]["refused"].as_u64().unwrap();
    assert!(refused > MODULES as u64 / 2, "{refused}");
    let (code, text, _) = root.run(&["check", "--kernel", "all", "--no-color"]);
    assert_eq!(code, 2);
    let help = text.lines().nth(1).unwrap();
    assert!(
        help.starts_with("help: this copy is stale, and it is what boots"),
        "{help}"
    );
    assert!(help.contains("/vmlinuz") && help.ends_with(&mend), "{help}");
    // Without --kernel, a root that does not run has all of its kernels judged.
    assert_eq!(root.run(&["check"]).0, 2);
}

#[test]
fn a_left_over_file_in_boot_is_a_stale_copy_too() {
    let root = Root::new();
    root.put(&format!("boot/vmlinuz-{}", PAIR.release), &PAIR.old);
    let list = root.kernels();
    let copy = of(&list, &format!("boot/vmlinuz-{}", PAIR.release));
    assert_ne!(copy["stale"], Value::Null);
    assert_eq!(root.check().0, 2);
}

/// As ukify builds one, but by objcopy.
#[test]
fn a_unified_kernel_image_is_looked_into() {
    let root = Root::new();
    root.put("linux", &PAIR.old);
    root.put("uname", PAIR.release.as_bytes());
    root.put("cmdline", b"quiet splash");
    root.put("osrel", b"ID=test\nVERSION_ID=1\nPRETTY_NAME=\"Test 1\"\n");
    // Any PE file will do for what comes before the sections; a kernel is one.
    root.put("stub", &copy_of(&PAIR.new.image));
    let section = |name: &str, at: &str| {
        let path = root.at(name);
        [
            "--add-section".to_owned(),
            format!(".{name}={}", path.display()),
            "--change-section-vma".to_owned(),
            format!(".{name}={at}"),
        ]
    };
    let made = Command::new("objcopy")
        .args(section("osrel", "0x20000000"))
        .args(section("uname", "0x20010000"))
        .args(section("cmdline", "0x20020000"))
        .args(section("linux", "0x20030000"))
        .arg(root.at("stub"))
        .arg(root.at("made.efi"))
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    fs::create_dir_all(root.at("efi/EFI/Linux")).unwrap();
    fs::rename(root.at("made.efi"), root.at("efi/EFI/Linux/test.efi")).unwrap();
    let list = root.kernels();
    let uki = of(&list, "EFI/Linux/test.efi");
    assert_eq!(uki["release"], PAIR.release);
    assert_ne!(uki["stale"], Value::Null, "{list:#}");
    assert_eq!(uki["via"][0]["way"], "uki");
    assert_eq!(uki["via"][0]["title"], "Test 1");
    assert_eq!(root.check().0, 2);
}

#[test]
fn what_is_broken_is_said_and_the_rest_is_judged() {
    let root = Root::new();
    let whole = copy_of(&PAIR.new.image);
    root.put("efi/token/cut", &whole[..whole.len() / 2]);
    root.put("outside", &PAIR.old);
    root.entry("cut", "/token/cut");
    root.entry("missing", "/token/nothing");
    root.entry("out", "/token/../../outside");
    root.put("efi/loader/entries/empty.conf", b"title nothing to boot\n");
    symlink("loop", root.at("efi/token/loop")).unwrap();
    root.entry("loop", "/token/loop");
    let list = root.kernels();
    let said = errors(&list);
    for name in ["cut", "missing.conf", "out.conf", "loop", "empty.conf"] {
        assert!(
            said.iter().any(|line| line.contains(name)),
            "{name}: {said:#?}"
        );
    }
    assert!(
        list["kernels"]
            .as_array()
            .unwrap()
            .iter()
            .all(|kernel| { !kernel["source"].as_str().unwrap().ends_with("outside") }),
        "{list:#}"
    );
    let (code, report) = root.check();
    assert_eq!(code, 0);
    assert!(errors(&report).len() >= 5);
    assert_eq!(report["summary"]["loads"], report["summary"]["modules"]);
    assert!(report["summary"]["loads"].as_u64().unwrap() >= MODULES as u64);
}

#[test]
fn a_root_with_nothing_but_broken_entries_cannot_be_judged() {
    let root = Root {
        dir: tempfile::tempdir().unwrap(),
    };
    root.entry("missing", "/token/nothing");
    assert_eq!(root.check().0, 3);
    assert_eq!(root.run(&["kernels"]).0, 3);
}

#[test]
fn an_image_is_unpacked_once_and_a_damaged_cache_is_mended() {
    let root = Root::new();
    let before = root.kernels();
    let mut entries = fs::read_dir(root.at("var/cache")).unwrap();
    let entry = entries.next().unwrap().unwrap().path();
    assert!(entries.next().is_none());
    let good = fs::read(&entry).unwrap();
    fs::write(&entry, &good[..good.len() / 2]).unwrap();
    assert_eq!(root.kernels(), before);
    assert_eq!(fs::read(&entry).unwrap(), good);
    // What is kept is what is used.
    fs::remove_dir_all(root.at("var/cache")).unwrap();
    assert_eq!(root.kernels(), before);
}

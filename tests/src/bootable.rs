//! Roots that can boot, built of two real builds of a kernel under one release.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;
use tempfile::TempDir;

use crate::{Extracted, kernels, program};

/// Modules that a root gets.
pub const MODULES: usize = 40;

/// Two builds of a kernel.
pub struct Pair {
    /// The newer's.
    pub release: String,
    /// The newer one.
    pub new: Extracted,
    /// The older one, as it calls itself.
    pub older: Extracted,
    /// The image of the older build, which calls itself by the newer's release.
    pub old: Vec<u8>,
}

/// The newest two cloud kernels of 6.1.
pub static PAIR: LazyLock<Pair> = LazyLock::new(|| {
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
        older: old.clone(),
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
pub struct Root {
    dir: TempDir,
}

impl Root {
    /// One with kernel and modules of the newer build.
    pub fn fresh() -> Self {
        let root = Self::empty();
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

    /// One with nothing in it.
    pub fn empty() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    /// A path of this root, as one of this process.
    pub fn at(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    /// Writes a file.
    pub fn put(&self, path: &str, bytes: &[u8]) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// An entry of the Boot Loader Specification on the EFI system partition.
    pub fn entry(&self, id: &str, image: &str) {
        let release = &PAIR.release;
        let text = format!("title {id}\nversion {release}\nlinux {image}\noptions quiet\n");
        self.put(&format!("efi/loader/entries/{id}.conf"), text.as_bytes());
    }

    /// Runs btf-guard on this root: exit code, output, errors.
    pub fn run(&self, args: &[&str]) -> (i32, String, String) {
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

    /// What `kernels` says.
    pub fn kernels(&self) -> Value {
        let (_, out, err) = self.run(&["kernels", "--format", "json"]);
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}"))
    }

    /// Exit code and report of `check --kernel all`.
    pub fn check(&self) -> (i32, Value) {
        let (code, out, err) = self.run(&["check", "--kernel", "all", "--format", "json"]);
        let report = serde_json::from_str(&out);
        (
            code,
            report.unwrap_or_else(|error| panic!("{error}: {out}{err}")),
        )
    }
}

/// The kernel whose image ends so.
pub fn of<'a>(list: &'a Value, image: &str) -> &'a Value {
    let kernels = list["kernels"].as_array().unwrap();
    let found = kernels
        .iter()
        .find(|k| k["source"].as_str().unwrap().ends_with(image));
    found.unwrap_or_else(|| panic!("no kernel {image}: {list:#}"))
}

/// The errors of a report, a line each.
pub fn errors(list: &Value) -> Vec<String> {
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

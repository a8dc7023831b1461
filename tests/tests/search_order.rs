// SPDX-License-Identifier: GPL-2.0-or-later
//! Which of several files of one name is judged, held against the real depmod and
//! modprobe: over random trees, with the lines of SUSE and RHEL.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use btf_guard_tests::btf::{Btf, Era};
use btf_guard_tests::{elf, program};
use serde_json::Value;
use tempfile::TempDir;

const RELEASE: &str = "6.18.15-test";
const TREES: u32 = 60;
const NAMES: [&str; 3] = ["one", "two_a", "three"];
const DIRECTORIES: [&str; 9] = [
    "kernel",
    "kernel/drivers",
    "updates",
    "updates/sub",
    "extra",
    "extra/build",
    "weak-updates/updates",
    "kgraft",
    "dkms",
];
const CONFIGS: [&str; 6] = [
    "",
    // suse-module-tools 16.1, depmod-00-system.conf.
    "search updates extra weak-updates kgraft built-in\n",
    // kmod of RHEL 9, depmod.d-dist.conf.
    "search updates extra built-in weak-updates\n",
    "search updates built-in\noverride one * extra\noverride two_a ^6 kernel\n",
    "search built-in dkms\noverride three ^5 extra\noverride one * extra\noverride one * dkms\n",
    "search updates\nsearch extra weak-updates/updates\noverride two-a * kernel/drivers\n",
];

/// xorshift: the same trees each time.
struct Random(u32);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0 as usize % end
    }
}

struct Tree(TempDir);

impl Tree {
    fn new(random: &mut Random) -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        tree.write("config", "CONFIG_MODULES=y\n");
        let base = Era::V6_18.base();
        tree.write("vmlinux", elf::vmlinux(RELEASE, &base.build()));
        let module = |name: &str| elf::named_module(name, &Btf::split(&base).build());
        for name in NAMES {
            for directory in DIRECTORIES {
                let name = match random.below(4) {
                    0 => name.replace('_', "-"),
                    _ => name.to_owned(),
                };
                let path = format!("{directory}/{name}.ko");
                match random.below(6) {
                    0 | 1 => tree.write(&path, module(&name)),
                    2 if directory.starts_with("weak") => {
                        let target = tree.0.path().join(format!("srv/{name}.ko"));
                        fs::create_dir_all(target.parent().unwrap()).unwrap();
                        fs::write(&target, module(&name)).unwrap();
                        let link = tree.dir().join(&path);
                        fs::create_dir_all(link.parent().unwrap()).unwrap();
                        symlink(format!("../../../../../srv/{name}.ko"), link).unwrap();
                    }
                    _ => {}
                }
            }
        }
        let config = CONFIGS[random.below(CONFIGS.len())];
        let dir = tree.config();
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("00-system.conf"), config).unwrap();
        tree
    }

    fn config(&self) -> PathBuf {
        self.0.path().join("usr/lib/depmod.d")
    }

    fn dir(&self) -> PathBuf {
        self.0.path().join("lib/modules").join(RELEASE)
    }

    fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.dir().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn depmod(&self) {
        let mut command = Command::new("depmod");
        command.arg("-b").arg(self.0.path());
        command.arg("-C").arg(self.config()).arg(RELEASE);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    /// The file that modprobe would load.
    fn loaded(&self, name: &str) -> Option<PathBuf> {
        let mut command = Command::new("modprobe");
        command.arg("-d").arg(self.0.path());
        command.args(["-S", RELEASE, "--show-depends", name]);
        let output = command.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let path = text.lines().last()?.strip_prefix("insmod ")?.trim();
        Some(path.into())
    }

    /// The files that are judged, and those that are shadowed.
    fn checked(&self, path: Option<&Path>) -> [BTreeSet<PathBuf>; 2] {
        let mut command = Command::new(program());
        command.args(["check", "--format", "json", "--kernel", "all", "--root"]);
        command.arg(self.0.path()).args(path);
        let output = command.output().unwrap();
        assert!(
            output.status.code().is_some_and(|code| code < 3),
            "{output:?}"
        );
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        ["modules", "shadowed"].map(|list| {
            let list = report[list].as_array().unwrap().iter();
            list.map(|entry| entry["path"].as_str().unwrap().into())
                .collect()
        })
    }
}

fn of(name: &str, files: &BTreeSet<PathBuf>) -> Vec<PathBuf> {
    let is_it = |file: &&PathBuf| {
        let file = file.file_stem().unwrap().to_str().unwrap();
        file.replace('-', "_") == name
    };
    files.iter().filter(is_it).cloned().collect()
}

#[test]
fn what_is_judged_is_what_modprobe_loads() {
    let mut random = Random(0x2545_f491);
    let (mut single, mut several) = (0, 0);
    for number in 0..TREES {
        let tree = Tree::new(&mut random);
        let config = fs::read_to_string(tree.config().join("00-system.conf")).unwrap();
        // The order alone, as before depmod has been run.
        let [judged, shadowed] = tree.checked(None);
        // File systems note times by the kernel's tick.
        std::thread::sleep(std::time::Duration::from_millis(30));
        tree.depmod();
        let [after, _] = tree.checked(None);
        let [named, _] = tree.checked(Some(&tree.dir()));
        for name in NAMES {
            let loaded = tree.loaded(name);
            let context = format!("tree {number}, {name}: {config}{judged:#?}{shadowed:#?}");
            let candidates = of(name, &judged);
            assert!(
                loaded.iter().all(|file| candidates.contains(file)),
                "{loaded:?} {context}"
            );
            assert_eq!(loaded.is_none(), candidates.is_empty(), "{context}");
            match candidates.len() {
                0 => {}
                1 => single += usize::from(!of(name, &shadowed).is_empty()),
                _ => several += 1,
            }
            let loaded: Vec<PathBuf> = loaded.into_iter().collect();
            assert_eq!(of(name, &after), loaded, "with modules.dep: {context}");
            assert_eq!(of(name, &named), loaded, "named: {context}");
        }
        // A part of it was asked for: every file is judged.
        let updates = tree.dir().join("updates");
        if updates.is_dir() {
            let [every, _] = tree.checked(Some(&updates));
            let all = judged
                .union(&shadowed)
                .filter(|file| file.starts_with(&updates));
            assert_eq!(every, all.cloned().collect(), "tree {number}");
        }
    }
    // Where nothing tells them apart, all are judged; mostly something does.
    assert!(single > several && several > 0, "{single} {several}");
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! The modules that a machine needs, held against modprobe: the same aliases lead to
//! the same modules.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use btf_guard_core::host_modules::Machine;
use btf_guard_tests::skip::skipped;
use btf_guard_tests::{Extracted, kernels};
use walkdir::WalkDir;

/// Of the patterns of a kernel's own list, every so many is tried.
const STEP: usize = 120;

/// A kernel's modules under links, with the lists that depmod makes of them.
struct Release {
    dir: tempfile::TempDir,
    release: String,
}

impl Release {
    fn new() -> Option<Self> {
        let kernel = Extracted::all(&kernels()).into_iter().next()?;
        let dir = tempfile::tempdir().unwrap();
        let tree = dir.path().join("lib/modules").join(&kernel.release);
        fs::create_dir_all(&tree).unwrap();
        let own = kernel.modules.first().unwrap().ancestors();
        let own = own.into_iter().find(|dir| dir.ends_with("kernel")).unwrap();
        symlink(own, tree.join("kernel")).unwrap();
        for list in ["modules.builtin", "modules.order"] {
            fs::copy(own.with_file_name(list), tree.join(list)).unwrap();
        }
        let made = Command::new("depmod")
            .arg("-b")
            .args([dir.path(), Path::new(&kernel.release)])
            .status()
            .unwrap();
        assert!(made.success(), "depmod: {made}");
        Some(Self {
            dir,
            release: kernel.release,
        })
    }

    fn list(&self, name: &str) -> String {
        let dir = self.dir.path().join("lib/modules").join(&self.release);
        fs::read_to_string(dir.join(name)).unwrap()
    }

    /// What modprobe makes of an alias, without the machine's own configuration.
    fn by_modprobe(&self, alias: &str) -> BTreeSet<String> {
        let output = Command::new("modprobe")
            .args(["-C", "/dev/null", "-S", &self.release, "-d"])
            .arg(self.dir.path())
            .args(["-R", alias])
            .output()
            .unwrap();
        let words = String::from_utf8(output.stdout).unwrap();
        words.split_whitespace().map(str::to_owned).collect()
    }

    /// What a machine with one device of that alias needs, without what that is
    /// loaded after.
    fn by_us(&self, alias: &str) -> BTreeSet<String> {
        let machine = tempfile::tempdir().unwrap();
        let device = machine.path().join("sys/bus/any/devices/one");
        fs::create_dir_all(&device).unwrap();
        fs::write(device.join("modalias"), format!("{alias}\n")).unwrap();
        let dir = self.dir.path().join("lib/modules").join(&self.release);
        let needs = Machine::read(machine.path()).needs(&[dir]);
        let direct = |module: &&str| {
            needs
                .of(module)
                .iter()
                .any(|why| why.starts_with("device "))
        };
        needs.modules().filter(direct).map(str::to_owned).collect()
    }
}

/// The aliases of this machine's devices, wherever they are in the tree.
fn own_aliases() -> BTreeSet<String> {
    let files = WalkDir::new("/sys/devices").into_iter().flatten();
    let files = files.filter(|entry| entry.file_name() == "modalias");
    let aliases = files.filter_map(|entry| fs::read_to_string(entry.path()).ok());
    let aliases = aliases.map(|alias| alias.trim().to_owned());
    aliases.filter(|alias| !alias.is_empty()).collect()
}

/// An alias that a pattern matches.
fn example(pattern: &str) -> String {
    let mut example = String::new();
    let mut rest = pattern.chars();
    while let Some(character) = rest.next() {
        match character {
            '*' => example.push_str("0A"),
            '?' => example.push('7'),
            '[' => {
                example.extend(rest.next());
                rest.by_ref().find(|end| *end == ']');
            }
            plain => example.push(plain),
        }
    }
    example
}

#[test]
fn aliases_lead_where_modprobe_goes() {
    if Command::new("depmod").arg("--version").output().is_err() {
        return skipped("aliases, held against modprobe", "there is no depmod");
    }
    let Some(release) = Release::new() else {
        return skipped("aliases, held against modprobe", "there is no kernel");
    };
    let aliases = release.list("modules.alias");
    let patterns = aliases.lines().filter_map(|line| line.split(' ').nth(1));
    let examples = patterns.step_by(STEP).map(example);
    let own = own_aliases();
    assert!(!own.is_empty(), "this machine has no device with an alias");
    let (mut asked, mut resolved) = (0, 0);
    for alias in own.into_iter().chain(examples) {
        let expected = release.by_modprobe(&alias);
        // What is built in has no file.
        let builtin = release.list("modules.builtin").replace('-', "_");
        let has_file = |name: &String| !builtin.contains(&format!("/{name}.ko"));
        let expected: BTreeSet<_> = expected.into_iter().filter(has_file).collect();
        assert_eq!(release.by_us(&alias), expected, "{alias}");
        asked += 1;
        resolved += usize::from(!expected.is_empty());
    }
    println!("{asked} aliases, {resolved} of them name modules");
    assert!(resolved > 50, "of {asked} aliases {resolved} name modules");
}

#[test]
fn the_aliases_of_all_devices_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let list: String = own_aliases()
        .iter()
        .enumerate()
        .map(|(at, alias)| format!("alias {} m{at}\n", alias.replace(['*', '?', '['], "?")))
        .collect();
    fs::write(dir.path().join("modules.alias"), list).unwrap();
    fs::write(dir.path().join("modules.dep"), "").unwrap();
    let needs = Machine::read(Path::new("/")).needs(&[dir.path().to_owned()]);
    for at in 0..own_aliases().len() {
        assert!(!needs.of(&format!("m{at}")).is_empty(), "alias {at}");
    }
    // The list of what is loaded, where this kernel has modules at all.
    let loaded = fs::read_to_string("/proc/modules").unwrap_or_default();
    for name in loaded.lines().filter_map(|line| line.split(' ').next()) {
        let needs = Machine::read(Path::new("/")).needs(&[]);
        assert!(needs.of(name).contains(&"loaded".to_owned()), "{name}");
    }
}

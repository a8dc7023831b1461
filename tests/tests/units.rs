// SPDX-License-Identifier: GPL-2.0-or-later
//! Units of systemd: systemd understands them, they may do little, and what stands
//! before an automatic update stops it for one reason only.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use btf_guard_tests::skip::skipped;
use walkdir::WalkDir;

/// What `systemd-analyze security` may come to at most, in tenths: 0 is best, 100 worst.
const EXPOSURE: &str = "30";

/// Services that a drop-in is for, of other packages.
const OTHERS: [&str; 3] = ["dnf-automatic", "dnf5-automatic", "transactional-update"];

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../units")
}

/// All units as they are installed, with the program in `bin`.
struct Units(tempfile::TempDir);

impl Units {
    fn new(bin: &Path) -> Self {
        let units = Self(tempfile::tempdir().unwrap());
        for entry in WalkDir::new(source()).into_iter().map(Result::unwrap) {
            if entry.file_type().is_file() {
                let below = entry.path().strip_prefix(source()).unwrap();
                let below = below.strip_prefix("automatic").unwrap_or(below);
                let below = below.to_str().unwrap();
                let below = below.strip_suffix(".in").unwrap_or(below);
                let text = fs::read_to_string(entry.path()).unwrap();
                let text = text.replace("@BIN_DIR@", bin.to_str().unwrap());
                let file = units.0.path().join(below);
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(file, text).unwrap();
            }
        }
        units
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.path().join(name)).unwrap()
    }

    /// The files with a line that asks before an update.
    fn asking(&self) -> Vec<String> {
        let drop_in = |name: &&str| format!("{name}.service.d/btf-guard.conf");
        let mut all: Vec<String> = OTHERS.iter().map(drop_in).collect();
        all.push("zypper-up.service".to_owned());
        all
    }

    fn analyze(&self, arguments: &[&str]) -> (bool, String) {
        let path = format!("{}:", self.0.path().display());
        let output = Command::new("systemd-analyze")
            .args(arguments)
            .current_dir(self.0.path())
            .env("SYSTEMD_UNIT_PATH", path)
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        (output.status.success(), said)
    }
}

/// A directory with a program that ends in some way in the place of btf-guard: what it does
/// with a real dnf or zypper is tried elsewhere.
fn program(script: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("btf-guard");
    fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
    dir
}

fn has_systemd() -> bool {
    Command::new("systemd-analyze")
        .arg("--version")
        .output()
        .is_ok()
}

#[test]
fn systemd_understands_the_units() {
    if !has_systemd() {
        return skipped("units, verified by systemd", "there is no systemd-analyze");
    }
    let bin = program("exit 0");
    let units = Units::new(bin.path());
    // Stand-ins for services that other packages bring, each with our drop-in.
    for name in OTHERS {
        let text = "[Service]\nType=oneshot\nExecStart=/bin/true\n";
        fs::write(units.0.path().join(format!("{name}.service")), text).unwrap();
    }
    let zypper = units.read("zypper-up.service");
    let zypper = zypper.replace("/usr/bin/zypper", "/bin/true");
    fs::write(units.0.path().join("zypper-up.service"), zypper).unwrap();
    let mut names = vec![
        "btf-guard-status.service",
        "btf-guard-status.timer",
        "btf-guard-status.path",
        "btf-guard-boot.service",
        "btf-guard-boot.timer",
        "zypper-up.service",
        "zypper-up.timer",
    ];
    let others: Vec<String> = OTHERS.map(|name| format!("{name}.service")).into();
    names.extend(others.iter().map(String::as_str));
    for name in names {
        let file = units.0.path().join(name);
        let arguments = ["verify", "--man=no", file.to_str().unwrap()];
        let own = |(success, said): (bool, String)| {
            let dir = units.0.path().to_str().unwrap().to_owned();
            let about = said.lines().filter(|line| line.contains(&dir));
            let about: Vec<_> = about.map(str::to_owned).collect();
            (success, about, said)
        };
        let (success, about, said) = own(units.analyze(&arguments));
        assert!(success && about.is_empty(), "{name}: {said}");
        // A word that systemd does not know is seen.
        let text = units.read(name);
        fs::write(&file, format!("{text}\n[Unit]\nNoSuchWord=yes\n")).unwrap();
        let (_, about, said) = own(units.analyze(&arguments));
        assert!(!about.is_empty(), "{name}: {said}");
        fs::write(&file, text).unwrap();
    }
}

#[test]
fn our_services_may_do_little() {
    if !has_systemd() {
        return skipped("units, rated by systemd", "there is no systemd-analyze");
    }
    let bin = program("exit 0");
    let units = Units::new(bin.path());
    for name in ["btf-guard-status.service", "btf-guard-boot.service"] {
        let file = units.0.path().join(name);
        let threshold = format!("--threshold={EXPOSURE}");
        let file = file.to_str().unwrap();
        let (success, said) = units.analyze(&["security", "--offline=yes", &threshold, file]);
        assert!(success, "{name}: {said}");
        let text = units.read(name);
        assert!(!text.contains("\nProtectKernelModules="), "{name}");
    }
}

#[test]
fn only_what_would_not_load_keeps_an_update_from_starting() {
    let outcomes = [
        ("exit 0", true),
        ("exit 1", true),
        ("exit 2", false),
        ("exit 3", true),
        ("exit 4", true),
        ("kill -9 $$", true),
        ("kill -11 $$", true),
    ];
    let mut tried = 0;
    for (script, goes_on) in outcomes {
        let bin = program(script);
        let units = Units::new(bin.path());
        for name in units.asking() {
            assert_eq!(condition(&units, &name), goes_on, "{name}: {script}");
            tried += 1;
        }
    }
    // A program that is not there stops nothing.
    let nowhere = tempfile::tempdir().unwrap();
    let units = Units::new(nowhere.path());
    for name in units.asking() {
        assert!(condition(&units, &name), "{name}");
    }
    assert_eq!(tried, 28);
}

/// Does a unit start? Its `ExecCondition=` is run as systemd would: 0 goes on, 1 to 254 do
/// not (`systemd.service(5)`); quotes part words, and `$$` is one `$`.
fn condition(units: &Units, name: &str) -> bool {
    let text = units.read(name);
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("ExecCondition="));
    let line = line.unwrap_or_else(|| panic!("{name}: no condition"));
    let script = line.strip_prefix("/bin/sh -c '").unwrap();
    let script = script.strip_suffix('\'').unwrap().replace("$$", "$");
    assert!(!script.contains('\'') && !script.contains('%'), "{script}");
    let status = Command::new("/bin/sh")
        .args(["-c", &script])
        .output()
        .unwrap();
    match status.status.code() {
        Some(0) => true,
        Some(1..=254) => false,
        other => panic!("{name}: {other:?}: the unit would fail"),
    }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! `btf-guard status` on roots made to measure: what stands, what does not any more.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};

use common::{Build, Place, RELEASE, module, module_path, run};

/// Longer than a stamp needs to be old to be believed.
const SETTLED: Duration = Duration::from_millis(3100);

/// A root of a machine that is checked, and where its findings are kept.
struct Machine {
    root: Place,
    kept: Place,
}

impl Machine {
    /// With one module that fits and one that does not, and all files old enough.
    fn new() -> Self {
        let machine = Self {
            root: Place::new(),
            kept: Place::new(),
        };
        machine.root.boot(Build::New);
        machine.root.install("fresh", Build::New);
        machine.root.install("stale", Build::Old);
        machine
    }

    fn settled() -> Self {
        let machine = Self::new();
        sleep(SETTLED);
        machine
    }

    fn store(&self) -> PathBuf {
        self.kept.path().join("lib")
    }

    fn status(&self, more: &[&str]) -> (i32, String, String) {
        let (root, store) = (self.root.path(), self.store());
        let mut args = vec!["status", "--cache", "none", "--root"];
        args.extend([root.to_str().unwrap(), "--store", store.to_str().unwrap()]);
        args.extend(more);
        run(&args)
    }

    fn json(&self, more: &[&str]) -> Value {
        let (_, out, err) = self.status(&[&["--format", "json"], more].concat());
        serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{err}"))
    }

    /// `module verdict severity` of what stands.
    fn standing(&self, more: &[&str]) -> Vec<String> {
        let answer = self.json(more);
        let findings = answer["findings"].as_array().unwrap().iter();
        let word = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
        let line = |f: &Value| {
            ["name", "verdict", "severity"]
                .map(|key| word(f, key))
                .join(" ")
        };
        findings.map(line).collect()
    }

    /// What is kept.
    fn kept(&self) -> Value {
        serde_json::from_slice(&fs::read(self.store().join("findings.json")).unwrap()).unwrap()
    }

    fn keep(&self, findings: &Value) {
        let file = self.store().join("findings.json");
        fs::write(&file, serde_json::to_vec(findings).unwrap()).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// A mark in what is kept that another judgement would not leave.
    fn mark(&self) {
        let mut kept = self.kept();
        for finding in kept["findings"].as_array_mut().unwrap() {
            finding["log"] = json!("marked");
        }
        self.keep(&kept);
    }

    fn is_marked(&self) -> bool {
        self.json(&[])["findings"][0]["log"] == "marked"
    }
}

/// The program as a user runs it who is not root. A build tree may be closed to
/// others, so that it is a copy of the program.
fn without_root(args: &[&str]) -> (i32, String, String) {
    let place = tempfile::tempdir().unwrap();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let copy = place.path().join("btf-guard");
    fs::copy(env!("CARGO_BIN_EXE_btf-guard"), &copy).unwrap();
    let mut command = match rustix::process::geteuid().is_root() {
        true => {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
            command.arg(copy);
            command
        }
        false => Command::new(copy),
    };
    common::ended(command.args(args).output().unwrap())
}

#[test]
fn the_first_look_is_a_whole_one_and_the_next_are_not() {
    let machine = Machine::settled();
    let (code, out, err) = machine.status(&[]);
    assert_eq!((code, err.as_str()), (2, ""), "{out}");
    assert!(
        out.starts_with("error: 1 module will not load on kernel"),
        "{out}"
    );
    assert!(out.contains("  modules: stale\n"), "{out}");
    assert!(out.contains(", by btf-guard status\n"), "{out}");
    machine.mark();
    assert!(machine.is_marked());
    assert_eq!(machine.standing(&["--rescan"]), ["stale refused block"]);
    assert!(!machine.is_marked());
}

#[test]
fn a_module_that_changes_is_judged_again() {
    let machine = Machine::settled();
    assert_eq!(machine.standing(&[]), ["stale refused block"]);
    machine.mark();
    // Another file of the same build: judged, and found the same.
    let file = machine.root.install("stale", Build::Old);
    assert!(!machine.is_marked());
    assert_eq!(machine.standing(&[]), ["stale refused block"]);
    fs::write(&file, module("stale", Build::New)).unwrap();
    assert_eq!(machine.standing(&[]), Vec::<String>::new());
    let (code, out, _) = machine.status(&[]);
    assert_eq!(code, 0);
    assert!(
        out.starts_with("ok: no finding stands; all was checked"),
        "{out}"
    );
}

#[test]
fn a_kernel_that_changes_judges_again() {
    let machine = Machine::settled();
    assert_eq!(machine.standing(&[]), ["stale refused block"]);
    machine.root.boot(Build::Old);
    assert_eq!(machine.standing(&[]), ["fresh refused block"]);
}

#[test]
fn what_is_gone_is_no_finding() {
    let machine = Machine::new();
    assert_eq!(machine.standing(&[]), ["stale refused block"]);
    fs::remove_file(machine.root.path().join(&module_path("stale")[1..])).unwrap();
    assert_eq!(machine.standing(&[]), Vec::<String>::new());
    let other = Machine::new();
    assert_eq!(other.standing(&[]), ["stale refused block"]);
    let image = format!("boot/vmlinuz-{RELEASE}");
    fs::remove_file(other.root.path().join(image)).unwrap();
    assert_eq!(other.standing(&[]), Vec::<String>::new());
}

#[test]
fn what_a_file_just_written_holds_is_looked_at_twice() {
    let machine = Machine::new();
    assert_eq!(machine.standing(&[]), ["stale refused block"]);
    assert_eq!(machine.kept()["findings"][0]["judged"], Value::Null);
}

#[test]
fn a_finding_of_another_boot_ends_with_it() {
    let machine = Machine::settled();
    machine.standing(&[]);
    let mut kept = machine.kept();
    let finding = &mut kept["findings"][0];
    finding["kernel"]["moment"] = json!("now");
    finding["kernel"]["source"] = json!("running");
    finding["judged"]["image"] = Value::Null;
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    finding["kernel"]["boot"] = json!(boot.trim());
    machine.keep(&kept);
    assert_eq!(machine.standing(&[]), ["stale refused block"]);
    kept["findings"][0]["kernel"]["boot"] = json!("another");
    machine.keep(&kept);
    assert_eq!(machine.standing(&[]), Vec::<String>::new());
}

#[test]
fn what_is_damaged_is_said_and_made_anew() {
    let machine = Machine::new();
    machine.standing(&[]);
    fs::write(machine.store().join("findings.json"), "{").unwrap();
    let (code, out, err) = machine.status(&[]);
    assert_eq!(code, 2, "{out}");
    assert!(err.starts_with("warning: btf-guard: "), "{err}");
    assert!(err.contains("findings.json.damaged"), "{err}");
    assert_eq!(machine.status(&[]).2, "");
}

#[test]
fn motd_and_metrics_are_kept_true() {
    let machine = Machine::new();
    let out = Place::new();
    let out = out.path().canonicalize().unwrap();
    let (motd, metrics) = (out.join("motd.d/btf-guard"), out.join("metrics"));
    fs::create_dir_all(motd.parent().unwrap()).unwrap();
    let args = |motd: &Path| {
        let metrics = metrics.to_str().unwrap().to_owned();
        let motd = motd.to_str().unwrap().to_owned();
        [
            "--motd-file".to_owned(),
            motd,
            "--textfile".to_owned(),
            metrics,
        ]
    };
    let keep = |motd: &Path| {
        let args = args(motd);
        machine.status(&args.each_ref().map(String::as_str))
    };
    // Without node_exporter's directory there is nothing to keep.
    assert_eq!(keep(&motd).0, 2);
    assert!(!metrics.exists());
    fs::create_dir(&metrics).unwrap();
    assert_eq!(keep(&motd).0, 2);
    let text = fs::read_to_string(&motd).unwrap();
    assert!(
        text.starts_with("btf-guard: 1 module will not load on kernel"),
        "{text}"
    );
    assert_eq!(machine.status(&["--motd"]).1, text);
    let sample = |text: &str| {
        text.lines()
            .any(|line| line.ends_with("severity=\"block\"} 1"))
    };
    let text = fs::read_to_string(metrics.join("btf-guard.prom")).unwrap();
    assert!(sample(&text), "{text}");
    assert_eq!(machine.status(&["--format", "prometheus"]).1, text);
    machine.root.install("stale", Build::New);
    assert_eq!(keep(&motd).0, 0);
    assert!(!motd.exists());
    assert_eq!(machine.status(&["--motd"]).1, "");
    let text = fs::read_to_string(metrics.join("btf-guard.prom")).unwrap();
    assert!(!sample(&text) && text.contains("\nbtf_guard_last_check_timestamp_seconds "));
    // A link in the place of the directory is an error, and leads nowhere.
    fs::rename(&metrics, out.join("elsewhere")).unwrap();
    symlink(out.join("elsewhere"), &metrics).unwrap();
    fs::remove_file(out.join("elsewhere/btf-guard.prom")).unwrap();
    let (code, _, err) = keep(&motd);
    assert_eq!(code, 3, "{err}");
    assert_eq!(fs::read_dir(out.join("elsewhere")).unwrap().count(), 0);
}

#[test]
fn a_check_has_metrics_too() {
    let machine = Machine::new();
    let root = machine.root.path().to_str().unwrap();
    let args = [
        "check",
        "--cache",
        "none",
        "--root",
        root,
        "--format",
        "prometheus",
    ];
    let (code, out, _) = run(&args);
    assert_eq!(code, 2);
    let sample = format!(
        "btf_guard_findings{{release=\"{RELEASE}\",moment=\"boot\",verdict=\"refused\",severity=\"block\"}} 1\n"
    );
    assert!(out.contains(&sample), "{out}");
    assert!(out.contains("# TYPE btf_guard_findings gauge\n"), "{out}");
}

#[test]
fn findings_are_roots_alone() {
    let machine = Machine::new();
    machine.standing(&[]);
    let (code, _, err) = without_root(&["status"]);
    assert_eq!(code, 3, "{err}");
    assert!(err.contains("run this as root"), "{err}");
    fs::set_permissions(machine.store(), fs::Permissions::from_mode(0o777)).unwrap();
    let (code, _, err) = machine.status(&[]);
    assert_eq!(code, 3);
    assert!(err.contains("others can write it"), "{err}");
}

/// What a transaction has told `btf-guard record`, written down as that does.
fn predicted(machine: &Machine, name: &str) {
    let mut kept = machine.kept();
    let mut finding = kept["findings"][0].clone();
    let path = machine.root.path().join(&module_path(name)[1..]);
    finding["module"] = json!(path);
    finding["name"] = json!(name);
    finding["judged"] = Value::Null;
    finding["client"] = json!("zypper");
    kept["findings"].as_array_mut().unwrap().push(finding);
    machine.keep(&kept);
}

#[test]
fn what_a_transaction_will_bring_is_told_once_it_is_there() {
    let machine = Machine::settled();
    assert_eq!(machine.standing(&[]), ["stale refused block"]);
    predicted(&machine, "coming");
    // Not there yet: kept, and not told.
    assert_eq!(machine.standing(&[]), ["stale refused block"]);
    assert_eq!(machine.standing(&[]), ["stale refused block"]);
    machine.root.install("coming", Build::Old);
    let both = ["coming refused block", "stale refused block"];
    assert_eq!(machine.standing(&[]), both);
    let found = &machine.json(&[])["findings"][0];
    assert_eq!(found["client"], "zypper");
    // One that turns out well is none, and an old one is forgotten.
    machine.root.install("coming", Build::New);
    predicted(&machine, "late");
    let mut kept = machine.kept();
    for finding in kept["findings"].as_array_mut().unwrap() {
        if finding["name"] == "late" {
            finding["since"] = json!(finding["since"].as_u64().unwrap() - 8000);
        }
    }
    machine.keep(&kept);
    assert_eq!(machine.standing(&[]), ["stale refused block"]);
    assert!(!machine.kept().to_string().contains("late"));
}

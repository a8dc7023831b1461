// SPDX-License-Identifier: GPL-2.0-or-later
//! `btf-guard status` on roots made to measure: what stands, what does not any more.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::thread::sleep;

use serde_json::{Value, json};

use common::machine::{Machine, SETTLED, standing};
use common::{Build, Place, RELEASE, module_path, run};

#[test]
fn the_first_look_is_a_whole_one_and_the_next_are_not() {
    let machine = Machine::new();
    sleep(SETTLED);
    let (code, out, err) = machine.status(&[]);
    assert_eq!((code, err.as_str()), (2, ""), "{out}");
    let first = "error: 1 module will not load on kernel";
    assert!(out.starts_with(first), "{out}");
    assert!(out.contains("  modules: stale\n"), "{out}");
    assert!(out.contains(", by btf-guard status\n"), "{out}");
    machine.mark();
    assert!(machine.is_marked());
    let rescanned = machine.json(&["--rescan"]);
    assert_eq!(standing(&rescanned), ["stale refused block"]);
    assert!(!machine.is_marked());
}

#[test]
fn a_module_that_changes_is_judged_again() {
    let machine = Machine::settled();
    machine.mark();
    // Another file of the same build: judged, and found the same.
    machine.root.install("stale", Build::Old);
    assert!(!machine.is_marked());
    machine.stands(&["stale refused block"]);
    machine.root.install("stale", Build::New);
    machine.stands(&[]);
    let (code, out, _) = machine.status(&[]);
    assert_eq!(code, 0);
    let first = "ok: no finding stands; all was checked";
    assert!(out.starts_with(first), "{out}");
}

#[test]
fn a_kernel_that_changes_judges_again() {
    let machine = Machine::settled();
    machine.root.boot(Build::Old);
    machine.stands(&["fresh refused block"]);
}

#[test]
fn what_is_gone_is_no_finding() {
    for gone in [module_path("stale"), format!("/boot/vmlinuz-{RELEASE}")] {
        let machine = Machine::new();
        machine.stands(&["stale refused block"]);
        // A file that was just written is looked at twice.
        assert_eq!(machine.kept()["findings"][0]["judged"], Value::Null);
        fs::remove_file(machine.root.path().join(&gone[1..])).unwrap();
        machine.stands(&[]);
    }
}

#[test]
fn a_finding_of_another_boot_ends_with_it() {
    let machine = Machine::settled();
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    machine.edit(|findings| {
        let kernel = &mut findings[0]["kernel"];
        kernel["target"] = json!("now");
        kernel["source"] = json!("running");
        kernel["boot"] = json!(boot.trim());
        findings[0]["judged"]["image"] = Value::Null;
    });
    machine.stands(&["stale refused block"]);
    machine.edit(|findings| findings[0]["kernel"]["boot"] = json!("another"));
    machine.stands(&[]);
}

#[test]
fn what_is_damaged_is_said_and_made_anew() {
    let machine = Machine::new();
    machine.stands(&["stale refused block"]);
    fs::write(machine.store().join("findings.json"), "{").unwrap();
    let (code, out, err) = machine.status(&[]);
    assert_eq!(code, 2, "{out}");
    assert!(err.starts_with("warning: btf-guard: "), "{err}");
    assert!(err.contains("findings.json.damaged"), "{err}");
    assert_eq!(machine.status(&[]).2, "");
}

#[test]
fn motd_and_metrics_are_kept_true() {
    // As long as files are fresh, each look is a new one, with another time.
    let machine = Machine::settled();
    let out = Place::new();
    let out = out.path().canonicalize().unwrap();
    let (motd, metrics) = (out.join("motd.d/btf-guard"), out.join("metrics"));
    fs::create_dir_all(motd.parent().unwrap()).unwrap();
    let keep = |motd: &Path| {
        let [motd, metrics] = [motd, &metrics].map(|path| path.to_str().unwrap());
        machine.status(&["--motd-file", motd, "--textfile", metrics])
    };
    // Without node_exporter's directory there is nothing to keep.
    assert_eq!(keep(&motd).0, 2);
    assert!(!metrics.exists());
    fs::create_dir(&metrics).unwrap();
    assert_eq!(keep(&motd).0, 2);
    let text = fs::read_to_string(&motd).unwrap();
    let first = "btf-guard: 1 module will not load on kernel";
    assert!(text.starts_with(first), "{text}");
    assert_eq!(machine.status(&["--motd"]).1, text);
    let sample = |text: &str| text.contains("severity=\"block\"} 1\n");
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
    assert_eq!(code, 0, "{err}");
    assert!(
        err.contains("warning: btf-guard: ") && err.contains("metrics"),
        "{err}"
    );
    assert_eq!(fs::read_dir(out.join("elsewhere")).unwrap().count(), 0);
}

#[test]
fn a_check_has_metrics_too() {
    let machine = Machine::new();
    let root = machine.root.path().to_str().unwrap();
    let args = ["check", "--cache", "none", "--root", root];
    let (code, out, _) = run(&[&args[..], &["--format", "prometheus"]].concat());
    assert_eq!(code, 2);
    let labels = "target=\"boot\",verdict=\"refused\",severity=\"block\"";
    let sample = format!("btf_guard_findings{{release=\"{RELEASE}\",{labels}}} 1\n");
    assert!(out.contains(&sample), "{out}");
    assert!(out.contains("# TYPE btf_guard_findings gauge\n"), "{out}");
}

#[test]
fn findings_are_roots_alone() {
    let machine = Machine::new();
    machine.stands(&["stale refused block"]);
    let (code, _, err) = common::without_root(&["status"]);
    assert_eq!(code, 3, "{err}");
    assert!(err.contains("run this as root"), "{err}");
    fs::set_permissions(machine.store(), fs::Permissions::from_mode(0o777)).unwrap();
    let (code, _, err) = machine.status(&[]);
    assert_eq!(code, 3);
    assert!(err.contains("others can write it"), "{err}");
}

/// What a transaction has told `btf-guard record`, written down as that does.
fn predicted(machine: &Machine, name: &str, seconds_ago: u64) {
    let path = machine.root.path().join(&module_path(name)[1..]);
    machine.edit(|findings| {
        let mut finding = findings[0].clone();
        finding["module"] = json!(path);
        finding["name"] = json!(name);
        finding["judged"] = Value::Null;
        finding["client"] = json!("zypper");
        finding["since"] = json!(finding["since"].as_u64().unwrap() - seconds_ago);
        findings.push(finding);
    });
}

#[test]
fn what_a_transaction_will_bring_is_told_once_it_is_there() {
    let machine = Machine::settled();
    predicted(&machine, "coming", 0);
    // Not there yet: kept, and not told.
    machine.stands(&["stale refused block"]);
    machine.stands(&["stale refused block"]);
    machine.root.install("coming", Build::Old);
    machine.stands(&["coming refused block", "stale refused block"]);
    let found = &machine.json(&[])["findings"][0];
    assert_eq!(found["client"], "zypper");
    // One that turns out well is none, and an old one is forgotten.
    machine.root.install("coming", Build::New);
    predicted(&machine, "late", 8000);
    machine.stands(&["stale refused block"]);
    assert!(!machine.kept().to_string().contains("late"));
}

#[test]
fn what_cannot_be_read_now_is_what_it_was() {
    let machine = Machine::settled();
    let image = machine.root.path().join(format!("boot/vmlinuz-{RELEASE}"));
    let module = machine.root.path().join(&module_path("stale")[1..]);
    for (file, is_module) in [(image, false), (module, true)] {
        let whole = fs::read(&file).unwrap();
        // Of a class that nobody knows: what the kernel would read there is not known.
        let spoilt = match is_module {
            true => [&whole[..4], &[3], &whole[5..]].concat(),
            false => whole[..whole.len() - 2].to_vec(),
        };
        fs::write(&file, spoilt).unwrap();
        let checked = machine.kept()["checked"].clone();
        let (code, out, err) = machine.status(&[]);
        let said = [out, err].concat();
        assert!(said.contains(&file.display().to_string()), "{said}");
        assert_ne!(code, 0, "{said}");
        if is_module {
            machine.stands(&["stale refused block"]);
            assert_eq!(machine.kept()["checked"], checked);
        } else {
            // Before a kernel that does not boot, no module matters.
            machine.stands(&[" unbootable block"]);
        }
        fs::write(&file, whole).unwrap();
        machine.stands(&["stale refused block"]);
    }
}

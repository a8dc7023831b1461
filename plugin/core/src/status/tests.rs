// SPDX-License-Identifier: GPL-2.0-or-later
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::{fs, thread};

use btf_guard_btf::{Evidence, Mismatch};
use btf_guard_protocol::decision::Mode;

use super::store::Error;
use super::*;
use crate::report::fixtures::{judged, kernel, misfit, module};
use crate::report::{VerdictEntry, assemble};
use crate::verdict::{Unknown, Verdict};

pub(crate) fn finding(name: &str, severity: Severity) -> Finding {
    Finding {
        module: format!("/lib/modules/6.1/{name}.ko"),
        name: name.into(),
        package: None,
        initrd: None,
        kernel: FindingKernel {
            release: Some("6.1".into()),
            target: Target::NextBoot,
            source: "/boot/vmlinuz-6.1".into(),
            base: None,
            boot: None,
        },
        verdict: Kind::Refused,
        cause: Some(Cause::Btf),
        errno: Some(-22),
        log: Some("[7] STRUCT x".into()),
        severity,
        used_by_host: Vec::new(),
        since: 100,
        client: "rpm".into(),
        judged: None,
    }
}

fn standing(findings: Vec<Finding>) -> Findings {
    Findings {
        schema: SCHEMA,
        incomplete: false,
        checked: Some(1000),
        findings,
    }
}

/// A directory for findings, in one that goes with the test.
fn store() -> (tempfile::TempDir, PathBuf) {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("lib");
    (parent, dir)
}

#[test]
fn what_is_kept_is_found() {
    let (_parent, dir) = store();
    let mut held = Held::open(&dir).unwrap();
    assert_eq!(held.findings, Findings::default());
    assert!(held.damaged.is_none());
    held.findings.add(vec![finding("a", Severity::Block)]);
    held.keep().unwrap();
    let mode = |name: &str| fs::metadata(dir.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(""), mode("findings.json")), (0o700, 0o600));
    drop(held);
    let held = Held::open(&dir).unwrap();
    assert_eq!(held.findings.findings, [finding("a", Severity::Block)]);
    assert_eq!(held.findings.schema, SCHEMA);
}

#[test]
fn what_is_damaged_is_put_aside_once_and_what_is_older_is_dropped() {
    for (text, damaged) in [
        ("{", true),
        ("{}", true),
        (r#"{"schema":9,"checked":null,"findings":[]}"#, true),
        (
            r#"{"schema":1,"checked":7,"findings":[{"other":1}]}"#,
            false,
        ),
    ] {
        let (_parent, dir) = store();
        drop(Held::open(&dir).unwrap());
        let file = dir.join("findings.json");
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let held = Held::open(&dir).unwrap();
        assert_eq!(held.findings, Findings::default());
        let aside = held.damaged.as_ref().map(|damaged| &damaged.aside);
        assert_eq!(aside.is_some(), damaged, "{text}");
        if let Some(aside) = aside {
            assert_eq!(fs::read_to_string(aside).unwrap(), text);
            drop(held);
            assert!(Held::open(&dir).unwrap().damaged.is_none());
        }
    }
}

#[test]
fn what_others_could_have_written_is_not_believed() {
    let (parent, dir) = store();
    let mut held = Held::open(&dir).unwrap();
    held.findings.add(vec![finding("a", Severity::Block)]);
    held.keep().unwrap();
    drop(held);
    // A link is put aside as a link; where it leads nothing is changed.
    let elsewhere = parent.path().join("elsewhere");
    fs::rename(dir.join("findings.json"), &elsewhere).unwrap();
    symlink(&elsewhere, dir.join("findings.json")).unwrap();
    let mut held = Held::open(&dir).unwrap();
    assert!(held.damaged.is_some());
    assert_eq!(held.findings, Findings::default());
    held.keep().unwrap();
    assert!(fs::read_to_string(&elsewhere).unwrap().contains("vmlinuz"));
    drop(held);
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o777)).unwrap();
    assert!(matches!(Held::open(&dir), Err(Error::Refused(_))));
}

#[test]
fn one_at_a_time() {
    let (_parent, dir) = store();
    drop(Held::open(&dir).unwrap());
    thread::scope(|scope| {
        for index in 0..8 {
            let dir = &dir;
            scope.spawn(move || {
                let mut held = Held::open(dir).unwrap();
                let name = format!("m{index}");
                held.findings.add(vec![finding(&name, Severity::Warn)]);
                held.keep().unwrap();
            });
        }
    });
    let held = Held::open(&dir).unwrap();
    assert_eq!(held.findings.findings.len(), 8);
    assert!(matches!(Held::open(&dir), Err(Error::Busy)));
}

#[test]
fn the_same_finding_keeps_the_time_of_the_first() {
    let mut findings = standing(vec![finding("a", Severity::Warn)]);
    let later = Finding {
        since: 200,
        client: "dnf".into(),
        severity: Severity::Block,
        ..finding("a", Severity::Warn)
    };
    findings.add(vec![later.clone()]);
    assert_eq!(findings.findings.len(), 1);
    let only = &findings.findings[0];
    assert_eq!((only.since, only.severity), (100, Severity::Block));
    let other = Finding {
        verdict: Kind::BtfWrong,
        ..later.clone()
    };
    findings.add(vec![other]);
    assert_eq!(findings.findings[0].since, 200);
    let running = FindingKernel {
        target: Target::Running,
        ..later.kernel.clone()
    };
    findings.add(vec![Finding {
        kernel: running,
        ..later
    }]);
    assert_eq!(findings.findings.len(), 2);
}

#[test]
fn more_than_can_be_kept_is_left_out() {
    let mut findings = standing(Vec::new());
    let one = |index: usize| finding(&format!("a{index}"), Severity::Warn);
    findings.add((0..MAX_FINDINGS).map(one).collect());
    assert_eq!(findings.findings.len(), MAX_FINDINGS);
    findings.add(vec![finding("b", Severity::Warn)]);
    assert_eq!(findings.findings.len(), MAX_FINDINGS);
}

#[test]
fn an_answer_becomes_findings() {
    let kernels = vec![kernel(0, Target::Running), kernel(1, Target::NextBoot)];
    let verdict = |kernel: usize, verdict| VerdictEntry {
        kernel,
        ..judged(&kernels[1], verdict)
    };
    let refused = || Verdict::Refused(misfit("x"));
    let mut old = verdict(0, refused());
    old.set_preexisting();
    let clue = Mismatch::Length {
        built_for: 1,
        here: 2,
    };
    let evidence = vec![Evidence { clue, count: 1 }];
    let wrong = verdict(1, Verdict::BtfWrong { evidence });
    let unknown = Verdict::Unknown {
        why: Unknown::NoBaseBtf,
    };
    let mut used = module("a", vec![old, wrong, verdict(7, refused())]);
    used.used_by_host.push("loaded".into());
    let mut relative = module("b", vec![verdict(1, refused())]);
    relative.path = "b.ko".into();
    let modules = vec![used, relative, module("c", vec![verdict(1, unknown)])];
    let report = assemble(kernels, modules, Vec::new(), Mode::Block);
    let report = serde_json::from_value(serde_json::to_value(report).unwrap()).unwrap();
    let origin = FindingOrigin {
        time: 9,
        client: "dnf",
        boot: Some("this"),
    };
    let findings = super::findings(&report, origin);
    assert_eq!(findings.len(), 2, "{findings:?}");
    assert_eq!(findings[0].kernel.boot.as_deref(), Some("this"));
    assert_eq!(findings[0].log.as_deref(), Some("[114893] STRUCT x_block"));
    assert_eq!(findings[0].errno, Some(-22));
    assert_eq!(findings[1].kernel.boot, None);
    assert_eq!(findings[1].kernel.base.as_deref(), Some(&*"5".repeat(64)));
    let odd = "its strings continue a base with 1 bytes of strings, not 2";
    assert_eq!(findings[1].log.as_deref(), Some(odd));
    assert_eq!((findings[1].since, &*findings[1].client), (9, "dnf"));
    assert_eq!(findings[1].used_by_host, ["loaded"]);
}

#[test]
fn in_text() {
    let mut needed = finding("xfs", Severity::Block);
    needed.used_by_host.push("root file system".into());
    let findings = standing(vec![finding("a", Severity::Block), needed]);
    assert_eq!(
        anstream::adapter::strip_str(&standing_text(&findings, 7300)).to_string(),
        "error: 2 modules will not load on kernel 6.1 (/boot/vmlinuz-6.1)\n  \
           modules: xfs, a\n  \
           needed by this machine: xfs (root file system)\n  \
           xfs: [7] STRUCT x\n  \
           found 2 hours ago, by rpm\n\
         help: btf-guard check --kernel all tells why, and what to do; all was checked 1 hour ago\n"
    );
    assert_eq!(findings.decision(), Decision::Block);
    let nothing = standing(Vec::new());
    assert_eq!(
        anstream::adapter::strip_str(&standing_text(&nothing, 1001)).to_string(),
        "ok: no finding stands; all was checked 1 second ago\n"
    );
    assert_eq!(nothing.decision(), Decision::Allow);
}

#[test]
fn for_those_who_log_in() {
    assert_eq!(motd_text(&standing(Vec::new())), "");
    let quiet = standing(vec![finding("a", Severity::Info)]);
    assert_eq!(motd_text(&quiet), "");
    let on = |release: &str| {
        let mut finding = finding("a\u{1b}[2J", Severity::Warn);
        finding.kernel.release = Some(release.into());
        finding.used_by_host.push("loaded".into());
        finding
    };
    let releases = ["6.1", "6.2", "6.3", "6.4", "6.5"];
    let many = standing(releases.map(on).to_vec());
    let text = motd_text(&many);
    assert_eq!(text.lines().count(), 4, "{text}");
    assert!(!text.contains('\u{1b}'), "{text:?}");
    let last = "btf-guard: 2 findings more; 'btf-guard status', as root, tells more\n";
    assert!(text.ends_with(last), "{text}");
}

#[test]
fn as_metrics() {
    let mut odd = finding("b", Severity::Warn);
    odd.kernel.release = Some("6\\1\"\n".into());
    let findings = standing(vec![
        finding("a", Severity::Block),
        finding("c", Severity::Block),
        odd,
        finding("d", Severity::Info),
    ]);
    let counts = MetricCounts::of_standing(&findings);
    let text = prometheus_text(&counts);
    let samples: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(
        samples,
        [
            r#"btf_guard_findings{release="6.1",target="boot",verdict="refused",severity="block"} 2"#,
            r#"btf_guard_findings{release="6\\1\"\n",target="boot",verdict="refused",severity="warn"} 1"#,
            "btf_guard_last_check_success 1",
            "btf_guard_last_check_timestamp_seconds 1000",
        ]
    );
}

#[test]
fn what_is_published_follows_no_link() {
    let parent = tempfile::tempdir().unwrap();
    let parent = parent.path().canonicalize().unwrap();
    let dir = parent.join("textfile");
    fs::create_dir(&dir).unwrap();
    publish(&dir, "a.prom", b"one").unwrap();
    publish(&dir, "a.prom", b"two").unwrap();
    assert_eq!(fs::read_to_string(dir.join("a.prom")).unwrap(), "two");
    let mode = fs::metadata(dir.join("a.prom"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o644);
    withdraw(&dir, "a.prom").unwrap();
    withdraw(&dir, "a.prom").unwrap();
    assert!(!dir.join("a.prom").exists());
    let link = parent.join("link");
    symlink(&dir, &link).unwrap();
    publish(&link, "a.prom", b"x").unwrap_err();
    publish(&link.join("../textfile"), "a.prom", b"x").unwrap_err();
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 0);
    publish(Path::new("/nonexistent"), "a.prom", b"x").unwrap_err();
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! Asks every caller about one root, and compares the answers.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::fs;
use std::path::Path;

use btf_guard_protocol::plan::{Plan, Stage};
use btf_guard_tests::bootable::pair;
use serde_json::Value;

use crate::answers::{Answer, Callers, Told};
use crate::by_design as design;
use crate::laid_out::LaidOutRoot;
use crate::reinstall::Reinstalled;

/// What came of one root.
#[derive(Debug, Default)]
pub(crate) struct Compared {
    pub(crate) differences: Vec<String>,
    /// The kinds of what was found.
    pub(crate) kinds: BTreeSet<String>,
}

impl Compared {
    fn same<T: PartialEq + Debug>(&mut self, what: &str, expected: &T, found: &T) {
        if expected != found {
            let text = format!("  {what}: not {expected:?}, but {found:?}");
            self.differences.push(text);
        }
    }

    fn same_set<T: Ord + Debug>(
        &mut self,
        what: &str,
        expected: &BTreeSet<T>,
        found: &BTreeSet<T>,
    ) {
        for missing in expected.difference(found) {
            let text = format!("  {what}: is missing: {missing:?}");
            self.differences.push(text);
        }
        for more in found.difference(expected) {
            let text = format!("  {what}: has more: {more:?}");
            self.differences.push(text);
        }
    }
}

/// Asks every caller about a root.
pub(crate) fn compare(root: &LaidOutRoot, cache: &Path) -> Compared {
    let path = fs::canonicalize(root.files.at("")).unwrap();
    let callers = Callers::new(&path, cache);
    let check = callers.check(&["--kernel", "all"]);
    let mut compared = Compared {
        kinds: check.told.iter().map(|told| told.kind.clone()).collect(),
        ..Compared::default()
    };
    let list = callers.kernels();
    other_checks(&callers, &check, &mut compared);
    status(&callers, &check, &mut compared);
    afterwards(&callers, &check, &list, &mut compared);
    before(root, &callers, &check, &mut compared);
    kernels(&callers, &check, &list, &mut compared);
    compared
}

/// Another root's kernels are all of them without a word; those of a release are named.
fn other_checks(callers: &Callers<'_>, check: &Answer, compared: &mut Compared) {
    let plain = callers.check(&[]);
    compared.same("check", &check.code, &plain.code);
    compared.same("check", &check.json, &plain.json);

    let named = callers.check(&["--kernel", &pair().release]);
    let (expected, found) = design::of_named_kernels(check, &named);
    compared.same_set("check --kernel REL", &expected, &found);
}

fn status(callers: &Callers<'_>, check: &Answer, compared: &mut Compared) {
    let expected = design::told_by_status(check);
    for words in [&["--rescan"][..], &[]] {
        let status = callers.status(words);
        let what = format!("status {words:?}");
        compared.same(&format!("{what}, exit code"), &check.code, &status.code);
        compared.same_set(&what, &expected, &status.told);
        if check.code != 3 {
            compared.same(&what, &check.decision, &status.decision);
        }
    }
    let (code, metrics) = callers.text(&["status", "--format", "prometheus"]);
    compared.same("status as metrics, exit code", &check.code, &code);
    let samples = metrics
        .lines()
        .filter(|line| line.starts_with("btf_guard_findings{"));
    let counts = samples.filter_map(|line| line.rsplit_once(' ')?.1.parse::<usize>().ok());
    compared.same("status as metrics", &expected.len(), &counts.sum());
    let (code, lines) = callers.text(&["status", "--motd"]);
    compared.same("status --motd, exit code", &check.code, &code);
    compared.same("status --motd", &expected.is_empty(), &lines.is_empty());
}

/// What kernel-install, dkms and dnf have asked when they are done.
fn afterwards(callers: &Callers<'_>, check: &Answer, list: &Answer, compared: &mut Compared) {
    let plan = callers.plan(Stage::None);
    let release = Some(pair().release.clone());
    let of_release = Plan {
        release: release.clone(),
        ..plan.clone()
    };
    let since = Plan {
        stage: Stage::Post,
        since: Some(1),
        ..plan.clone()
    };
    for (what, plan) in [
        ("without a transaction", &plan),
        ("of a release", &of_release),
        ("since long ago", &since),
    ] {
        let judged = callers.judge(plan, None);
        let release = plan.release.as_deref();
        let expected = design::told_afterwards(check, release);
        compared.same_set(&format!("judge {what}"), &expected, &judged.told);
        let decision = design::decision_afterwards(&expected);
        compared.same(&format!("judge {what}"), &decision, &judged.decision);
        compared.same(&format!("judge {what}"), &0, &judged.code);
        let errors = design::errors_afterwards(check, list, release);
        compared.same_set(&format!("judge {what}, errors"), &errors, &judged.errors);
    }
}

/// Before a transaction that changes nothing, and before one that changes nothing though
/// it installs a kernel: once more.
fn before(root: &LaidOutRoot, callers: &Callers<'_>, check: &Answer, compared: &mut Compared) {
    let none = callers.judge(&callers.plan(Stage::Pre), None);
    compared.same_set("judge before nothing", &BTreeSet::new(), &none.told);
    compared.same_set("judge before nothing", &BTreeSet::new(), &none.errors);

    let Some(package) = Reinstalled::build(root, &callers.aside()) else {
        return;
    };
    let plan = Plan {
        elements: package.elements,
        mode: None,
        ..callers.plan(Stage::Pre)
    };
    let judged = callers.judge(&plan, Some(&package.file));
    let (expected, found) = design::of_own_package(check, &judged);
    compared.same_set("judge before a reinstallation", &expected, &found);
    compared.same(
        "judge blocks a reinstallation",
        &design::blocks_again(check, &judged),
        &(judged.decision == "block"),
    );

    // What was told before is not told once more.
    let keys = judged.json["keys"].as_array().cloned().unwrap_or_default();
    let keys = keys.iter().filter_map(Value::as_str).map(str::to_owned);
    let plan = Plan {
        reported_keys: keys.collect(),
        ..callers.plan(Stage::None)
    };
    let after = callers.judge(&plan, None);
    let told: BTreeSet<Told> = design::told_again(&judged, &after);
    compared.same_set("told before and after", &BTreeSet::new(), &told);
}

/// What the list says is wrong with a kernel is a finding, and the other way round.
fn kernels(callers: &Callers<'_>, check: &Answer, list: &Answer, compared: &mut Compared) {
    let (expected, found) = design::broken_images(check, list);
    compared.same_set("kernels, errors", &expected, &found);
    let listed = list.json["kernels"].as_array().cloned().unwrap_or_default();
    for kernel in listed.iter().filter(|kernel| kernel["role"] != "foreign") {
        let source = callers.inside(&kernel["source"]);
        let Some(entry) = design::kernel_with(check, callers, &source) else {
            compared.same("kernels, not in check", &String::new(), &source);
            continue;
        };
        let others = design::listed_as(&listed, callers, entry);
        let heaviest = others.iter().map(|kernel| role(kernel)).max();
        compared.same(&format!("role of {source}"), &heaviest, &Some(role(entry)));
        let is_stale = others.iter().any(|kernel| !kernel["stale"].is_null());
        let has_finding = design::is_told_stale(check, entry);
        compared.same(&format!("{source} is stale"), &is_stale, &has_finding);
    }
}

/// The lightest first.
fn role(kernel: &Value) -> usize {
    let roles = [
        "foreign", "unlisted", "rescue", "entry", "default", "running",
    ];
    let named = kernel["role"].as_str().unwrap_or_default();
    roles
        .iter()
        .position(|role| *role == named)
        .unwrap_or(roles.len())
}

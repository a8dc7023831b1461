// SPDX-License-Identifier: GPL-2.0-or-later
//! What a run comes to, for people.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::cases::Family;

/// How the cases of one family, or of one kernel, came out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Put to the kernel and compared.
    pub(crate) compared: usize,
    pub(crate) same_verdict: usize,
    pub(crate) same_errno: usize,
    pub(crate) same_log: usize,
    /// The loader stopped before BTF.
    pub(crate) not_reached: usize,
    /// Verdict `unknown`, or cause `kernel-bug`.
    pub(crate) open: usize,
    /// Of those that were compared: accepted with BTF, and refused or discarded.
    pub(crate) accepted: usize,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Self) {
        self.compared += other.compared;
        self.same_verdict += other.same_verdict;
        self.same_errno += other.same_errno;
        self.same_log += other.same_log;
        self.not_reached += other.not_reached;
        self.open += other.open;
        self.accepted += other.accepted;
    }

    pub(crate) fn cases(&self) -> usize {
        self.compared + self.not_reached + self.open
    }
}

/// One kernel's run.
pub(crate) struct KernelReport {
    pub(crate) release: String,
    pub(crate) enforces: bool,
    pub(crate) families: BTreeMap<Family, Tally>,
    /// As-is modules that were compared, and of those the ones of which the carrier fared alike.
    pub(crate) twins: (usize, usize),
    /// What the kernel did where the verdict leaves it open, and how often.
    pub(crate) open: BTreeMap<String, usize>,
    pub(crate) seconds: f64,
    pub(crate) differences: Vec<String>,
}

impl KernelReport {
    pub(crate) fn total(&self) -> Tally {
        let mut total = Tally::default();
        self.families.values().for_each(|tally| total.add(*tally));
        total
    }

    /// Is everything as we said?
    pub(crate) fn agrees(&self) -> bool {
        self.differences.is_empty()
    }
}

/// All of a run, as Markdown.
pub(crate) fn markdown(reports: &[KernelReport]) -> String {
    let mut out = String::from(
        "| kernel | enforces | cases | compared | same verdict | same errno | same log | \
         symbols first | left open | carrier = module | cases/s |\n\
         |---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for report in reports {
        let t = report.total();
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} of {} | {:.0} |",
            report.release,
            if report.enforces { "yes" } else { "no" },
            t.cases(),
            t.compared,
            t.same_verdict,
            t.same_errno,
            t.same_log,
            t.not_reached,
            t.open,
            report.twins.1,
            report.twins.0,
            t.cases() as f64 / report.seconds.max(0.001)
        );
    }
    out.push_str("\n| family | cases | compared | accepted with BTF | all three equal | left open |\n|---|---|---|---|---|---|\n");
    for (family, _) in Family::ALL {
        let mut all = Tally::default();
        for report in reports {
            report
                .families
                .get(&family)
                .into_iter()
                .for_each(|t| all.add(*t));
        }
        let equal = all.same_verdict.min(all.same_errno).min(all.same_log);
        let _ = writeln!(
            out,
            "| {family} | {} | {} | {} | {equal} | {} |",
            all.cases(),
            all.compared,
            all.accepted,
            all.open
        );
    }
    let mut open: BTreeMap<&str, usize> = BTreeMap::new();
    for (what, count) in reports.iter().flat_map(|report| &report.open) {
        *open.entry(what).or_default() += count;
    }
    if !open.is_empty() {
        out.push_str("\n| left open: what the kernel did | times |\n|---|---|\n");
        for (what, count) in open {
            let _ = writeln!(out, "| {what} | {count} |");
        }
    }
    out
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! One verdict beside one answer of the kernel.

use crate::guard::Verdict;
use crate::table::Answer;

/// How far they agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Each of the three is as we said.
    Compared(Agreement),
    /// The loader stopped before BTF, over what we do not judge (symbols).
    NotReached,
    /// We had said that it cannot be known.
    Open,
    /// The log was longer than what the kernel keeps.
    Lost,
}

/// What of a verdict is as the kernel says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Agreement {
    pub(crate) verdict: bool,
    pub(crate) errno: bool,
    pub(crate) log: bool,
}

impl Agreement {
    pub(crate) fn whole(self) -> bool {
        self.verdict && self.errno && self.log
    }
}

/// What becomes of a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It loads, and the kernel shows its BTF.
    Typed,
    /// It loads without.
    Untyped,
    /// It does not load.
    Refused,
}

/// Lines of a log that are not about BTF: what the kernel says once of any
/// module that is not signed, or not of its own tree.
const ASIDE: [&str; 4] = [
    "module verification failed",
    "loading out-of-tree module taints kernel",
    "Kernel module BTF mismatch detected",
    "module license",
];

/// Beginnings of what the kernel says of itself at any time, whatever is loaded.
const ANY_TIME: [&str; 12] = [
    "clocksource: ",
    "tsc: ",
    "TSC found unstable",
    "sched_clock: ",
    "random: ",
    "hrtimer: ",
    "perf: ",
    "sched: ",
    "workqueue: ",
    "rcu: ",
    "watchdog: ",
    "input: ",
];

/// What the loader says when it stops before BTF.
const BEFORE: [&str; 4] = [
    "Unknown symbol",
    "disagrees about version of symbol",
    "version magic",
    "no symbol version for",
];

/// `EEXIST` of asm-generic/errno-base.h.
const EEXIST: i32 = 17;

/// Beginnings of what the relocation of a distilled base says, which has no prefix.
const RELOCATION: [&str; 4] = [
    "distilled base BTF type",
    "string '",
    "type [",
    "split BTF ",
];

/// The lines of a log that a verdict repeats, in its form, and the errno of the
/// line that ends a refusal.
fn about_btf(log: &[String], carried: bool) -> (Vec<String>, Option<i32>) {
    let mut lines = Vec::new();
    let mut failed = None;
    for line in log {
        let text = if let Some(rest) = line.strip_prefix("failed to validate module [") {
            failed = rest
                .split("BTF: ")
                .nth(1)
                .and_then(|errno| errno.trim().parse().ok());
            continue;
        } else if let Some(text) = line.strip_prefix("BPF:") {
            text.strip_prefix(' ').unwrap_or(text)
        } else if ASIDE.iter().any(|aside| line.contains(aside))
            || ANY_TIME.iter().any(|begin| line.starts_with(begin))
        {
            continue;
        } else if carried || RELOCATION.iter().any(|begin| line.starts_with(begin)) {
            // A carrier's init says nothing, so all that is left is to be explained.
            line
        } else {
            continue;
        };
        let text = text.trim_end_matches(' ');
        if !text.is_empty() {
            lines.push(text.to_owned());
        }
    }
    (lines, failed)
}

/// A log as a report has it: of more than 64 lines the first and the last 32.
fn shortened(mut lines: Vec<String>) -> Vec<String> {
    const KEPT: usize = 64;
    if lines.len() > KEPT {
        let gap = format!("({} lines left out)", lines.len() - KEPT);
        lines.splice(KEPT / 2..lines.len() - KEPT / 2, [gap]);
    }
    lines
}

/// Holds `verdict` against `answer`, on a kernel that `enforces` BTF. `carried`:
/// the module is a carrier, whose own init succeeds in silence; any other's may
/// fail, and that is not the loader's doing.
pub(crate) fn compare(
    verdict: &Verdict,
    answer: &Answer,
    carried: bool,
    enforces: bool,
) -> Outcome {
    if answer.lost {
        return Outcome::Lost;
    }
    if verdict.is_open() {
        return Outcome::Open;
    }
    let (lines, failed) = about_btf(&answer.log, carried);
    // A module of that name is loaded and would not go.
    if !carried && answer.errno == EEXIST {
        return Outcome::NotReached;
    }
    let stopped = |line: &String| BEFORE.iter().any(|word| line.contains(word));
    let own_failure = !carried && answer.errno != 0 && !(enforces && failed.is_some());
    // A module whose init fails is gone, and with it the sign that its BTF was
    // discarded.
    if own_failure && (!enforces || answer.log.iter().any(stopped)) {
        return Outcome::NotReached;
    }
    let (fate, errno) = match (answer.errno, answer.btf) {
        // Init comes after BTF, so that was accepted.
        _ if own_failure => (Fate::Typed, 0),
        (0, Some(_)) => (Fate::Typed, 0),
        (0, None) => (Fate::Untyped, 0),
        (errno, _) => (Fate::Refused, -errno),
    };
    let (said, said_errno) = match verdict.verdict.as_str() {
        "loads" | "btf-wrong" => (Fate::Typed, 0),
        "loads-no-btf" | "btf-discarded" => (Fate::Untyped, 0),
        _ => (Fate::Refused, verdict.errno.unwrap_or(0)),
    };
    // The line that ends a log names the errno as well, whether or not it counts.
    let ends = match (fate, failed) {
        (Fate::Refused, failed) => failed == verdict.errno,
        (_, None) => true,
        (_, failed) => failed == verdict.errno,
    };
    Outcome::Compared(Agreement {
        verdict: fate == said,
        errno: errno == said_errno && ends,
        log: shortened(lines) == verdict.log,
    })
}

/// Did the kernel treat a module and its carrier alike, as far as BTF goes?
pub(crate) fn alike(as_is: &Answer, carried: &Answer, enforces: bool) -> bool {
    let (lines, failed) = about_btf(&as_is.log, false);
    let refused = enforces && failed.is_some();
    let shown = |answer: &Answer| answer.btf.is_some();
    // A module whose own init failed shows nothing, whatever its BTF was.
    let same_fate = (as_is.errno != 0 && !refused) || shown(as_is) == shown(carried);
    same_fate && (lines, failed) == about_btf(&carried.log, true)
}

/// What the kernel did, for people.
pub(crate) fn told(answer: &Answer) -> String {
    let btf = answer
        .btf
        .map_or("no BTF".to_owned(), |bytes| format!("{bytes} bytes of BTF"));
    format!("errno {}, {btf}, log {:?}", -answer.errno, answer.log)
}

#[cfg(test)]
mod tests;

//! What belongs together in a report: the same thing happening to many modules.

use std::collections::BTreeMap;

use super::{Kind, ModuleEntry, Report, VerdictEntry};
use crate::policy::Severity;
use crate::verdict::Cause;

/// One kernel's same verdict on a number of modules, for the same cause: those
/// of one initrd, or all others.
pub(super) struct Finding<'a> {
    /// The kernel's id.
    pub(super) kernel: usize,
    pub(super) kind: Kind,
    pub(super) cause: Option<Cause>,
    /// The initrd that they are in.
    pub(super) initrd: Option<&'a str>,
    pub(super) severity: Severity,
    /// It was so before the transaction.
    pub(super) before: bool,
    /// The modules by the kernel's complaint: first those with modules that this
    /// machine needs, then the most frequent.
    pub(super) groups: Vec<Vec<Case<'a>>>,
}

/// One module's share in a finding.
#[derive(Clone, Copy)]
pub(super) struct Case<'a> {
    pub(super) module: &'a ModuleEntry,
    pub(super) verdict: &'a VerdictEntry,
}

impl<'a> Finding<'a> {
    /// All cases, in the order of the groups.
    pub(super) fn cases(&self) -> impl Iterator<Item = Case<'a>> {
        self.groups.iter().flatten().copied()
    }

    pub(super) fn count(&self) -> usize {
        self.groups.iter().map(Vec::len).sum()
    }

    /// The modules that this machine needs, and the first reason.
    pub(super) fn needed(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.cases().filter_map(|case| {
            let reason = case.module.needed.first()?;
            Some((case.module.name.as_str(), reason.as_str()))
        })
    }

    /// The first case of the first group.
    pub(super) fn first(&self) -> Option<Case<'a>> {
        self.cases().next()
    }
}

/// The findings of a report, the worst first; what simply loads is none.
pub(super) fn findings(report: &Report) -> Vec<Finding<'_>> {
    type Key<'a> = (
        std::cmp::Reverse<Severity>,
        bool,
        usize,
        Kind,
        Option<Cause>,
        Option<&'a str>,
    );
    let mut found: BTreeMap<Key<'_>, BTreeMap<String, Vec<Case<'_>>>> = BTreeMap::new();
    for module in &report.modules {
        for verdict in &module.verdicts {
            if matches!(verdict.verdict, Kind::Loads | Kind::LoadsNoBtf) {
                continue;
            }
            let key = (
                std::cmp::Reverse(verdict.severity),
                verdict.before,
                verdict.kernel,
                verdict.verdict,
                verdict.refusal.as_ref().map(|refusal| refusal.cause),
                module.initrd.as_deref(),
            );
            let groups = found.entry(key).or_default();
            let group = groups.entry(complaint(verdict)).or_default();
            group.push(Case { module, verdict });
        }
    }
    let mut findings = Vec::new();
    for ((severity, before, kernel, kind, cause, initrd), groups) in found {
        let mut groups: Vec<_> = groups.into_values().collect();
        for group in &mut groups {
            group.sort_by_key(|case| case.module.needed.is_empty());
        }
        groups.sort_by_key(|group| (needs_none(group), std::cmp::Reverse(group.len())));
        findings.push(Finding {
            kernel,
            kind,
            cause,
            initrd,
            severity: severity.0,
            before,
            groups,
        });
    }
    // Within a severity: what was so before stays behind what was not.
    findings.sort_by_key(|finding| {
        let severity = std::cmp::Reverse(finding.severity);
        (severity, finding.before, finding.needed().next().is_none())
    });
    findings
}

/// Is no module of these needed?
fn needs_none(group: &[Case<'_>]) -> bool {
    group.iter().all(|case| case.module.needed.is_empty())
}

/// The shape of what the kernel says: two modules with the same complaint get
/// the same text, whatever their names and numbers are.
fn complaint(verdict: &VerdictEntry) -> String {
    let Some(refusal) = &verdict.refusal else {
        if verdict.verdict == Kind::BtfWrong {
            return verdict.class.to_owned();
        }
        return verdict.why.clone().unwrap_or_default();
    };
    let last = refusal.log.last().map(|line| shape(line));
    format!("{:?} {}", refusal.errno, last.unwrap_or_default())
}

/// A line of a kernel's log without names and numbers.
fn shape(line: &str) -> String {
    let mut quoted = false;
    let mut words = Vec::new();
    for word in line.split_whitespace() {
        let quotes = word.matches('\'').count();
        let word = match word.split_once(['=', ':']) {
            _ if quoted || quotes > 0 => "'…'".to_owned(),
            Some((key, _)) => format!("{key}=#"),
            None if word.contains(|c: char| c.is_ascii_digit()) => "#".to_owned(),
            None => word.to_owned(),
        };
        quoted ^= quotes % 2 == 1;
        if words.last() != Some(&word) || word != "'…'" {
            words.push(word);
        }
    }
    // A member's line starts with the member's name.
    if words
        .get(1)
        .is_some_and(|word| word.starts_with("type_id="))
    {
        words.remove(0);
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_do_not_part_what_belongs_together() {
        for (line, expected) in [
            ("Invalid name", "Invalid name"),
            ("Invalid btf_info:1f0000", "Invalid btf_info=#"),
            (
                "hwrng type_id=242 bits_offset=64",
                "type_id=# bits_offset=#",
            ),
            (
                "distilled base BTF type 'hwrng' [242] is not mapped to base BTF id",
                "distilled base BTF type '…' # is not mapped to base BTF id",
            ),
            (
                "string 'a b c' [offset 12] is not mapped",
                "string '…' [offset # is not mapped",
            ),
            ("[1] Invalid kind:23", "# Invalid kind=#"),
        ] {
            assert_eq!(shape(line), expected);
        }
    }
}

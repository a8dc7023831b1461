//! Verdicts in a report.

use serde::Serialize;

use crate::kernel::Moment;
use crate::policy::{self, Severity};
use crate::verdict::{Cause, Judgement, Kind, NoBtf, Refusal, Verdict};

/// One verdict of a report.
#[derive(Debug, Clone, Serialize)]
pub struct VerdictEntry {
    /// The kernel's id.
    pub kernel: usize,
    /// The verdict, by name.
    pub verdict: Kind,
    /// Of a refusal, or of BTF that is discarded.
    #[serde(flatten)]
    pub refusal: Option<RefusalEntry>,
    /// Why nothing else can be said, why there are no types, or why they are
    /// wrong, in one line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// What shows that the BTF belongs to another base, a line each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
    /// The class of the first evidence.
    #[serde(skip)]
    pub(crate) class: &'static str,
    /// What was taken to be the kernel's default.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub assumed: Vec<&'static str>,
    /// What the verdict alone does not say.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// How bad it is.
    pub severity: Severity,
    /// The most that it can be, whatever the policy says.
    #[serde(skip)]
    pub(crate) most: Severity,
    /// The rule or override that its severity comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// It was as bad before the transaction that is judged.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub before: bool,
}

/// A refusal as the kernel states it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RefusalEntry {
    /// Which of the loader's checks fails first.
    pub cause: Cause,
    /// The negative errno; `null` where a bug keeps the kernel from returning one.
    pub errno: Option<i32>,
    /// What the kernel logs.
    pub log: Vec<String>,
}

impl VerdictEntry {
    /// The entry of a judgement by the kernel `id`, rated by the default policy.
    pub fn new(id: usize, moment: Moment, judgement: Judgement) -> Self {
        let severity = policy::severity(&judgement, moment);
        let stated = |Refusal { cause, errno, log }| {
            let errno = (errno != 0).then_some(errno);
            Some(RefusalEntry { cause, errno, log })
        };
        let (mut evidence, mut class) = (Vec::new(), "");
        let (verdict, refusal, why) = match judgement.verdict {
            Verdict::Loads => (Kind::Loads, None, None),
            Verdict::LoadsNoBtf { why } => (Kind::LoadsNoBtf, None, Some(no_btf(why).to_owned())),
            Verdict::BtfDiscarded(refusal) => (Kind::BtfDiscarded, stated(refusal), None),
            Verdict::BtfWrong { evidence: found } => {
                evidence = found.iter().map(ToString::to_string).collect();
                class = found.first().map_or("", |first| first.clue.class());
                (Kind::BtfWrong, None, evidence.first().cloned())
            }
            Verdict::Refused(refusal) => (Kind::Refused, stated(refusal), None),
            Verdict::Missing => (Kind::Missing, None, None),
            Verdict::Unknown { why } => (Kind::Unknown, None, Some(why)),
        };
        Self {
            kernel: id,
            verdict,
            refusal,
            why,
            evidence,
            class,
            assumed: judgement.assumed,
            notes: judgement.notes,
            severity,
            most: Severity::Block,
            rule: None,
            before: false,
        }
    }

    /// Marks what the transaction did not bring about: worth knowing, no more.
    pub fn set_preexisting(&mut self) {
        self.before = true;
        self.cap(Severity::Info);
    }

    /// Makes it this bad at most, by whatever policy.
    pub fn cap(&mut self, most: Severity) {
        self.most = self.most.min(most);
        self.severity = self.severity.min(most);
    }

    /// Marks what the transaction may not have brought about: a guess never
    /// blocks. `why` is what could not be read.
    pub fn set_maybe_preexisting(&mut self, why: &str) {
        self.cap(Severity::Warn);
        let note = format!("whether it was so before this transaction is not known: {why}");
        self.notes.push(note);
    }
}

fn no_btf(why: NoBtf) -> &'static str {
    match why {
        NoBtf::Absent => "the module has no BTF",
        NoBtf::Unsupported => "the kernel ignores modules' BTF",
    }
}

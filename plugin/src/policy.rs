//! Verdicts and the admin's wishes → a decision.

use serde::{Deserialize, Serialize};

use crate::kernel::Moment;
use crate::verdict::{Judgement, Verdict};

/// What the admin asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Say nothing, do nothing.
    Off,
    /// Never block.
    Warn,
    /// Block where the policy says so (the default).
    Block,
}

/// What becomes of a transaction, or the outcome of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// Nothing at warn or above.
    Allow,
    /// At least one finding at warn.
    Warn,
    /// At least one finding at block.
    Block,
}

/// How bad a verdict is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing to say.
    None,
    /// Worth knowing.
    Info,
    /// A finding.
    Warn,
    /// A finding that may stop a transaction.
    Block,
}

/// Something that made an outcome another than the policy alone says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    /// What it was.
    pub source: Source,
    /// Which one, of rules and tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Why, in the words of whoever made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Override {
    /// One that has neither a name nor a reason.
    pub fn of(source: Source) -> Self {
        Self {
            source,
            id: None,
            reason: None,
        }
    }
}

/// Where an [`Override`] comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// `mode` of the configuration.
    Configuration,
    /// A rule of the configuration.
    Rule,
    /// The rpm macro `%_btf_guard`.
    Macro,
    /// The kernel command line.
    CommandLine,
    /// The environment's `BTF_GUARD`.
    Environment,
    /// `btf-guard allow` or `deny`, until it ends or is revoked.
    Standing,
    /// The same, for one transaction.
    OneShot,
}

/// The severity of a judgement by the default policy.
///
/// What only lasts until the reboot warns: it must not keep a machine from its
/// security update. What would still be broken after the reboot blocks. A guess
/// never blocks.
pub fn severity(judgement: &Judgement, moment: Moment) -> Severity {
    let severity = match (&judgement.verdict, moment) {
        (Verdict::Loads | Verdict::LoadsNoBtf { .. }, _) => Severity::None,
        (Verdict::BtfDiscarded(_), Moment::Now) => Severity::Info,
        (Verdict::BtfDiscarded(_), Moment::Boot) => Severity::Warn,
        (Verdict::BtfWrong { .. }, _) => Severity::Warn,
        (Verdict::Refused(_) | Verdict::Missing, Moment::Now) => Severity::Warn,
        (Verdict::Refused(_) | Verdict::Missing, Moment::Boot) => Severity::Block,
        (Verdict::Unknown { .. }, _) => Severity::Info,
    };
    if judgement.assumed.is_empty() {
        severity
    } else {
        severity.min(Severity::Warn)
    }
}

/// What the worst severity comes to under `mode`.
pub fn decide(worst: Severity, mode: Mode) -> Decision {
    let asked = match worst {
        Severity::None | Severity::Info => Decision::Allow,
        Severity::Warn => Decision::Warn,
        Severity::Block => Decision::Block,
    };
    asked.min(match mode {
        Mode::Off => Decision::Allow,
        Mode::Warn => Decision::Warn,
        Mode::Block => Decision::Block,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::{Cause, Refusal};

    fn refusal() -> Refusal {
        Refusal {
            cause: Cause::Btf,
            errno: -22,
            log: Vec::new(),
        }
    }

    #[test]
    fn what_outlives_the_reboot_weighs_more() {
        for (verdict, now, boot) in [
            (Verdict::Loads, Severity::None, Severity::None),
            (
                Verdict::BtfDiscarded(refusal()),
                Severity::Info,
                Severity::Warn,
            ),
            (
                Verdict::BtfWrong {
                    evidence: Vec::new(),
                },
                Severity::Warn,
                Severity::Warn,
            ),
            (Verdict::Refused(refusal()), Severity::Warn, Severity::Block),
            (Verdict::Missing, Severity::Warn, Severity::Block),
            (
                Verdict::Unknown { why: String::new() },
                Severity::Info,
                Severity::Info,
            ),
        ] {
            let judgement = Judgement::from(verdict);
            assert_eq!(severity(&judgement, Moment::Now), now, "{judgement:?}");
            assert_eq!(severity(&judgement, Moment::Boot), boot, "{judgement:?}");
        }
    }

    #[test]
    fn a_guess_never_blocks() {
        let guess = Judgement {
            assumed: vec!["allow_mismatch"],
            ..Verdict::Refused(refusal()).into()
        };
        assert_eq!(severity(&guess, Moment::Boot), Severity::Warn);
    }

    #[test]
    fn the_mode_caps_the_decision() {
        for (worst, block, warn) in [
            (Severity::Info, Decision::Allow, Decision::Allow),
            (Severity::Warn, Decision::Warn, Decision::Warn),
            (Severity::Block, Decision::Block, Decision::Warn),
        ] {
            assert_eq!(decide(worst, Mode::Block), block);
            assert_eq!(decide(worst, Mode::Warn), warn);
            assert_eq!(decide(worst, Mode::Off), Decision::Allow);
        }
    }
}

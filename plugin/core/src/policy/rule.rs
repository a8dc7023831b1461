// SPDX-License-Identifier: GPL-2.0-or-later
//! Rules: what is said of some modules, packages or kernels alone.

use anyhow::{anyhow, ensure};
use btf_guard_protocol::override_source::{Override, OverrideSource};
use glob::Pattern;

use super::{Expiry, Severity};
use crate::kernel::Target;
use crate::module::same_name;
use crate::verdict::Kind;

/// Bytes of a pattern. The longest names of packages have some hundred.
const MAX_PATTERN: usize = 512;

/// What a rule is held against: one module before one kernel.
#[derive(Debug, Clone)]
pub struct Subject<'a> {
    /// Where the module comes from, and where the kernel does, as far as packages
    /// bring them.
    pub origins: &'a [Provenance<'a>],
    /// The module's own name; empty where a whole module directory is meant.
    pub module: &'a str,
    /// The kernel's release.
    pub release: Option<&'a str>,
    /// When the kernel matters.
    pub moment: Target,
    /// What it does with the module.
    pub verdict: Kind,
    /// The verdict rests on an assumption.
    pub guess: bool,
    /// This machine needs the module.
    pub needed: bool,
}

/// A package, and where it comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Provenance<'a> {
    /// Its name, without version and architecture.
    pub package: &'a str,
    /// Who built it, as it says itself.
    pub vendor: Option<&'a str>,
    /// The alias of the repository that it was fetched from, where that is known.
    pub repository: Option<&'a str>,
}

/// Names that are meant: any of the patterns; all, where there are none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Patterns(pub Vec<Pattern>);

impl Patterns {
    fn matches(&self, name: Option<&str>) -> bool {
        let one = |pattern: &Pattern| name.is_some_and(|name| pattern.matches(name));
        self.0.is_empty() || self.0.iter().any(one)
    }

    fn are_given(&self) -> bool {
        !self.0.is_empty()
    }
}

/// A pattern of names.
///
/// # Errors
/// Why it is none.
pub fn pattern(text: &str, of_modules: bool) -> anyhow::Result<Pattern> {
    let length = 1..=MAX_PATTERN;
    ensure!(
        length.contains(&text.len()),
        "a pattern has 1 to {MAX_PATTERN} bytes"
    );
    // Inside brackets it is a range.
    let text = match of_modules && !text.contains('[') {
        true => same_name(text),
        false => text.to_owned(),
    };
    Pattern::new(&text).map_err(|error| anyhow!("'{text}' is no pattern: {}", error.msg))
}

/// What a rule does to a severity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// This is the severity.
    Is(Severity),
    /// Nothing stops: at most a warning.
    Allow,
    /// What would warn, stops.
    Deny,
}

impl Effect {
    fn on(self, severity: Severity) -> Severity {
        match self {
            Self::Is(severity) => severity,
            Self::Allow => severity.min(Severity::Warn),
            Self::Deny if severity == Severity::Warn => Severity::Block,
            Self::Deny => severity,
        }
    }
}

/// One rule. What is not given matches everything.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// What made it, its name, and its reason.
    pub source: Override,
    /// Packages of the transaction: the module's or the kernel's.
    pub package: Patterns,
    /// Who built that package.
    pub vendor: Patterns,
    /// Where that package was fetched from.
    pub repository: Patterns,
    /// Modules; `-` in their names is `_` here.
    pub module: Patterns,
    /// Kernels, by their releases.
    pub release: Patterns,
    /// Verdicts; every one where there are none.
    pub verdicts: Vec<Kind>,
    /// When the kernel matters.
    pub moment: Option<Target>,
    /// When it ends.
    pub expires: Option<Expiry>,
    /// What it does.
    pub effect: Effect,
}

impl Rule {
    /// One that is about everything and has no end.
    pub(crate) fn new(source: Override, effect: Effect) -> Self {
        Self {
            source,
            package: Patterns::default(),
            vendor: Patterns::default(),
            repository: Patterns::default(),
            module: Patterns::default(),
            release: Patterns::default(),
            verdicts: Vec::new(),
            moment: None,
            expires: None,
            effect,
        }
    }

    /// True if it is used up by the transaction that it helps.
    pub fn is_one_shot(&self) -> bool {
        self.source.source == OverrideSource::OneShot
    }

    fn is_about(&self, subject: &Subject<'_>, now: u64) -> bool {
        let has_ended = |expiry: &Expiry| expiry.is_over(now, subject.release);
        (self.verdicts.is_empty() || self.verdicts.contains(&subject.verdict))
            && self.moment.is_none_or(|moment| moment == subject.moment)
            && !self.expires.as_ref().is_some_and(has_ended)
            && self.release.matches(subject.release)
            && self.module.matches(Some(subject.module))
            && self.is_about_package(subject.origins)
    }

    /// All that is said of packages is said of one package.
    fn is_about_package(&self, origins: &[Provenance<'_>]) -> bool {
        let (package, vendor, repository) = (&self.package, &self.vendor, &self.repository);
        let is_given = package.are_given() || vendor.are_given() || repository.are_given();
        let fits = |origin: &Provenance<'_>| {
            package.matches(Some(origin.package))
                && vendor.matches(origin.vendor)
                && repository.matches(origin.repository)
        };
        !is_given || origins.iter().any(fits)
    }

    /// The severity under this rule; `None` where it is not about the subject.
    pub(crate) fn apply(
        &self,
        subject: &Subject<'_>,
        severity: Severity,
        now: u64,
    ) -> Option<Severity> {
        let applies = self.is_about(subject, now);
        applies.then(|| self.effect.on(severity))
    }
}

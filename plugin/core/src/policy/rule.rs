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
    /// Where the module and the kernel come from, as far as packages bring them.
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

fn matches(patterns: &[Pattern], name: Option<&str>) -> bool {
    let one = |pattern: &Pattern| name.is_some_and(|name| pattern.matches(name));
    patterns.is_empty() || patterns.iter().any(one)
}

/// A pattern of names, of modules or of others.
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

/// One rule. Names are meant by any of the patterns, all where there are none; what is
/// not given matches everything.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// What made it, its name, and its reason.
    pub source: Override,
    /// Packages: the module's or the kernel's.
    pub package: Vec<Pattern>,
    /// Who built that package.
    pub vendor: Vec<Pattern>,
    /// Where that package was fetched from.
    pub repository: Vec<Pattern>,
    /// Modules; `-` in their names is `_` here.
    pub module: Vec<Pattern>,
    /// Kernels, by their releases.
    pub release: Vec<Pattern>,
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
    /// One about packages alone: these, or all where there are none.
    pub(crate) fn of_packages(source: Override, package: Vec<Pattern>, effect: Effect) -> Self {
        Self {
            source,
            package,
            vendor: Vec::new(),
            repository: Vec::new(),
            module: Vec::new(),
            release: Vec::new(),
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

    /// An override for whatever package.
    pub(crate) fn is_for_everything(&self) -> bool {
        let by_admin = [OverrideSource::Standing, OverrideSource::OneShot];
        by_admin.contains(&self.source.source) && self.package.is_empty()
    }

    fn is_about(&self, subject: &Subject<'_>, now: u64) -> bool {
        let has_ended = |expiry: &Expiry| expiry.is_over(now, subject.release);
        (self.verdicts.is_empty() || self.verdicts.contains(&subject.verdict))
            && self.moment.is_none_or(|moment| moment == subject.moment)
            && !self.expires.as_ref().is_some_and(has_ended)
            && matches(&self.release, subject.release)
            && matches(&self.module, Some(subject.module))
            && self.is_about_package(subject.origins)
    }

    /// All that is said of packages is said of one package.
    fn is_about_package(&self, origins: &[Provenance<'_>]) -> bool {
        let all = [&self.package, &self.vendor, &self.repository];
        let is_given = all.iter().any(|patterns| !patterns.is_empty());
        let fits = |origin: &Provenance<'_>| {
            matches(&self.package, Some(origin.package))
                && matches(&self.vendor, origin.vendor)
                && matches(&self.repository, origin.repository)
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

/// The override that lets pass what could not be judged, of which it is not known what it
/// is about: the nearest for whatever package, if it allows. The nearest rules come first.
pub fn lets_pass_unjudged<'r>(mut rules: impl Iterator<Item = &'r Rule>) -> Option<&'r Rule> {
    let nearest = rules.find(|rule| rule.is_for_everything());
    nearest.filter(|rule| rule.effect == Effect::Allow)
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! What a transaction's findings come to, and what made it so.

use std::collections::{BTreeMap, BTreeSet};

use btf_guard_protocol::decision::{Decision, Mode};
use btf_guard_protocol::override_source::Override;

use super::apply_policy::{Rated, Rating};
use super::{ModuleEntry, Report, VerdictEntry};
use crate::policy::{self, Effect, Rule, Severity, lets_pass_unjudged};

/// What a transaction's findings come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruling {
    /// What is to be done.
    pub decision: Decision,
    /// The file whose `on_error` stops it for what was not judged, where one does.
    pub stopped_unjudged: Option<String>,
    /// What had a part in it: without these it would be another, or its reason would be.
    pub overrides: Vec<Override>,
    /// Those of them that hold once, by their ids.
    pub once: Vec<String>,
}

impl Rating<'_> {
    /// What all that was found, and what was not judged, comes to under `mode`; `asked` is
    /// what asked for that mode.
    ///
    /// Of rules and overrides those count without which it would be another: nothing that
    /// holds once is used up for nothing. Of several that would do, the later ones; one
    /// that holds once only where no other does. What denies is named in all that it stops.
    pub fn ruling(&self, report: &Report, mode: Mode, asked: Option<Override>) -> Ruling {
        let mut ruled = RuledReport::new(self, report, mode);
        let decision = ruled.decision(mode);
        let denying = match decision {
            Decision::Block => ruled.denying(),
            Decision::Warn | Decision::Allow => BTreeSet::new(),
        };
        let would_be = ruled.decision(Mode::Block);
        let rules = &self.policy.rules;
        let is_once = |index: &usize| rules.get(*index).is_some_and(Rule::is_one_shot);
        let (once, lasting): (Vec<_>, Vec<_>) = (0..rules.len()).partition(is_once);
        for rule in once.into_iter().chain(lasting) {
            ruled.leave_out_if_idle(rule, decision);
        }
        let mut overrides = Vec::new();
        let mut once = Vec::new();
        for (index, rule) in rules.iter().enumerate() {
            if ruled.has_part(index) {
                once.extend(rule.source.id.clone().filter(|_| rule.is_one_shot()));
            }
            if ruled.has_part(index) || denying.contains(&index) {
                overrides.push(rule.source.clone());
            }
        }
        // With the rules that the mode makes idle, or without them.
        let unasked = [would_be, ruled.decision(Mode::Block)];
        overrides.extend(asked.filter(|_| unasked != [decision; 2]));
        Ruling {
            decision,
            stopped_unjudged: ruled.stopping_unjudged(mode).map(str::to_owned),
            overrides,
            once,
        }
    }

    /// The same findings and what they come to, without all that holds once.
    pub fn ruling_without_once(&self, report: &Report, mode: Mode) -> (Report, Ruling) {
        let rules = &self.policy.rules;
        let lasts = |index: usize| rules.get(index).is_some_and(|rule| !rule.is_one_shot());
        let mut rated = report.clone();
        self.rate_by(&mut rated.modules, &rated.kernels, &lasts);
        let mut ruled = RuledReport::new(self, &rated, mode);
        ruled.left_out = (0..rules.len()).filter(|index| !lasts(*index)).collect();
        let ruling = Ruling {
            decision: ruled.decision(mode),
            stopped_unjudged: ruled.stopping_unjudged(mode).map(str::to_owned),
            overrides: Vec::new(),
            once: Vec::new(),
        };
        rated.decision = ruling.decision;
        (rated, ruling)
    }
}

/// What comes of a report, while rules are left out one by one.
///
/// Only verdicts that a rule has changed are rated again without it: hundreds of rules
/// may meet thousands of verdicts. Where many change the same one, that takes their number
/// times itself; it is the admin who writes them.
struct RuledReport<'a> {
    rating: &'a Rating<'a>,
    report: &'a Report,
    mode: Mode,
    left_out: BTreeSet<usize>,
    verdicts: Vec<(&'a ModuleEntry, &'a VerdictEntry, Severity)>,
    /// How many verdicts are how bad.
    count: BTreeMap<Severity, usize>,
    /// The verdicts in which each rule had a part.
    changed: BTreeMap<usize, BTreeSet<usize>>,
    /// The rule that each verdict's severity comes from.
    decisive: Vec<Option<usize>>,
}

impl<'a> RuledReport<'a> {
    fn new(rating: &'a Rating<'a>, report: &'a Report, mode: Mode) -> Self {
        let all = report.modules.iter().flat_map(|module| {
            let verdicts = module.verdicts.iter();
            verdicts.map(move |verdict| (module, verdict, verdict.severity))
        });
        let mut ruled = Self {
            rating,
            report,
            mode,
            left_out: BTreeSet::new(),
            verdicts: all.collect(),
            count: BTreeMap::new(),
            changed: BTreeMap::new(),
            decisive: Vec::new(),
        };
        for (_, _, severity) in &ruled.verdicts {
            *ruled.count.entry(*severity).or_default() += 1;
        }
        if !rating.policy.rules.is_empty() {
            for verdict in 0..ruled.verdicts.len() {
                let rated = ruled.rate(verdict);
                let decisive = ruled.note(verdict, rated);
                ruled.decisive.push(decisive);
            }
        }
        ruled
    }

    /// How bad a verdict is by the rules that are not left out.
    fn rate(&self, verdict: usize) -> Option<Rated> {
        let (module, verdict, _) = self.verdicts.get(verdict)?;
        let counts = |rule| self.has_part(rule);
        let kernels = &self.report.kernels;
        let mut rated = self.rating.severity(module, verdict, kernels, &counts)?;
        rated.severity = rated.severity.min(verdict.max_severity);
        Some(rated)
    }

    /// Keeps which rules had a part in a verdict; returns the one it comes from.
    fn note(&mut self, verdict: usize, rated: Option<Rated>) -> Option<usize> {
        let changed_by = rated.map(|rated| rated.changed_by).unwrap_or_default();
        for rule in &changed_by {
            self.changed.entry(*rule).or_default().insert(verdict);
        }
        changed_by.last().copied()
    }

    fn decision(&self, mode: Mode) -> Decision {
        let mut counted = self.count.iter().rev();
        let worst = counted.find(|(_, count)| **count > 0);
        let worst = worst.map_or(Severity::None, |(severity, _)| *severity);
        match self.stopping_unjudged(mode) {
            Some(_) => Decision::Block,
            None => policy::decide(worst, mode),
        }
    }

    fn stopping_unjudged(&self, mode: Mode) -> Option<&'a str> {
        let is_stopped = mode == Mode::Block && self.report.is_partial();
        let origin = self.rating.on_error.filter(|_| is_stopped)?;
        let nearest_first = self.rating.policy.rules.iter().enumerate().rev();
        let counted = nearest_first.filter(|(index, _)| self.has_part(*index));
        let passes = lets_pass_unjudged(counted.map(|(_, rule)| rule));
        passes.is_none().then_some(origin)
    }

    /// The rules that deny what would have passed.
    fn denying(&self) -> BTreeSet<usize> {
        let rules = &self.rating.policy.rules;
        let denies = |rule: &usize| rules.get(*rule).is_some_and(|r| r.effect == Effect::Deny);
        let decisive = self.decisive.iter().zip(&self.verdicts);
        let stopping = decisive.filter(|(_, (_, _, severity))| *severity == Severity::Block);
        let stopping = stopping.filter_map(|(rule, _)| *rule);
        // Of what was not judged: those that stand before one that would let it pass.
        let passes = |rule: &Rule| rule.is_for_everything() && rule.effect == Effect::Allow;
        let is_denied = self.stopping_unjudged(self.mode).is_some() && rules.iter().any(passes);
        let nearest_first = (0..rules.len()).rev().filter(|_| is_denied);
        let all =
            nearest_first.filter(|rule| rules.get(*rule).is_some_and(Rule::is_for_everything));
        stopping
            .filter(denies)
            .chain(all.take_while(denies))
            .collect()
    }

    fn has_part(&self, rule: usize) -> bool {
        !self.left_out.contains(&rule)
    }

    /// Leaves a rule out if it comes to the same without it.
    fn leave_out_if_idle(&mut self, rule: usize, decision: Decision) {
        self.left_out.insert(rule);
        let touched = self.changed.get(&rule).cloned().unwrap_or_default();
        let counted = self.count.clone();
        let mut rated = Vec::new();
        for verdict in touched {
            let again = self.rate(verdict);
            if let (Some((_, _, before)), Some(now)) = (self.verdicts.get(verdict), &again) {
                let (before, now) = (*before, now.severity);
                self.count.entry(before).and_modify(|count| *count -= 1);
                *self.count.entry(now).or_default() += 1;
            }
            rated.push((verdict, again));
        }
        if self.decision(self.mode) != decision {
            self.left_out.remove(&rule);
            self.count = counted;
            return;
        }
        for (verdict, again) in rated {
            if let (Some((_, _, severity)), Some(now)) = (self.verdicts.get_mut(verdict), &again) {
                *severity = now.severity;
            }
            self.note(verdict, again);
        }
    }
}

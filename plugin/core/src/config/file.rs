// SPDX-License-Identifier: GPL-2.0-or-later
//! One file of the configuration.

use std::ops::Range;
use std::path::Path;

use btf_guard_protocol::decision::Mode;
use btf_guard_protocol::override_source::{Override, OverrideSource};
use toml::de::{DeArray, DeTable};

use super::toml_reader::{Keys, Value};
use super::{Config, ConfigProblem, DEFAULT_LOG, MAX_RULES, OnError};
use crate::kernel::Target;
use crate::policy::{Effect, Expiry, Rule, Severity, Table, built_in};
use crate::verdict::Kind;

/// The configuration with what a file says on top of it.
///
/// # Errors
/// Every mistake in the file: then none of it counts.
pub(crate) fn read(config: &Config, path: &Path, text: &str) -> Result<Config, Vec<ConfigProblem>> {
    let table = DeTable::parse(text).map_err(|error| {
        let span = error.span().unwrap_or(0..0);
        let what = error.message().replace('\n', "; ");
        vec![ConfigProblem::at(path, text, &span, what)]
    })?;
    let mut file = File {
        keys: Keys::new(path, text),
        config: config.clone(),
    };
    file.read(table.get_ref());
    match file.keys.problems.is_empty() {
        true => Ok(file.config),
        false => Err(file.keys.problems),
    }
}

struct File<'t> {
    keys: Keys<'t>,
    config: Config,
}

impl<'t> File<'t> {
    fn read(&mut self, table: &DeTable<'t>) {
        let names = [
            "mode",
            "on_error",
            "severity",
            "severity_if_needed",
            "log",
            "rule",
        ];
        let [mode, on_error, severity, if_needed, log, rules] = self.keys.known(table, "", names);
        let modes = [
            ("off", Mode::Off),
            ("warn", Mode::Warn),
            ("block", Mode::Block),
        ];
        if let Some(value) = mode
            && let Some(mode) = self.keys.word(value, &modes)
        {
            self.config.mode = self.keys.set(mode, &value.span());
        }
        let ends = [("warn", OnError::Warn), ("block", OnError::Block)];
        if let Some(value) = on_error
            && let Some(on_error) = self.keys.word(value, &ends)
        {
            self.config.on_error = self.keys.set(on_error, &value.span());
        }
        if let Some(value) = severity {
            let mut table = std::mem::take(&mut self.config.policy.table);
            self.severities(value, "severity.", &mut table);
            self.config.policy.table = table;
        }
        if let Some(value) = if_needed {
            let mut table = std::mem::take(&mut self.config.policy.if_needed);
            self.severities(value, "severity_if_needed.", &mut table);
            self.config.policy.if_needed = table;
        }
        if let Some(value) = log {
            self.log(value);
        }
        if let Some(value) = rules {
            self.rules(value);
        }
    }

    fn severities(&mut self, value: &Value<'t>, of: &str, table: &mut Table) {
        let Some(moments) = self.keys.table(value) else {
            return;
        };
        let [now, boot] = self.keys.known(moments, of, ["now", "boot"]);
        for (moment, word, value) in [
            (Target::Running, "now", now),
            (Target::NextBoot, "boot", boot),
        ] {
            let Some(verdicts) = value.and_then(|value| self.keys.table(value)) else {
                continue;
            };
            let of = format!("{of}{word}.");
            let found = self.keys.known(verdicts, &of, Kind::ALL.map(Kind::name));
            for (kind, value) in Kind::ALL.into_iter().zip(found) {
                if let Some(value) = value
                    && let Some(severity) = self.keys.severity(value)
                {
                    table.set(moment, kind, self.keys.set(severity, &value.span()));
                }
            }
        }
    }

    fn log(&mut self, value: &Value<'t>) {
        let Some(table) = self.keys.table(value) else {
            return;
        };
        let [jsonl] = self.keys.known(table, "log.", ["jsonl"]);
        let Some(value) = jsonl else {
            return;
        };
        let path = match value.get_ref().as_bool() {
            Some(false) => None,
            Some(true) => Some(DEFAULT_LOG.into()),
            None if value.get_ref().as_str().is_some() => self.keys.path(value),
            None => {
                self.keys
                    .wrong(&value.span(), "expected true, false or a path");
                None
            }
        };
        self.config.jsonl = self.keys.set(path, &value.span());
    }

    fn rules(&mut self, value: &Value<'t>) {
        let Some(rules) = value.get_ref().as_array() else {
            self.keys
                .wrong(&value.span(), "write [[rule]], with two brackets");
            return;
        };
        if self.config.policy.rules.len() + rules.len() > MAX_RULES {
            let what = format!("more than {MAX_RULES} rules");
            return self.keys.wrong(&value.span(), what);
        }
        self.all(rules);
    }

    fn all(&mut self, rules: &DeArray<'t>) {
        for value in rules {
            if let Some(table) = self.keys.table(value) {
                self.rule(table, &value.span());
            }
        }
    }

    fn rule(&mut self, table: &DeTable<'t>, span: &Range<usize>) {
        let names = [
            "package",
            "module",
            "vendor",
            "repository",
            "release",
            "verdict",
            "moment",
            "severity",
            "reason",
            "expires",
        ];
        let [
            package,
            module,
            vendor,
            repository,
            release,
            verdict,
            moment,
            severity,
            reason,
            expires,
        ] = self.keys.known(table, "rule.", names);
        let Some(severity) = severity else {
            return self.keys.wrong(span, "the rule has no 'severity'");
        };
        let Some(severity) = self.keys.severity(severity) else {
            return;
        };
        let mut source = Override::of(OverrideSource::Rule);
        source.id = Some(self.keys.origin(span).to_string());
        if let Some(value) = reason {
            let text = self.keys.text(value).unwrap_or_default().trim();
            source.reason = (!text.is_empty()).then(|| text.to_owned());
        }
        let mut rule = Rule::new(source, Effect::Is(severity));
        for (names, value, of_modules) in [
            (&mut rule.package, package, false),
            (&mut rule.module, module, true),
            (&mut rule.vendor, vendor, false),
            (&mut rule.repository, repository, false),
            (&mut rule.release, release, false),
        ] {
            if let Some(value) = value {
                *names = self.keys.names(value, of_modules);
            }
        }
        if let Some(value) = verdict {
            let words = Kind::ALL.map(|kind| (kind.name(), kind));
            let each = |keys: &mut Keys<'t>, value: &Value<'t>| keys.word(value, &words);
            rule.verdicts = self.keys.list(value, each);
        }
        let moments = [("now", Target::Running), ("boot", Target::NextBoot)];
        rule.moment = moment.and_then(|value| self.keys.word(value, &moments));
        rule.expires = expires.and_then(|value| self.expiry(value));
        if rule.source.reason.is_none()
            && let Some((moment, kind)) = self.lowered(&rule, severity)
        {
            let when = match moment {
                Target::Running => "now",
                Target::NextBoot => "boot",
            };
            let what = format!("the rule lowers {when}.{kind} and has no 'reason'");
            self.keys.wrong(span, what);
        }
        self.config.policy.rules.push(rule);
    }

    /// A date of TOML's own, without quotes, is one, too.
    fn expiry(&mut self, value: &Value<'t>) -> Option<Expiry> {
        let text = match value.get_ref().as_datetime() {
            Some(date) => date.to_string(),
            None => self.keys.text(value)?.to_owned(),
        };
        match text.parse() {
            Ok(expiry) => Some(expiry),
            Err(error) => {
                self.keys.wrong(&value.span(), error.to_string());
                None
            }
        }
    }

    /// A verdict at a moment that would be less severe by a rule than without any:
    /// than is built in, or than the files so far have set.
    fn lowered(&self, rule: &Rule, severity: Severity) -> Option<(Target, Kind)> {
        let is_about = |(moment, kind): &(Target, Kind)| {
            rule.moment.is_none_or(|own| own == *moment)
                && (rule.verdicts.is_empty() || rule.verdicts.contains(kind))
        };
        let is_lowered = |(moment, kind): &(Target, Kind)| {
            let set = self.config.policy.table.get(*moment, *kind);
            let set = set.map_or(Severity::None, |set| set.value);
            severity < set.max(built_in(*moment, *kind))
        };
        let kinds = Kind::ALL.into_iter();
        let mut all = kinds.flat_map(|kind| [(Target::Running, kind), (Target::NextBoot, kind)]);
        all.find(|at| is_about(at) && is_lowered(at))
    }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! One file of the configuration.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use btf_guard_protocol::decision::Mode;
use btf_guard_protocol::override_source::{Override, OverrideSource};
use glob::Pattern;
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use toml::{Spanned, Value};

use super::strict::{FromTable, FromText};
use super::{Config, ConfigProblem, DEFAULT_LOG, MAX_RULES, OnError, word};
use crate::kernel::Target;
use crate::policy::{Effect, Expiry, Rule, Set, Severity, Table, built_in, pattern};
use crate::verdict::Kind;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
struct File {
    mode: Option<Spanned<FromText<Mode>>>,
    on_error: Option<Spanned<FromText<OnError>>>,
    #[serde(default)]
    severity: FromTable<Severities>,
    #[serde(default)]
    severity_if_needed: FromTable<Severities>,
    #[serde(default)]
    log: FromTable<LogKeys>,
    #[serde(default)]
    rule: Vec<Spanned<FromTable<RuleKeys>>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
struct Severities {
    now: BTreeMap<Kind, Spanned<FromText<Severity>>>,
    boot: BTreeMap<Kind, Spanned<FromText<Severity>>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
struct LogKeys {
    jsonl: Option<Spanned<Jsonl>>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected true, false or a path")]
enum Jsonl {
    On(bool),
    Path(PathBuf),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
struct RuleKeys {
    #[serde(default, deserialize_with = "names")]
    package: Vec<Pattern>,
    #[serde(default, deserialize_with = "modules")]
    module: Vec<Pattern>,
    #[serde(default, deserialize_with = "names")]
    vendor: Vec<Pattern>,
    #[serde(default, deserialize_with = "names")]
    repository: Vec<Pattern>,
    #[serde(default, deserialize_with = "names")]
    release: Vec<Pattern>,
    #[serde(default, deserialize_with = "list")]
    verdict: Vec<Kind>,
    moment: Option<FromText<Target>>,
    severity: FromText<Severity>,
    reason: Option<String>,
    #[serde(default, deserialize_with = "expiry")]
    expires: Option<Expiry>,
}

impl RuleKeys {
    /// The rule, which is named after its place.
    fn rule(self, place: String) -> Rule {
        let reason = self.reason.as_deref().map(str::trim);
        let reason = reason.filter(|text| !text.is_empty());
        Rule {
            source: Override {
                source: OverrideSource::Rule,
                id: Some(place),
                reason: reason.map(str::to_owned),
                denies: false,
            },
            package: self.package,
            vendor: self.vendor,
            repository: self.repository,
            module: self.module,
            release: self.release,
            verdicts: self.verdict,
            moment: self.moment.map(|FromText(moment)| moment),
            expires: self.expires,
            effect: Effect::Is(self.severity.0),
        }
    }
}

/// The configuration with what a file says on top of it, or the first mistake in it.
pub(crate) fn read(config: &Config, path: &Path, text: &str) -> Result<Config, ConfigProblem> {
    let file: File =
        toml::from_str(text).map_err(|error| ConfigProblem::of_toml(path, text, &error))?;
    // Found once: a file may have hundreds of rules.
    let breaks: Vec<usize> = text.match_indices('\n').map(|(at, _)| at).collect();
    let origin = |start: usize| {
        let line = breaks.partition_point(|at| *at < start) + 1;
        format!("{}:{line}", path.display())
    };
    let mut config = config.clone();
    if let Some(mode) = file.mode {
        config.mode = set(mode, origin);
    }
    if let Some(on_error) = file.on_error {
        config.on_error = set(on_error, origin);
    }
    if let Some(jsonl) = file.log.0.jsonl {
        let span = jsonl.span();
        config.jsonl.origin = Some(origin(span.start));
        config.jsonl.value = match jsonl.into_inner() {
            Jsonl::On(is_on) => is_on.then(|| DEFAULT_LOG.into()),
            Jsonl::Path(log) if log.is_absolute() => Some(log),
            Jsonl::Path(_) => {
                let what = "expected a path that starts with '/'".to_owned();
                return Err(ConfigProblem::at(path, text, &span, what));
            }
        };
    }
    let policy = &mut config.policy;
    add(&mut policy.table, file.severity.0, origin);
    add(&mut policy.if_needed, file.severity_if_needed.0, origin);
    if policy.rules.len() + file.rule.len() > MAX_RULES {
        let what = format!("more than {MAX_RULES} rules");
        return Err(ConfigProblem::of(path, &what));
    }
    for rule in file.rule {
        let span = rule.span();
        let FromTable(rule) = rule.into_inner();
        let severity = rule.severity.0;
        let rule = rule.rule(origin(span.start));
        if rule.source.reason.is_none()
            && let Some((moment, kind)) = lowered(&policy.table, &rule, severity)
        {
            let moment = word(&moment);
            let what = format!("the rule lowers {moment}.{kind} and has no 'reason'");
            return Err(ConfigProblem::at(path, text, &span, what));
        }
        policy.rules.push(rule);
    }
    Ok(config)
}

fn set<T>(value: Spanned<FromText<T>>, origin: impl Fn(usize) -> String) -> Set<T> {
    Set {
        origin: Some(origin(value.span().start)),
        value: value.into_inner().0,
    }
}

fn add(table: &mut Table, said: Severities, origin: impl Fn(usize) -> String) {
    for (moment, verdicts) in [(Target::Running, said.now), (Target::NextBoot, said.boot)] {
        for (kind, severity) in verdicts {
            table.insert((moment, kind), set(severity, &origin));
        }
    }
}

/// A verdict at a moment that a rule makes less severe than it is built in or set so far.
fn lowered(table: &Table, rule: &Rule, severity: Severity) -> Option<(Target, Kind)> {
    let kinds = Kind::ALL.into_iter();
    let mut all = kinds.flat_map(|kind| [(Target::Running, kind), (Target::NextBoot, kind)]);
    all.find(|at| {
        let set = table.get(at).map_or(Severity::None, |set| set.value);
        rule.moment.is_none_or(|own| own == at.0)
            && (rule.verdicts.is_empty() || rule.verdicts.contains(&at.1))
            && severity < set.max(built_in(at.0, at.1))
    })
}

/// One value or a list of them.
fn list<'de, D: Deserializer<'de>, T: DeserializeOwned>(from: D) -> Result<Vec<T>, D::Error> {
    let all = match Value::deserialize(from)? {
        Value::Array(all) if all.is_empty() => {
            return Err(D::Error::custom("an empty list matches nothing"));
        }
        Value::Array(all) => all,
        one => vec![one],
    };
    let one = |value: Value| value.try_into().map(|FromText(one)| one);
    let all = all.into_iter().map(one);
    all.collect::<Result<_, _>>().map_err(D::Error::custom)
}

fn names<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Pattern>, D::Error> {
    patterns(from, false)
}

/// In names of modules `-` and `_` are the same.
fn modules<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Pattern>, D::Error> {
    patterns(from, true)
}

fn patterns<'de, D: Deserializer<'de>>(
    from: D,
    of_modules: bool,
) -> Result<Vec<Pattern>, D::Error> {
    let texts: Vec<String> = list(from)?;
    let patterns = texts.iter().map(|text| pattern(text, of_modules));
    patterns.collect::<Result<_, _>>().map_err(D::Error::custom)
}

/// A date of TOML's own, without quotes, is one, too.
fn expiry<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Expiry>, D::Error> {
    let text = match Value::deserialize(from)? {
        Value::Datetime(date) => date.to_string(),
        other => other.try_into().map_err(D::Error::custom)?,
    };
    text.parse().map(Some).map_err(D::Error::custom)
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! `btf-guard config`.

use std::io::{self, Write};

use btf_guard_core::config::{self, ConfigProblem, Loaded, word};
use btf_guard_core::kernel::Target;
use btf_guard_core::policy::{Effect, Rule, Severity, Table, built_in};
use btf_guard_core::verdict::Kind;
use btf_guard_protocol::terminal::escape;
use serde::Serialize;

use crate::args::{ConfigCommand, ListFormat};
use crate::output::{self, Outcome};

pub(crate) fn run(what: &ConfigCommand) -> anyhow::Result<Outcome> {
    match what {
        ConfigCommand::Show { format, place } => {
            let loaded = Loaded::read(&place.places());
            let shown = Shown::of(&loaded);
            match format {
                ListFormat::Json => output::json(&shown)?,
                ListFormat::Text => output::plain(|out| text(&shown, out))?,
            }
            complain(&loaded.problems);
            Ok(Outcome::Done)
        }
        ConfigCommand::Check { files, place } => {
            let problems = match files.as_slice() {
                [] => Loaded::read(&place.places()).problems,
                files => files
                    .iter()
                    .filter_map(|file| config::mistake_in(file))
                    .collect(),
            };
            complain(&problems);
            Ok(match problems.is_empty() {
                true => Outcome::Done,
                false => Outcome::Incomplete,
            })
        }
    }
}

fn complain(problems: &[ConfigProblem]) {
    for problem in problems {
        let _ = writeln!(io::stderr(), "{}", escape(&problem.to_string()));
    }
}

#[derive(Serialize)]
struct Shown {
    values: Vec<SettingEntry>,
    rules: Vec<RuleEntry>,
    files: Vec<String>,
    problems: Vec<String>,
}

#[derive(Serialize)]
struct SettingEntry {
    key: String,
    value: String,
    origin: String,
}

#[derive(Serialize)]
struct RuleEntry {
    origin: String,
    /// As it may be written.
    says: Vec<(&'static str, String)>,
}

impl Shown {
    fn of(loaded: &Loaded) -> Self {
        let config = &loaded.config;
        let entry = |key: &str, value: String, origin: &Option<String>| SettingEntry {
            key: key.to_owned(),
            value,
            origin: origin.clone().unwrap_or_else(|| "built in".to_owned()),
        };
        let jsonl = config.jsonl.value.as_ref();
        let jsonl = jsonl.map_or_else(|| "false".to_owned(), |path| path.display().to_string());
        let policy = &config.policy;
        let severities =
            |name: &str, table: &Table, built_in: fn(Target, Kind) -> Option<Severity>| {
                let mut entries = Vec::new();
                for moment in [Target::Running, Target::NextBoot] {
                    for kind in Kind::ALL {
                        let set = table.get(&(moment, kind));
                        let value = set.map(|set| set.value).or_else(|| built_in(moment, kind));
                        let origin = set.and_then(|set| set.origin.clone());
                        let key = format!("{name}.{}.{kind}", word(&moment));
                        entries.extend(value.map(|value| entry(&key, word(&value), &origin)));
                    }
                }
                entries
            };
        let (mode, on_error) = (&config.mode, &config.on_error);
        let mut values = vec![
            entry("mode", word(&mode.value), &mode.origin),
            entry("on_error", word(&on_error.value), &on_error.origin),
        ];
        values.extend(severities("severity", &policy.table, |moment, kind| {
            Some(built_in(moment, kind))
        }));
        let if_needed = severities("severity_if_needed", &policy.if_needed, |_, _| None);
        values.extend(if_needed);
        values.push(entry("log.jsonl", jsonl, &config.jsonl.origin));
        let files = loaded.files.iter();
        Self {
            values,
            rules: policy.rules.iter().map(rule).collect(),
            files: files.map(|file| file.display().to_string()).collect(),
            problems: loaded.problems.iter().map(ToString::to_string).collect(),
        }
    }
}

fn rule(rule: &Rule) -> RuleEntry {
    let mut says = Vec::new();
    for (key, names) in [
        ("package", &rule.package),
        ("module", &rule.module),
        ("vendor", &rule.vendor),
        ("repository", &rule.repository),
        ("release", &rule.release),
    ] {
        if !names.is_empty() {
            let all: Vec<&str> = names.iter().map(glob::Pattern::as_str).collect();
            says.push((key, all.join(", ")));
        }
    }
    if !rule.verdicts.is_empty() {
        let all: Vec<&str> = rule.verdicts.iter().map(|kind| kind.name()).collect();
        says.push(("verdict", all.join(", ")));
    }
    says.extend(rule.moment.map(|moment| ("moment", word(&moment))));
    if let Effect::Is(value) = rule.effect {
        says.push(("severity", word(&value)));
    }
    if let Some(expires) = &rule.expires {
        says.push(("expires", expires.to_string()));
    }
    says.extend(rule.source.reason.clone().map(|reason| ("reason", reason)));
    RuleEntry {
        origin: rule.source.id.clone().unwrap_or_default(),
        says,
    }
}

fn text(shown_: &Shown, out: &mut impl Write) -> io::Result<()> {
    let width = |of: fn(&SettingEntry) -> &str| {
        let widths = shown_.values.iter().map(|entry| of(entry).len());
        widths.max().unwrap_or(0)
    };
    let (keys, values) = (width(|e| &e.key), width(|e| &e.value));
    for SettingEntry { key, value, origin } in &shown_.values {
        let (value, origin) = (escape(value), escape(origin));
        writeln!(out, "{key:keys$}  {value:values$}  {origin}")?;
    }
    for RuleEntry { origin, says } in &shown_.rules {
        let says: Vec<String> = says.iter().map(|(k, v)| format!("{k} {v}")).collect();
        let (says, origin) = (escape(&says.join("; ")), escape(origin));
        writeln!(out, "rule  {says}  {origin}")?;
    }
    Ok(())
}

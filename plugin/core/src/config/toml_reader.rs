// SPDX-License-Identifier: GPL-2.0-or-later
//! Reads keys and values of TOML, and remembers every mistake with its place.

use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{ConfigProblem, nearest, place};
use crate::policy::{Patterns, Set, SettingOrigin, Severity, pattern};

/// A value with its place.
pub(crate) type Value<'t> = Spanned<DeValue<'t>>;

/// One file that is read.
pub(crate) struct Keys<'t> {
    path: &'t Path,
    text: &'t str,
    pub(crate) problems: Vec<ConfigProblem>,
}

impl<'t> Keys<'t> {
    pub(crate) fn new(path: &'t Path, text: &'t str) -> Self {
        Self {
            path,
            text,
            problems: Vec::new(),
        }
    }

    pub(crate) fn wrong(&mut self, span: &Range<usize>, what: impl Into<String>) {
        let problem = ConfigProblem::at(self.path, self.text, span, what.into());
        self.problems.push(problem);
    }

    /// Where a value stands.
    pub(crate) fn origin(&self, span: &Range<usize>) -> SettingOrigin {
        SettingOrigin::File {
            path: self.path.to_owned(),
            line: place(self.text, span.start).0,
        }
    }

    pub(crate) fn set<T>(&self, value: T, span: &Range<usize>) -> Set<T> {
        let origin = self.origin(span);
        Set { value, origin }
    }

    /// The values of the keys that are known, in this order. Every other key is a
    /// mistake.
    pub(crate) fn known<'v, const N: usize>(
        &mut self,
        table: &'v DeTable<'t>,
        of: &str,
        names: [&str; N],
    ) -> [Option<&'v Value<'t>>; N] {
        for key in table.keys() {
            let name = key.get_ref().as_ref();
            if !names.contains(&name) {
                let nearest = nearest(name, &names).unwrap_or_default();
                let what = format!("unknown key '{of}{name}' (did you mean '{of}{nearest}'?)");
                self.wrong(&key.span(), what);
            }
        }
        names.map(|name| {
            let mut all = table.iter();
            let found = all.find(|(key, _)| key.get_ref().as_ref() == name);
            found.map(|(_, value)| value)
        })
    }

    pub(crate) fn table<'v>(&mut self, value: &'v Value<'t>) -> Option<&'v DeTable<'t>> {
        let table = value.get_ref().as_table();
        if table.is_none() {
            self.wrong(&value.span(), "expected a table");
        }
        table
    }

    pub(crate) fn text<'v>(&mut self, value: &'v Value<'t>) -> Option<&'v str> {
        let text = value.get_ref().as_str();
        if text.is_none() {
            self.wrong(&value.span(), "expected a text in quotes");
        }
        text
    }

    /// One of a few words.
    pub(crate) fn word<T: Copy>(&mut self, value: &Value<'t>, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(value)?;
        let found = words.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let nearest = nearest(text, &names).unwrap_or_default();
            let all = names.join(", ");
            let what = format!("'{text}' is none of {all} (did you mean '{nearest}'?)");
            self.wrong(&value.span(), what);
        }
        found.map(|(_, meaning)| *meaning)
    }

    pub(crate) fn severity(&mut self, value: &Value<'t>) -> Option<Severity> {
        let words = [
            ("none", Severity::None),
            ("info", Severity::Info),
            ("warn", Severity::Warn),
            ("block", Severity::Block),
        ];
        self.word(value, &words)
    }

    /// One text or a list of them, each read by `each`.
    pub(crate) fn list<T>(
        &mut self,
        value: &Value<'t>,
        each: impl Fn(&mut Self, &Value<'t>) -> Option<T>,
    ) -> Vec<T> {
        match value.get_ref().as_array() {
            None => each(self, value).into_iter().collect(),
            Some(list) if list.is_empty() => {
                self.wrong(&value.span(), "an empty list matches nothing");
                Vec::new()
            }
            Some(list) => list.iter().filter_map(|value| each(self, value)).collect(),
        }
    }

    /// Patterns of names; for modules, in which `-` and `_` are the same, with `_`.
    pub(crate) fn names(&mut self, value: &Value<'t>, of_modules: bool) -> Patterns {
        Patterns(self.list(value, |keys, value| {
            let text = keys.text(value)?;
            match pattern(text, of_modules) {
                Ok(pattern) => Some(pattern),
                Err(why) => {
                    keys.wrong(&value.span(), why.to_string());
                    None
                }
            }
        }))
    }

    /// A path from the root.
    pub(crate) fn path(&mut self, value: &Value<'t>) -> Option<PathBuf> {
        let text = self.text(value)?;
        let path = Path::new(text).is_absolute().then(|| PathBuf::from(text));
        if path.is_none() {
            self.wrong(&value.span(), "expected a path that starts with '/'");
        }
        path
    }
}

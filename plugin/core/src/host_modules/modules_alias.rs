// SPDX-License-Identifier: GPL-2.0-or-later
//! `modules.alias`: which modules serve what (`depmod(8)`).

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::path::Path;

use super::{MAX_INDEX, etc};
use crate::fnmatch;
use crate::module::same_name;

/// The longest alias that is looked for, in bytes: a page of sysfs.
const MAX_ALIAS: usize = 4096;

/// Patterns and the modules that they name, by what stands before a pattern's
/// first wildcard.
#[derive(Debug, Default)]
pub(crate) struct Aliases {
    by_start: HashMap<String, Vec<(String, String)>>,
}

impl Aliases {
    /// Reads the file's text; a line that is none of its kind is left out.
    fn parse(text: &str) -> Self {
        let mut aliases = Self::default();
        for line in text.lines() {
            let mut words = line.split_whitespace();
            let (Some("alias"), Some(pattern), Some(module)) =
                (words.next(), words.next(), words.next())
            else {
                continue;
            };
            aliases.add(pattern, module);
        }
        aliases
    }

    /// Adds what a module says that it serves.
    pub(crate) fn add(&mut self, pattern: &str, module: &str) {
        let pattern = normal(pattern);
        let start = pattern.split(['*', '?', '[', '\\']).next();
        let start = start.unwrap_or_default().to_owned();
        let same_start = self.by_start.entry(start).or_default();
        same_start.push((pattern, same_name(module)));
    }

    /// Reads the list of a module directory; of one that has none there are none.
    pub(crate) fn read(dir: &Path) -> Self {
        let text = etc::text(&dir.join("modules.alias"), MAX_INDEX);
        Self::parse(&text.unwrap_or_default())
    }

    /// Some module serves this, and not one of these names.
    pub(crate) fn serve(&self, alias: &str, except: &BTreeSet<String>) -> bool {
        let found = self.find(alias, |module| !except.contains(module));
        found.is_break()
    }

    /// The modules that an alias names, each once, as the file has them.
    pub(crate) fn modules(&self, alias: &str) -> Vec<&str> {
        let mut modules: Vec<&str> = Vec::new();
        let _ = self.find(alias, |module| {
            if !modules.contains(&module) {
                modules.push(module);
            }
            false
        });
        modules
    }

    /// Shows the modules that an alias names until one is enough.
    fn find<'a>(
        &'a self,
        alias: &str,
        mut is_enough: impl FnMut(&'a str) -> bool,
    ) -> ControlFlow<()> {
        if alias.len() > MAX_ALIAS {
            return ControlFlow::Continue(());
        }
        let alias = normal(alias);
        let ends = alias.char_indices().map(|(at, _)| at);
        for end in ends.chain([alias.len()]) {
            let start = alias.get(..end).unwrap_or_default();
            for (pattern, module) in self.by_start.get(start).into_iter().flatten() {
                if fnmatch::matches(pattern, &alias) && is_enough(module) {
                    return ControlFlow::Break(());
                }
            }
        }
        ControlFlow::Continue(())
    }
}

/// `-` and `_` are the same, but for what stands in brackets (`alias_normalize()`
/// of kmod, shared/util.c).
fn normal(alias: &str) -> String {
    let mut inside = false;
    let one = |character| {
        match character {
            '[' => inside = true,
            ']' => inside = false,
            '-' if !inside => return '_',
            _ => {}
        }
        character
    };
    alias.chars().map(one).collect()
}

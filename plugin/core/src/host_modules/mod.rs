// SPDX-License-Identifier: GPL-2.0-or-later
//! The modules that this machine needs, and what for.
//!
//! Two steps: what the machine asks for, whatever kernel it runs ([`Machine`]), and
//! which modules of a release that comes to ([`Needs`]), as modprobe would resolve
//! it: by `modules.alias` and `modules.dep`.
//!
//! A device's alias that is read here is no proof that its driver is used. It is a
//! reason to name the module first, and no more.

mod etc;
pub(crate) mod host_needs;
mod modules_alias;
mod rootfs;
mod sysfs;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::module::{name_of_file, same_name};
use modules_alias::Aliases;

/// Reasons that are kept of one module: more say nothing new.
const MAX_REASONS: usize = 4;

/// Wishes that are followed. A large server has some thousand devices.
const MAX_WISHES: usize = 50_000;

/// The longest file of a module directory that is read, in bytes; `modules.alias`
/// of a full kernel has some 2 MiB.
const MAX_INDEX: u64 = 64 << 20;

/// The longest line of `modules.dep` that counts, in modules.
const MAX_DEPENDENCIES: usize = 512;

/// What the machine asks for, and why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ModuleRequest {
    what: What,
    why: String,
}

/// A module is asked for by its name, or by what it serves.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    /// A name; an alias where no module has it.
    Name(String),
    /// An alias.
    Alias(String),
}

/// What a machine asks for: the most telling reasons first.
#[derive(Debug, Clone, Default)]
pub struct Machine {
    wishes: Vec<ModuleRequest>,
    /// Modules whose aliases are not to be followed.
    blacklist: BTreeSet<String>,
}

impl Machine {
    /// Looks at the machine whose `/` is `root`: its `/proc`, `/sys` and `/etc`.
    /// What cannot be read asks for nothing.
    pub fn read(root: &Path) -> Self {
        let mut wishes = Vec::new();
        rootfs::read(root, &mut wishes);
        sysfs::network(root, &mut wishes);
        etc::fstab(root, &mut wishes);
        etc::modules_load(root, &mut wishes);
        sysfs::aliases(root, &mut wishes);
        etc::loaded(root, &mut wishes);
        wishes.truncate(MAX_WISHES);
        Self {
            wishes,
            blacklist: etc::blacklist(root),
        }
    }

    /// The modules that this comes to, by the first of these module directories
    /// that has a `modules.dep`: that of a release which a package brings is made
    /// after it, and then another release's tells much the same. Where there is
    /// none, names alone count.
    pub fn needs(&self, dirs: &[PathBuf]) -> Needs {
        let dir = dirs.iter().find(|dir| dir.join("modules.dep").is_file());
        let read = |name: &str| {
            let text = dir.and_then(|dir| etc::text(&dir.join(name), MAX_INDEX));
            text.unwrap_or_default()
        };
        let dependencies = dependencies(&read("modules.dep"));
        let aliases = Aliases::parse(&read("modules.alias"));
        let mut needs = Needs::default();
        for ModuleRequest { what, why } in &self.wishes {
            let (name, alias) = match what {
                What::Name(name) => (Some(same_name(name)), name),
                What::Alias(alias) => (None, alias),
            };
            // A name that no module has may be an alias.
            let known = name.filter(|name| dir.is_none() || dependencies.contains_key(name));
            let by_alias = match known {
                Some(_) => Vec::new(),
                None => aliases.modules(alias),
            };
            let by_alias = by_alias.into_iter().map(str::to_owned);
            let by_alias = by_alias.filter(|module| !self.blacklist.contains(module));
            for module in known.into_iter().chain(by_alias) {
                for below in dependencies.get(&module).into_iter().flatten() {
                    needs.add(below, format!("{module} depends on it"));
                }
                needs.add(&module, why.clone());
            }
        }
        needs
    }
}

/// The modules of a release that a machine needs.
#[derive(Debug, Clone, Default)]
pub struct Needs {
    reasons: BTreeMap<String, Vec<String>>,
}

impl Needs {
    /// What a module is needed for, in words; nothing where it is not. In its name
    /// `-` and `_` are the same.
    pub fn of(&self, module: &str) -> &[String] {
        let reasons = self.reasons.get(&same_name(module));
        reasons.map(Vec::as_slice).unwrap_or_default()
    }

    /// The names of all of them, with `_`.
    pub fn modules(&self) -> impl Iterator<Item = &str> {
        self.reasons.keys().map(String::as_str)
    }

    fn add(&mut self, module: &str, why: String) {
        let reasons = self.reasons.entry(module.to_owned()).or_default();
        if reasons.len() < MAX_REASONS && !reasons.contains(&why) {
            reasons.push(why);
        }
    }
}

/// `modules.dep`: of each module those that it is loaded after, all of them
/// (`depmod(8)` writes whole chains).
fn dependencies(text: &str) -> BTreeMap<String, Vec<String>> {
    let line = |line: &str| {
        let (module, below) = line.split_once(':')?;
        let below = below.split_whitespace().take(MAX_DEPENDENCIES);
        Some((name_of_file(module), below.map(name_of_file).collect()))
    };
    text.lines().filter_map(line).collect()
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! The modules that this machine needs, and what for.
//!
//! Two steps: what the machine asks for, whatever kernel it runs ([`Machine`]), and
//! which modules of a release that comes to ([`Needs`]), as modprobe would resolve
//! it: by `modules.alias` and `modules.dep`.
//!
//! A device's alias that is read here is no proof that its driver is used. It is a
//! reason to name the module first, and no more.

mod built_in;
mod etc;
mod modules_alias;
mod rootfs;
mod sysfs;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use btf_guard_sysroot::Root;

use crate::module::{name_of_file, same_name};
pub(crate) use built_in::{BuiltInModules, LIST as BUILT_IN_LIST, MODINFO as BUILT_IN_MODINFO};
pub(crate) use modules_alias::Aliases;

/// Reasons that are kept of one module: more say nothing new.
const MAX_REASONS: usize = 4;

/// Wishes that are followed. A large server has some thousand devices.
const MAX_WISHES: usize = 50_000;

/// The longest file of a module directory that is read, in bytes; `modules.alias`
/// of a full kernel has some 2 MiB.
const MAX_INDEX: u64 = 64 << 20;

/// The longest line of `modules.dep` that counts, in modules.
const MAX_DEPENDENCIES: usize = 512;

/// The reason of a module that is loaded. It may have been loaded for another one only.
const LOADED: &str = "loaded";

/// A module is asked for by its name, or by what it serves.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    /// A name; an alias where no module has it.
    Name(String),
    /// An alias.
    Alias(String),
}

/// What a machine asks for.
#[derive(Debug, Clone, Default)]
pub struct Machine {
    /// What, and why: the most telling reasons first.
    wishes: Vec<(What, String)>,
    blacklist: BTreeSet<String>,
}

impl Machine {
    /// Looks at the machine whose `/` is `root`: its `/proc`, `/sys` and `/etc`.
    /// What cannot be read asks for nothing.
    pub fn read(root: &Path) -> Self {
        let mut machine = Self::default();
        rootfs::read(root, &mut machine);
        sysfs::network(root, &mut machine);
        etc::fstab(root, &mut machine);
        etc::modules_load(root, &mut machine);
        sysfs::aliases(root, &mut machine);
        etc::loaded(root, &mut machine);
        machine.blacklist = etc::blacklist(root);
        machine
    }

    fn want(&mut self, what: What, why: &str) {
        if self.wishes.len() < MAX_WISHES {
            self.wishes.push((what, why.to_owned()));
        }
    }

    fn want_name(&mut self, name: &str, why: &str) {
        self.want(What::Name(name.to_owned()), why);
    }

    fn want_alias(&mut self, alias: &str, why: &str) {
        self.want(What::Alias(alias.to_owned()), why);
    }

    /// What the kernel asks for when a file system is mounted (`__get_fs_type()`,
    /// fs/filesystems.c), and the module of that name: not each has the alias.
    fn want_file_system(&mut self, kind: &str, why: &str) {
        self.want_alias(&format!("fs-{kind}"), why);
        self.want_name(kind, why);
    }

    /// The modules that this comes to, by the first of these module directories
    /// that has a `modules.dep`: that of a release which a package brings is made
    /// after it, and then another release's tells much the same. Where there is
    /// none, names alone count.
    pub fn needs(&self, dirs: &[PathBuf]) -> Needs {
        let dir = dirs.iter().find(|dir| dir.join("modules.dep").is_file());
        let text = dir.and_then(|dir| etc::text(&dir.join("modules.dep"), MAX_INDEX));
        let dependencies = dependencies(&text.unwrap_or_default());
        let aliases = dir.map(|dir| Aliases::read(dir)).unwrap_or_default();
        let mut needs = Needs::default();
        for (what, why) in &self.wishes {
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
                    let used = needs.add(below, format!("{module} depends on it"));
                    used.is_dependency = true;
                }
                let used = needs.add(&module, why.clone());
                match what {
                    What::Name(name) if same_name(name) == module => {
                        used.is_loaded |= why == LOADED;
                        used.is_named |= why != LOADED;
                    }
                    What::Name(alias) | What::Alias(alias) => {
                        used.aliases.insert(alias.clone());
                    }
                }
            }
        }
        needs
    }
}

/// How a machine uses one module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ModuleUse {
    /// What for, in words.
    pub(crate) reasons: Vec<String>,
    /// What it serves, by which it is asked for.
    pub(crate) aliases: BTreeSet<String>,
    /// It is named, and not by the list of what is loaded.
    pub(crate) is_named: bool,
    is_loaded: bool,
    is_dependency: bool,
}

impl ModuleUse {
    /// It is asked for itself, not only by another module. Which modules that needs may
    /// differ from one kernel to the next; what it does is asked for under its own name.
    pub(crate) fn is_own(&self) -> bool {
        !self.aliases.is_empty() || self.is_named || self.is_loaded && !self.is_dependency
    }
}

/// The modules of a release that a machine needs.
#[derive(Debug, Clone, Default)]
pub struct Needs {
    uses: BTreeMap<String, ModuleUse>,
}

impl Needs {
    /// What a module is needed for, in words; nothing where it is not. In its name
    /// `-` and `_` are the same.
    pub fn of(&self, module: &str) -> &[String] {
        let used = self.uses.get(&same_name(module));
        used.map(|used| used.reasons.as_slice()).unwrap_or_default()
    }

    /// The names of all of them, with `_`.
    pub fn modules(&self) -> impl Iterator<Item = &str> {
        self.uses.keys().map(String::as_str)
    }

    fn add(&mut self, module: &str, why: String) -> &mut ModuleUse {
        let used = self.uses.entry(module.to_owned()).or_default();
        if used.reasons.len() < MAX_REASONS && !used.reasons.contains(&why) {
            used.reasons.push(why);
        }
        used
    }
}

/// What this machine needs. Nothing is read before it is asked for.
#[derive(Debug)]
pub(crate) struct HostNeeds {
    root: Root,
    /// The release that runs: its module directory tells where another's cannot.
    running: String,
    machine: OnceLock<Machine>,
    by_release: Mutex<BTreeMap<String, Needs>>,
}

impl HostNeeds {
    /// Of this machine, whose root this is and which runs that release.
    pub(crate) fn new(root: &Root, running: &str) -> Self {
        Self {
            root: root.clone(),
            running: running.to_owned(),
            machine: OnceLock::new(),
            by_release: Mutex::default(),
        }
    }

    /// The modules that this machine does not load for what they serve (`modprobe.d(5)`).
    pub(crate) fn blacklist(&self) -> &BTreeSet<String> {
        let read = || Machine::read(self.root.path());
        &self.machine.get_or_init(read).blacklist
    }

    /// What this machine needs a module of a release for; nothing where it does not.
    pub(crate) fn reasons(&self, release: &str, module: &str) -> Vec<String> {
        self.with_needs(release, |needs| needs.of(module).to_vec())
    }

    /// The modules of a release that this machine asks for themselves, by name, with `_`.
    pub(crate) fn own_uses(&self, release: &str) -> BTreeMap<String, ModuleUse> {
        self.with_needs(release, |needs| {
            let own = needs.uses.iter().filter(|(_, used)| used.is_own());
            own.map(|(name, used)| (name.clone(), used.clone()))
                .collect()
        })
    }

    /// The release that runs.
    pub(crate) fn running(&self) -> &str {
        &self.running
    }

    fn with_needs<T>(&self, release: &str, ask: impl FnOnce(&Needs) -> T) -> T {
        // What a thread that panicked has put there is whole.
        let by_release = self.by_release.lock();
        let mut by_release = by_release.unwrap_or_else(PoisonError::into_inner);
        let needs = by_release.entry(release.to_owned()).or_insert_with(|| {
            let machine = self.machine.get_or_init(|| Machine::read(self.root.path()));
            let dirs = [release, &self.running].into_iter();
            let dirs: Vec<PathBuf> = dirs.filter_map(|r| self.root.module_dir(r)).collect();
            machine.needs(&dirs)
        });
        ask(needs)
    }
}

/// `modules.dep`: for each module the whole chain that it is loaded after (`depmod(8)`).
fn dependencies(text: &str) -> BTreeMap<String, Vec<String>> {
    let line = |line: &str| {
        let (module, below) = line.split_once(':')?;
        let below = below.split_whitespace().take(MAX_DEPENDENCIES);
        Some((name_of_file(module), below.map(name_of_file).collect()))
    };
    text.lines().filter_map(line).collect()
}

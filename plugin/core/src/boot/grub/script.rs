// SPDX-License-Identifier: GPL-2.0-or-later
//! What a GRUB script has set, and whether its conditions hold.

use std::collections::BTreeMap;

use super::Truth;
use super::lexer::ShellWord;

/// The longest value of a variable, in bytes. A script can double one with
/// every line.
pub(crate) const MAX_VALUE: usize = 4 << 10;

/// The most variables that are kept.
const MAX_VARIABLES: usize = 10_000;

/// Variables that GRUB sets itself, and what the names of others begin with.
const OWN: [&str; 5] = [
    "prefix",
    "root",
    "cmdpath",
    "config_directory",
    "config_file",
];
const OWN_PREFIXES: [&str; 4] = ["feature_", "grub_", "net_", "pxe_"];

/// The variables of a script, `None` for what cannot be told.
#[derive(Debug)]
pub(crate) struct ScriptVariables {
    set: BTreeMap<String, Option<String>>,
    /// What `load_env` brings in.
    grubenv: BTreeMap<String, String>,
    /// True once something has been loaded that is not known here.
    opaque: bool,
}

impl ScriptVariables {
    pub(crate) fn new(grubenv: BTreeMap<String, String>) -> Self {
        Self {
            set: BTreeMap::new(),
            grubenv,
            opaque: false,
        }
    }

    /// The value of a variable. One that nobody has set is empty, unless GRUB
    /// sets it itself. `menuentry_id_option` is set by every script that uses it,
    /// to nothing only for a GRUB before 2.00.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        if name == "menuentry_id_option" {
            return Some("--id");
        }
        if let Some(value) = self.set.get(name) {
            return value.as_deref();
        }
        let own = OWN.contains(&name)
            || OWN_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
            || !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        (!own && !self.opaque).then_some("")
    }

    /// Sets a variable where it is told how likely the command is run.
    pub(crate) fn set(&mut self, name: &str, value: Option<&str>, run: Truth) {
        let value = match run {
            Truth::No => return,
            Truth::Yes => value,
            Truth::Maybe => value.filter(|value| self.get(name) == Some(value)),
        };
        if self.set.len() < MAX_VARIABLES || self.set.contains_key(name) {
            self.set.insert(name.to_owned(), value.map(str::to_owned));
        } else {
            self.opaque = true;
        }
    }

    /// `load_env`: takes what `grubenv` has. Another file than that, such as
    /// the block that openSUSE keeps in the header of btrfs, is not read: from
    /// then on, what is not set is not known. Loading once more brings nothing
    /// new.
    pub(crate) fn load(&mut self, arguments: &[ShellWord]) {
        let mut arguments = arguments.iter();
        let is_file = |word: &ShellWord| matches!(word.plain(), Some("-f" | "--file"));
        let is_other = arguments.any(is_file)
            && !arguments
                .next()
                .is_some_and(|file| file.text.ends_with("grubenv"));
        if is_other {
            self.opaque = true;
            for name in ["next_entry", "saved_entry"] {
                self.set.remove(name);
            }
        } else {
            let known = std::mem::take(&mut self.grubenv).into_iter();
            self.set
                .extend(known.map(|(name, value)| (name, Some(value))));
        }
    }
}

/// Whether a command that is a condition succeeds.
pub(crate) fn holds(command: &[ShellWord]) -> Truth {
    let (negated, command) = without_not(command);
    let inner = match command {
        [open, inner @ .., close] if is(open, "[") && is(close, "]") => inner,
        [test, inner @ ..] if is(test, "test") => inner,
        [word] if is(word, "true") => return Truth::from(!negated),
        [word] if is(word, "false") => return Truth::from(negated),
        _ => return Truth::Maybe,
    };
    if inner.iter().any(|word| is(word, "(") || is(word, ")")) {
        return Truth::Maybe;
    }
    let any = inner.split(|word| is(word, "-o")).map(|terms| {
        let all = terms.split(|word| is(word, "-a")).map(test);
        all.min().unwrap_or(Truth::No)
    });
    let holds = any.max().unwrap_or(Truth::No);
    if negated { !holds } else { holds }
}

/// One test, without `-a` and `-o`. What it looks at on the disk is not known.
fn test(term: &[ShellWord]) -> Truth {
    let (negated, term) = without_not(term);
    let is_empty = |word: &ShellWord| word.known().map(str::is_empty);
    let equal = |one: &ShellWord, two: &ShellWord| Some(one.known()? == two.known()?);
    let known = match term {
        [] => Some(false),
        [word] => is_empty(word).map(|empty| !empty),
        [n, word] if is(n, "-n") => is_empty(word).map(|empty| !empty),
        [z, word] if is(z, "-z") => is_empty(word),
        [one, sign, two] if is(sign, "=") || is(sign, "==") => equal(one, two),
        [one, sign, two] if is(sign, "!=") => equal(one, two).map(|equal| !equal),
        _ => None,
    };
    known.map_or(Truth::Maybe, |known| Truth::from(known != negated))
}

/// True of the word `text`, not quoted.
fn is(word: &ShellWord, text: &str) -> bool {
    word.plain() == Some(text)
}

/// Whether a `!` stands in front, and what stands behind it.
fn without_not(words: &[ShellWord]) -> (bool, &[ShellWord]) {
    match words {
        [not, rest @ ..] if is(not, "!") => (true, rest),
        _ => (false, words),
    }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! What a GRUB script has set when it ends, and which of its parts are run.

use std::collections::BTreeMap;

use super::Truth;
use super::lexer::{ShellWord, WordPart};

/// The deepest nesting of blocks that is followed. Generated scripts have four.
pub(crate) const DEEPEST: usize = 100;

/// The longest value of a variable, in bytes. A script can double one with
/// every line.
pub(crate) const MAX_VALUE: usize = 4 << 10;

/// The most variables that are kept.
const MAX_VARIABLES: usize = 10_000;

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
    /// sets it itself.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        if let Some(value) = self.set.get(name) {
            return value.clone();
        }
        let own = ["feature_", "grub_", "net_", "pxe_"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
            || [
                "prefix",
                "root",
                "cmdpath",
                "config_directory",
                "config_file",
            ]
            .contains(&name)
            || !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        (!own && !self.opaque).then(String::new)
    }

    /// Sets a variable where it is told how likely the command is run.
    pub(crate) fn set(&mut self, name: &str, value: Option<String>, run: Truth) {
        let value = match run {
            Truth::No => return,
            Truth::Yes => value,
            Truth::Maybe if self.get(name) == value => value,
            Truth::Maybe => None,
        };
        if self.set.len() < MAX_VARIABLES || self.set.contains_key(name) {
            self.set.insert(name.to_owned(), value);
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
        let is_file = |word: &&ShellWord| matches!(word.plain(), Some("-f" | "--file"));
        let other = arguments.find(is_file).is_some() && {
            let last = arguments.next().and_then(|file| file.parts.last());
            !matches!(last, Some(WordPart::Text(text)) if text.ends_with("grubenv"))
        };
        if other {
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

    /// The text of a word, if all its variables are known and it is not longer
    /// than a value can be.
    pub(crate) fn expand(&self, word: &ShellWord) -> Option<String> {
        word.parts.iter().try_fold(String::new(), |text, part| {
            let text = match part {
                WordPart::Text(more) => text + more,
                WordPart::Variable(name) => text + &self.get(name)?,
            };
            (text.len() <= MAX_VALUE).then_some(text)
        })
    }

    /// Whether a command that is a condition succeeds.
    pub(crate) fn holds(&self, command: &[ShellWord]) -> Truth {
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
            let all = terms.split(|word| is(word, "-a"));
            all.map(|term| self.test(term)).min().unwrap_or(Truth::No)
        });
        let holds = any.max().unwrap_or(Truth::No);
        if negated { !holds } else { holds }
    }

    /// One test, without `-a` and `-o`. What it looks at on the disk is not
    /// known.
    fn test(&self, term: &[ShellWord]) -> Truth {
        let (negated, term) = without_not(term);
        let empty = |word| self.expand(word).map(|text| text.is_empty());
        let equal = |one, two| Some(self.expand(one)? == self.expand(two)?);
        let known = match term {
            [] => Some(false),
            [word] => empty(word).map(|empty| !empty),
            [n, word] if is(n, "-n") => empty(word).map(|empty| !empty),
            [z, word] if is(z, "-z") => empty(word),
            [one, sign, two] if is(sign, "=") || is(sign, "==") => equal(one, two),
            [one, sign, two] if is(sign, "!=") => equal(one, two).map(|equal| !equal),
            _ => None,
        };
        known.map_or(Truth::Maybe, |known| Truth::from(known != negated))
    }
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

/// What a command is inside of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ScriptBlock {
    /// `if`: whether what it is inside of is run, whether an earlier branch
    /// was taken, whether the present one is.
    If {
        outside: Truth,
        earlier: Truth,
        now: Truth,
    },
    /// `for`, `while`, `until`.
    Loop { outside: Truth },
    /// `{ … }`: of a function, of a menu entry, or of nothing.
    Braces { outside: Truth, item: Option<usize> },
}

/// The blocks that the present command is inside of, the innermost last.
#[derive(Debug, Default)]
pub(crate) struct ScriptBlocks(Vec<ScriptBlock>);

impl ScriptBlocks {
    /// Whether a command is run here.
    pub(crate) fn run(&self) -> Truth {
        match self.0.last() {
            None => Truth::Yes,
            Some(ScriptBlock::If { now, .. }) => *now,
            Some(ScriptBlock::Loop { outside }) => (*outside).min(Truth::Maybe),
            Some(ScriptBlock::Braces { outside, .. }) => *outside,
        }
    }

    /// The innermost menu entry or submenu here.
    pub(crate) fn item(&self) -> Option<usize> {
        self.0.iter().rev().find_map(|block| match block {
            ScriptBlock::Braces { item, .. } => *item,
            _ => None,
        })
    }

    fn push(&mut self, block: ScriptBlock) -> bool {
        let fits = self.0.len() < DEEPEST;
        if fits {
            self.0.push(block);
        }
        fits
    }

    /// `if`; false if that is nested too deep.
    pub(crate) fn begin_if(&mut self, holds: Truth) -> bool {
        let outside = self.run();
        self.push(ScriptBlock::If {
            outside,
            earlier: holds,
            now: outside.min(holds),
        })
    }

    /// `elif` and, with a condition that holds, `else`.
    pub(crate) fn branch(&mut self, holds: Truth) {
        if let Some(ScriptBlock::If {
            outside,
            earlier,
            now,
        }) = self.0.last_mut()
        {
            *now = (*outside).min(!*earlier).min(holds);
            *earlier = (*earlier).max(holds);
        }
    }

    /// `for`, `while`, `until`; false if that is nested too deep.
    pub(crate) fn begin_loop(&mut self) -> bool {
        let outside = self.run();
        self.push(ScriptBlock::Loop { outside })
    }

    /// `{`, of a menu item if there is one; false if that is nested too deep.
    /// `run` says whether what is inside is run.
    pub(crate) fn begin_braces(&mut self, item: Option<usize>, run: Truth) -> bool {
        self.push(ScriptBlock::Braces { outside: run, item })
    }

    /// `fi` and `done`.
    pub(crate) fn end(&mut self) {
        if !matches!(self.0.last(), None | Some(ScriptBlock::Braces { .. })) {
            self.0.pop();
        }
    }

    /// `}`: the innermost braces end, and all that was left open in them.
    pub(crate) fn end_braces(&mut self) {
        let braces = |block: &ScriptBlock| matches!(block, ScriptBlock::Braces { .. });
        if let Some(at) = self.0.iter().rposition(braces) {
            self.0.truncate(at);
        }
    }
}

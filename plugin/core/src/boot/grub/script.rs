// SPDX-License-Identifier: GPL-2.0-or-later
//! GRUB's script: its words, what it has set, and whether its conditions hold.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::Chars;

use super::Truth;

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
    /// sets it itself. `menuentry_id_option` is set by every script that uses it,
    /// to nothing only for a GRUB before 2.00.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        if name == "menuentry_id_option" {
            return Some("--id");
        }
        if let Some(value) = self.set.get(name) {
            return value.as_deref();
        }
        let own = matches!(
            name,
            "prefix" | "root" | "cmdpath" | "config_directory" | "config_file"
        ) || ["feature_", "grub_", "net_", "pxe_"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
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

/// The most words of one command that are kept. Real ones have tens.
const MAX_WORDS: usize = 4096;

/// Stands in a word for what is not known: GRUB's own variables, and what is longer
/// than a value can be.
const UNKNOWN: char = '\0';

/// A word, quotes and escapes taken away.
#[derive(Debug)]
pub(crate) struct ShellWord {
    pub(crate) text: String,
    /// True if nothing of it was quoted or comes from a variable. Otherwise it is no
    /// keyword and no brace.
    is_plain: bool,
}

impl ShellWord {
    /// The text of a word that is neither quoted nor has a variable in it.
    pub(crate) fn plain(&self) -> Option<&str> {
        self.is_plain.then_some(&self.text)
    }

    /// The text of a word of which all is known.
    pub(crate) fn known(&self) -> Option<&str> {
        Some(self.text.as_str()).filter(|text| !text.contains(UNKNOWN))
    }

    /// The path that it is, without the device in front: `(hd0,1)` or `($root)`.
    pub(crate) fn path(&self) -> Option<&str> {
        let behind = self
            .text
            .strip_prefix('(')
            .and_then(|text| text.split_once(')'));
        let path = behind.map_or(self.text.as_str(), |(_, path)| path);
        Some(path).filter(|path| !path.contains(UNKNOWN))
    }

    /// Adds to the word, which begins here if it has not.
    fn add(word: &mut Option<Self>, text: Option<&str>, is_plain: bool) {
        let word = word.get_or_insert(Self {
            text: String::new(),
            is_plain: true,
        });
        word.is_plain &= is_plain;
        match text {
            Some(text) if word.text.len() + text.len() <= MAX_VALUE => word.text.push_str(text),
            _ if word.text.ends_with(UNKNOWN) => {}
            _ => word.text.push(UNKNOWN),
        }
    }
}

/// A command: its words up to the end of a line, `;`, `&`, `|` or a brace.
#[derive(Debug)]
pub(crate) struct ShellCommand {
    /// The line it starts on, from 1.
    pub(crate) line: usize,
    pub(crate) words: Vec<ShellWord>,
    /// What ended it.
    pub(crate) end: CommandEnd,
}

/// What ends a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CommandEnd {
    /// Nothing that matters here.
    Plain,
    /// `{`: a block begins.
    Opens,
    /// `}`: a block ends, after this command.
    Closes,
}

/// A script, read a command at a time.
pub(crate) struct ScriptReader<'a> {
    chars: Peekable<Chars<'a>>,
    line: usize,
}

impl<'a> ScriptReader<'a> {
    pub(crate) fn of(script: &'a str) -> Self {
        Self {
            chars: script.chars().peekable(),
            line: 1,
        }
    }

    /// The next command, with these variables; `None` at the end.
    pub(crate) fn command(&mut self, variables: &ScriptVariables) -> Option<ShellCommand> {
        self.chars.peek()?;
        let (mut line, mut started) = (self.line, false);
        let mut words = Vec::new();
        let mut word = None;
        let end = loop {
            let Some(char) = self.next_char() else {
                break CommandEnd::Plain;
            };
            if !started && !char.is_whitespace() {
                (started, line) = (true, self.line);
            }
            match char {
                '\'' => self.single_quoted(&mut word),
                '"' => self.double_quoted(&mut word, variables),
                '$' => self.variable(&mut word, variables),
                '\\' => match self.next_char() {
                    Some('\n') | None => {}
                    Some(escaped) => push(&mut word, escaped, false),
                },
                '#' if word.is_none() => while self.chars.next_if(|c| *c != '\n').is_some() {},
                '{' if word.is_none() => break CommandEnd::Opens,
                '}' if word.is_none() => break CommandEnd::Closes,
                '\n' | ';' | '&' | '|' => break CommandEnd::Plain,
                ' ' | '\t' | '\r' => words.extend(word.take()),
                plain => push(&mut word, plain, true),
            }
            words.truncate(MAX_WORDS);
        };
        words.extend(word);
        Some(ShellCommand { line, words, end })
    }

    fn next_char(&mut self) -> Option<char> {
        let char = self.chars.next()?;
        if char == '\n' {
            self.line += 1;
        }
        Some(char)
    }

    /// The rest of a word in single quotes.
    fn single_quoted(&mut self, word: &mut Option<ShellWord>) {
        ShellWord::add(word, Some(""), false);
        while let Some(char) = self.next_char().filter(|char| *char != '\'') {
            push(word, char, false);
        }
    }

    /// The rest of a word in double quotes.
    fn double_quoted(&mut self, word: &mut Option<ShellWord>, variables: &ScriptVariables) {
        ShellWord::add(word, Some(""), false);
        while let Some(char) = self.next_char() {
            match char {
                '"' => return,
                '$' => self.variable(word, variables),
                '\\' => match self.chars.peek() {
                    Some('"' | '\\' | '$') => {
                        push(word, self.next_char().unwrap_or_default(), false);
                    }
                    Some('\n') => drop(self.next_char()),
                    _ => push(word, '\\', false),
                },
                plain => push(word, plain, false),
            }
        }
    }

    /// What stands behind a `$`: `name`, `{name}`, a digit, or one of `?*@#`.
    fn variable(&mut self, word: &mut Option<ShellWord>, variables: &ScriptVariables) {
        let mut name = String::new();
        if self.chars.next_if_eq(&'{').is_some() {
            while let Some(char) = self.next_char().filter(|char| *char != '}') {
                name.push(char);
            }
        } else if let Some(sign) = self.chars.next_if(|c| "?*@#".contains(*c)) {
            name.push(sign);
        } else {
            let in_name = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
            while let Some(char) = self.chars.next_if(in_name) {
                name.push(char);
            }
        }
        match name.as_str() {
            "" => push(word, '$', true),
            name => ShellWord::add(word, variables.get(name), false),
        }
    }
}

fn push(word: &mut Option<ShellWord>, char: char, is_plain: bool) {
    ShellWord::add(word, Some(char.encode_utf8(&mut [0; 4])), is_plain);
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

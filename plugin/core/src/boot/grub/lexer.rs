// SPDX-License-Identifier: GPL-2.0-or-later
//! The words of a GRUB script, their variables filled in.

use std::iter::Peekable;
use std::str::Chars;

use super::script::{MAX_VALUE, ScriptVariables};

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

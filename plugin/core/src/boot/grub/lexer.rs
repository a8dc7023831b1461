// SPDX-License-Identifier: GPL-2.0-or-later
//! The words of a GRUB script.

use std::iter::Peekable;
use std::str::Chars;

/// The most words of one command that are kept. Real ones have tens.
const MAX_WORDS: usize = 4096;

/// The most parts of one word that are kept.
const MAX_PARTS: usize = 1024;

/// Part of a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum WordPart {
    /// Text as it stands there.
    Text(String),
    /// The value of this variable.
    Variable(String),
}

/// A word: its parts, quotes and escapes taken away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ShellWord {
    pub(crate) parts: Vec<WordPart>,
    /// True if any of it was quoted. Then it is no keyword and no brace.
    pub(crate) quoted: bool,
}

impl ShellWord {
    /// The text of a word that is neither quoted nor has a variable in it.
    pub(crate) fn plain(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [WordPart::Text(text)] if !self.quoted => Some(text),
            _ => None,
        }
    }

    fn push(&mut self, char: char) {
        match self.parts.last_mut() {
            Some(WordPart::Text(text)) => text.push(char),
            _ => self.add(WordPart::Text(char.into())),
        }
    }

    fn add(&mut self, part: WordPart) {
        if self.parts.len() < MAX_PARTS {
            self.parts.push(part);
        }
    }

    fn is_empty(&self) -> bool {
        self.parts.is_empty() && !self.quoted
    }
}

/// A command: its words up to the end of a line, `;`, `&`, `|` or a brace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ShellCommand {
    /// The line it starts on, from 1.
    pub(crate) line: usize,
    pub(crate) words: Vec<ShellWord>,
    /// What ended it.
    pub(crate) end: CommandEnd,
}

/// What ends a command.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum CommandEnd {
    /// Nothing that matters here.
    #[default]
    Plain,
    /// `{`: a block begins.
    Opens,
    /// `}`: a block ends, after this command.
    Closes,
}

/// The commands of a script, one at a time.
pub(crate) struct Commands<'a> {
    chars: Peekable<Chars<'a>>,
    line: usize,
}

impl<'a> Commands<'a> {
    pub(crate) fn of(script: &'a str) -> Self {
        Self {
            chars: script.chars().peekable(),
            line: 1,
        }
    }

    fn next_char(&mut self) -> Option<char> {
        let char = self.chars.next()?;
        if char == '\n' {
            self.line += 1;
        }
        Some(char)
    }

    fn skip_to_line_end(&mut self) {
        while self.chars.next_if(|char| *char != '\n').is_some() {}
    }

    /// The rest of a word in single quotes.
    fn single_quoted(&mut self, word: &mut ShellWord) {
        word.quoted = true;
        while let Some(char) = self.next_char().filter(|char| *char != '\'') {
            word.push(char);
        }
    }

    /// The rest of a word in double quotes.
    fn double_quoted(&mut self, word: &mut ShellWord) {
        word.quoted = true;
        while let Some(char) = self.next_char() {
            match char {
                '"' => return,
                '$' => self.variable(word),
                '\\' => match self.chars.peek() {
                    Some('"' | '\\' | '$') => word.push(self.next_char().unwrap_or_default()),
                    Some('\n') => drop(self.next_char()),
                    _ => word.push('\\'),
                },
                plain => word.push(plain),
            }
        }
    }

    /// What stands behind a `$`: `name`, `{name}`, a digit, or one of `?*@#`.
    fn variable(&mut self, word: &mut ShellWord) {
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
        if name.is_empty() {
            word.push('$');
        } else {
            word.add(WordPart::Variable(name));
        }
    }
}

impl Iterator for Commands<'_> {
    type Item = ShellCommand;

    fn next(&mut self) -> Option<ShellCommand> {
        self.chars.peek()?;
        let mut command = ShellCommand {
            line: self.line,
            ..ShellCommand::default()
        };
        let mut word = ShellWord::default();
        let mut finish = |word: &mut ShellWord| {
            let done = std::mem::take(word);
            if !done.is_empty() && command.words.len() < MAX_WORDS {
                command.words.push(done);
            }
        };
        let mut started = false;
        let end = loop {
            let Some(char) = self.next_char() else {
                break CommandEnd::Plain;
            };
            if !started && !char.is_whitespace() {
                started = true;
                command.line = self.line;
            }
            match char {
                '\'' => self.single_quoted(&mut word),
                '"' => self.double_quoted(&mut word),
                '$' => self.variable(&mut word),
                '\\' => match self.next_char() {
                    Some('\n') | None => {}
                    Some(escaped) => {
                        word.quoted = true;
                        word.push(escaped);
                    }
                },
                '#' if word.is_empty() => self.skip_to_line_end(),
                '{' if word.is_empty() => break CommandEnd::Opens,
                '}' if word.is_empty() => break CommandEnd::Closes,
                '\n' | ';' | '&' | '|' => break CommandEnd::Plain,
                ' ' | '\t' | '\r' => finish(&mut word),
                plain => word.push(plain),
            }
        };
        finish(&mut word);
        command.end = end;
        Some(command)
    }
}

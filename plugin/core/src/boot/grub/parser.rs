// SPDX-License-Identifier: GPL-2.0-or-later
//! From the script of a `grub.cfg` to its menu.

use std::collections::BTreeMap;

use super::Truth;
use super::lexer::{CommandEnd, Commands, ShellCommand, ShellWord, WordPart};
use super::menu::{Menu, MenuItem, MenuItemKind};
use super::script::{DEEPEST, MAX_VALUE, ScriptBlocks, ScriptVariables};
use crate::boot::error::Fault;

/// The most items of a menu that are taken.
const MAX_ITEMS: usize = 10_000;

/// The most initrds of one item that are taken.
const MAX_INITRDS: usize = 64;

/// The most faults of one script that are told.
const MAX_FAULTS: usize = 100;

impl Menu {
    /// Reads a `grub.cfg`, with the variables of its `grubenv`.
    pub fn parse(script: &str, grubenv: BTreeMap<String, String>) -> Self {
        let mut reader = MenuParser {
            variables: ScriptVariables::new(grubenv),
            blocks: ScriptBlocks::default(),
            items: Vec::new(),
            faults: Vec::new(),
        };
        let whole = Commands::of(script).all(|command| reader.run(command));
        Self {
            default: reader.variables.get("default").filter(|_| whole),
            items: reader.items,
            faults: reader.faults,
        }
    }
}

/// Follows a script.
struct MenuParser {
    variables: ScriptVariables,
    blocks: ScriptBlocks,
    items: Vec<MenuItem>,
    faults: Vec<Fault>,
}

impl MenuParser {
    /// Runs one command; false ends the script.
    fn run(&mut self, command: ShellCommand) -> bool {
        let ShellCommand { line, words, end } = command;
        let mut fits = true;
        let mut words = words.as_slice();
        // A keyword may have a command behind it on the same line.
        while let [first, rest @ ..] = words {
            match first.plain() {
                Some("if") => fits &= self.blocks.begin_if(self.variables.holds(rest)),
                Some("elif") => self.blocks.branch(self.variables.holds(rest)),
                Some("for" | "while" | "until") => fits &= self.blocks.begin_loop(),
                Some("fi" | "done") => self.blocks.end(),
                Some("else") => {
                    self.blocks.branch(Truth::Yes);
                    words = rest;
                    continue;
                }
                Some("then" | "do") => {
                    words = rest;
                    continue;
                }
                _ => break,
            }
            words = &[];
        }
        match end {
            CommandEnd::Opens => fits &= self.open(line, words),
            CommandEnd::Plain => self.execute(line, words),
            CommandEnd::Closes => {
                self.execute(line, words);
                self.blocks.end_braces();
            }
        }
        if !fits || self.items.len() > MAX_ITEMS {
            let what = format!("at most {MAX_ITEMS} items and {DEEPEST} blocks in each other");
            self.fault(line, &what);
            return false;
        }
        true
    }

    /// A command that has a block behind it.
    fn open(&mut self, line: usize, words: &[ShellWord]) -> bool {
        let run = self.blocks.run();
        let kind = match words.first().and_then(ShellWord::plain) {
            Some("menuentry") => MenuItemKind::Entry,
            Some("submenu") => MenuItemKind::Submenu,
            // What a function does is not followed to where it is called.
            Some("function") => return self.blocks.begin_braces(None, Truth::No),
            _ => return self.blocks.begin_braces(self.blocks.item(), run),
        };
        let mut item = MenuItem::new(kind, line, self.blocks.item(), run);
        let mut words = words.iter().skip(1);
        while let Some(word) = words.next() {
            let is_id = |part: &WordPart| *part == WordPart::Variable("menuentry_id_option".into());
            match word.plain() {
                Some("--id") => item.id = words.next().and_then(|w| self.variables.expand(w)),
                Some("--class" | "--users" | "--hotkey" | "--source") => drop(words.next()),
                Some(option) if option.starts_with("--") => {
                    let id = option.strip_prefix("--id=").map(str::to_owned);
                    item.id = id.or(item.id);
                }
                _ if word.parts.first().is_some_and(is_id) => {
                    item.id = words.next().and_then(|w| self.variables.expand(w));
                }
                _ if item.title.is_none() => item.title = self.variables.expand(word),
                _ => {}
            }
        }
        self.items.push(item);
        self.blocks.begin_braces(Some(self.items.len() - 1), run)
    }

    fn fault(&mut self, line: usize, expected: &str) {
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(Fault::at(line, expected));
        }
    }

    fn execute(&mut self, line: usize, words: &[ShellWord]) {
        let [first, rest @ ..] = words else { return };
        let run = self.blocks.run();
        if run == Truth::No {
            return;
        }
        let inside = self.blocks.item();
        let is_blscfg = first.plain() == Some("blscfg");
        if is_blscfg && inside.is_none_or(|index| self.is_submenu(index)) {
            self.items
                .push(MenuItem::new(MenuItemKind::Bls, line, inside, run));
            return;
        }
        // What a menu sets is set when somebody opens it.
        if let Some(index) = inside {
            return self.boot_command(index, line, first, rest);
        }
        match (first.plain(), rest) {
            (Some("load_env"), _) => self.variables.load(rest),
            (Some("set"), [word, ..]) => self.assign(word, run),
            (_, []) => self.assign(first, run),
            _ => {}
        }
    }

    fn is_submenu(&self, index: usize) -> bool {
        let item = self.items.get(index);
        item.is_some_and(|item| item.kind == MenuItemKind::Submenu)
    }

    /// `name=value`; any other word is none.
    fn assign(&mut self, word: &ShellWord, run: Truth) {
        let [WordPart::Text(head), tail @ ..] = word.parts.as_slice() else {
            return;
        };
        if let Some((name, start)) = head.split_once('=') {
            let rest = ShellWord {
                parts: tail.to_vec(),
                quoted: true,
            };
            let value = self.variables.expand(&rest);
            let value = value.map(|rest| start.to_owned() + &rest);
            self.variables.set(name, value, run);
        }
    }

    /// A command of a menu entry. Of several kernels the first one counts.
    fn boot_command(&mut self, index: usize, line: usize, first: &ShellWord, rest: &[ShellWord]) {
        let is_option = |word: &&ShellWord| word.plain().is_some_and(|w| w.starts_with("--"));
        let options = rest.iter().take_while(is_option).count();
        let Some((path, arguments)) = rest.get(options..).and_then(<[ShellWord]>::split_first)
        else {
            return;
        };
        let Some(item) = self.items.get_mut(index) else {
            return;
        };
        match first.plain() {
            // A hypervisor is started by multiboot; its first module is the kernel.
            Some("linux" | "linuxefi" | "linux16" | "module" | "module2")
                if item.kernel.is_none() =>
            {
                let Some(path) = self.variables.expand(&without_device(path)) else {
                    return self.fault(line, "a path without variables that only GRUB knows");
                };
                item.kernel = Some((line, path));
                let words = arguments.iter().filter_map(|w| self.variables.expand(w));
                for word in words.filter(|word| !word.is_empty()) {
                    if item.options.len() + word.len() < MAX_VALUE {
                        let blank = if item.options.is_empty() { "" } else { " " };
                        item.options.extend([blank, &word]);
                    }
                }
            }
            Some("initrd" | "initrdefi" | "initrd16" | "module" | "module2") => {
                let paths = rest.iter().skip(options).map(without_device);
                let paths = paths.filter_map(|path| self.variables.expand(&path));
                let room = MAX_INITRDS.saturating_sub(item.initrds.len());
                item.initrds.extend(paths.take(room));
            }
            _ => {}
        }
    }
}

/// A path without the `(hd0,1)` or `($root)` in front of it: the device.
fn without_device(path: &ShellWord) -> ShellWord {
    let mut path = path.clone();
    let starts = matches!(path.parts.first(), Some(WordPart::Text(text)) if text.starts_with('('));
    let end = |part: &WordPart| matches!(part, WordPart::Text(text) if text.contains(')'));
    if starts && let Some(at) = path.parts.iter().position(end) {
        path.parts.drain(..at);
        if let Some(WordPart::Text(text)) = path.parts.first_mut() {
            *text = text.split_once(')').map_or("", |(_, path)| path).to_owned();
        }
    }
    path
}

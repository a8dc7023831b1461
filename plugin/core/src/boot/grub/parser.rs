// SPDX-License-Identifier: GPL-2.0-or-later
//! From the script of a `grub.cfg` to its menu.

use std::collections::BTreeMap;

use super::Truth;
use super::menu::{Menu, MenuItem, MenuItemKind};
use super::script::{
    CommandEnd, MAX_VALUE, ScriptReader, ScriptVariables, ShellCommand, ShellWord, holds,
};
use crate::boot::fault_at;

/// The most items of a menu that are taken.
const MAX_ITEMS: usize = 10_000;

/// The deepest nesting of blocks that is followed. Generated scripts have four.
const DEEPEST: usize = 100;

/// The most initrds of one item that are taken.
const MAX_INITRDS: usize = 64;

/// The most faults of one script that are told.
const MAX_FAULTS: usize = 100;

impl Menu {
    /// Reads a `grub.cfg`, with the variables of its `grubenv`.
    pub fn parse(script: &str, grubenv: BTreeMap<String, String>) -> Self {
        let mut parser = MenuParser {
            variables: ScriptVariables::new(grubenv),
            blocks: Vec::new(),
            items: Vec::new(),
            faults: Vec::new(),
        };
        let mut reader = ScriptReader::of(script);
        let mut whole = true;
        while whole && let Some(command) = reader.command(&parser.variables) {
            whole = parser.run(&command);
        }
        let default = parser.variables.get("default").filter(|_| whole);
        Self {
            default: default.map(str::to_owned),
            items: parser.items,
            faults: parser.faults,
        }
    }
}

/// What a command is inside of: an `if`, a loop, or braces, which are those of a
/// function, of a menu entry, or of nothing.
struct ScriptBlock {
    braces: bool,
    /// Whether the block itself is run.
    outside: Truth,
    /// Whether an earlier branch was taken.
    earlier: Truth,
    /// Whether a command in it is run.
    run: Truth,
    /// The menu entry or submenu that it is in.
    item: Option<usize>,
}

/// Follows a script.
struct MenuParser {
    variables: ScriptVariables,
    /// The innermost last.
    blocks: Vec<ScriptBlock>,
    items: Vec<MenuItem>,
    faults: Vec<String>,
}

impl MenuParser {
    /// Runs one command; false ends the script.
    fn run(&mut self, command: &ShellCommand) -> bool {
        let line = command.line;
        let mut words = command.words.as_slice();
        // A keyword may have a command behind it on the same line.
        while let [first, rest @ ..] = words {
            words = match first.plain() {
                Some("then" | "do") => rest,
                Some("else") => {
                    self.branch(Truth::Yes);
                    rest
                }
                Some("if") => {
                    self.begin(false, holds(rest), None);
                    &[]
                }
                Some("elif") => {
                    self.branch(holds(rest));
                    &[]
                }
                Some("for" | "while" | "until") => {
                    self.begin(false, Truth::Maybe, None);
                    &[]
                }
                Some("fi" | "done") => {
                    self.blocks.pop_if(|block| !block.braces);
                    &[]
                }
                _ => break,
            };
        }
        match command.end {
            CommandEnd::Opens => self.open(line, words),
            CommandEnd::Plain => self.execute(line, words),
            CommandEnd::Closes => {
                self.execute(line, words);
                // All that was left open in the braces ends with them.
                if let Some(at) = self.blocks.iter().rposition(|block| block.braces) {
                    self.blocks.truncate(at);
                }
            }
        }
        let fits = self.blocks.len() <= DEEPEST && self.items.len() <= MAX_ITEMS;
        if !fits {
            let what = format!("at most {MAX_ITEMS} items and {DEEPEST} blocks in each other");
            self.fault(line, &what);
        }
        fits
    }

    /// Whether a command is run here, and the innermost menu entry or submenu.
    fn here(&self) -> (Truth, Option<usize>) {
        let innermost = self.blocks.last();
        innermost.map_or((Truth::Yes, None), |block| (block.run, block.item))
    }

    /// An item of a menu that stands here.
    fn item(&self, kind: MenuItemKind, line: usize) -> MenuItem {
        let (shown, parent) = self.here();
        MenuItem {
            kind,
            line,
            parent,
            shown,
            ..MenuItem::default()
        }
    }

    /// Begins a block that is run if this holds, of a menu item if there is one.
    fn begin(&mut self, braces: bool, holds: Truth, item: Option<usize>) {
        let (outside, inside) = self.here();
        self.blocks.push(ScriptBlock {
            braces,
            outside,
            earlier: holds,
            run: outside.min(holds),
            item: item.or(inside),
        });
    }

    /// `elif` and, with a condition that holds, `else`.
    fn branch(&mut self, holds: Truth) {
        if let Some(block) = self.blocks.last_mut().filter(|block| !block.braces) {
            block.run = block.outside.min(!block.earlier).min(holds);
            block.earlier = block.earlier.max(holds);
        }
    }

    /// A command that has a block behind it.
    fn open(&mut self, line: usize, words: &[ShellWord]) {
        let kind = match words.first().and_then(ShellWord::plain) {
            Some("menuentry") => MenuItemKind::Entry,
            Some("submenu") => MenuItemKind::Submenu,
            // What a function does is not followed to where it is called.
            Some("function") => return self.begin(true, Truth::No, None),
            _ => return self.begin(true, Truth::Yes, None),
        };
        let mut item = self.item(kind, line);
        let mut words = words.iter().skip(1);
        let owned = |word: &ShellWord| word.known().map(str::to_owned);
        while let Some(word) = words.next() {
            match word.known() {
                Some("--id") => item.id = words.next().and_then(owned),
                Some("--class" | "--users" | "--hotkey" | "--source") => drop(words.next()),
                Some(option) if option.starts_with("--") => {
                    let id = option.strip_prefix("--id=").map(str::to_owned);
                    item.id = id.or(item.id);
                }
                _ if item.title.is_none() => item.title = owned(word),
                _ => {}
            }
        }
        self.items.push(item);
        self.begin(true, Truth::Yes, Some(self.items.len() - 1));
    }

    fn fault(&mut self, line: usize, expected: &str) {
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(fault_at(line, expected));
        }
    }

    fn execute(&mut self, line: usize, words: &[ShellWord]) {
        let [first, rest @ ..] = words else { return };
        let (run, inside) = self.here();
        if run == Truth::No {
            return;
        }
        let item = inside.and_then(|index| self.items.get(index));
        let in_menu = item.is_none_or(|item| item.kind == MenuItemKind::Submenu);
        if in_menu && first.plain() == Some("blscfg") {
            return self.items.push(self.item(MenuItemKind::Bls, line));
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

    /// `name=value`; any other word is none.
    fn assign(&mut self, word: &ShellWord, run: Truth) {
        if let Some((name, value)) = word.text.split_once('=') {
            let value = word.known().map(|_| value);
            self.variables.set(name, value, run);
        }
    }

    /// A command of a menu entry. Of several kernels the first one counts.
    fn boot_command(&mut self, index: usize, line: usize, first: &ShellWord, rest: &[ShellWord]) {
        let is_option = |word: &&ShellWord| word.plain().is_some_and(|w| w.starts_with("--"));
        let mut arguments = rest.iter().skip_while(is_option).peekable();
        let (Some(path), Some(item)) = (arguments.peek(), self.items.get_mut(index)) else {
            return;
        };
        match first.plain() {
            // A hypervisor is started by multiboot; its first module is the kernel.
            Some("linux" | "linuxefi" | "linux16" | "module" | "module2")
                if item.kernel.is_none() =>
            {
                let Some(path) = path.path() else {
                    return self.fault(line, "a path without variables that only GRUB knows");
                };
                item.kernel = Some((line, path.to_owned()));
                let words = arguments.skip(1).filter_map(ShellWord::known);
                for word in words.filter(|word| !word.is_empty()) {
                    if item.options.len() + word.len() < MAX_VALUE {
                        let blank = if item.options.is_empty() { "" } else { " " };
                        item.options.extend([blank, word]);
                    }
                }
            }
            Some("initrd" | "initrdefi" | "initrd16" | "module" | "module2") => {
                let room = MAX_INITRDS.saturating_sub(item.initrds.len());
                let paths = arguments.filter_map(ShellWord::path).take(room);
                item.initrds.extend(paths.map(str::to_owned));
            }
            _ => {}
        }
    }
}

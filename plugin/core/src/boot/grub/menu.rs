// SPDX-License-Identifier: GPL-2.0-or-later
//! The menu of a `grub.cfg`, and which of its items is the default.

use super::Truth;

/// What an item of a menu is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum MenuItemKind {
    /// `menuentry`.
    #[default]
    Entry,
    /// `submenu`.
    Submenu,
    /// `blscfg`: here stand the entries of the Boot Loader Specification.
    Bls,
}

/// An item of a menu.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct MenuItem {
    pub(crate) kind: MenuItemKind,
    /// The line it starts on, from 1.
    pub(crate) line: usize,
    /// The submenu that it is in.
    pub(crate) parent: Option<usize>,
    /// Whether it is in the menu.
    pub(crate) shown: Truth,
    /// What the menu shows.
    pub(crate) title: Option<String>,
    /// `--id`.
    pub(crate) id: Option<String>,
    /// The line and path of the kernel that it starts, as they stand there,
    /// without the device in front.
    pub(crate) kernel: Option<(usize, String)>,
    /// The kernel's command line.
    pub(crate) options: String,
    /// Paths of its initrds, likewise.
    pub(crate) initrds: Vec<String>,
}

/// A menu, and what is known of its default.
#[derive(Debug)]
pub struct Menu {
    /// In the order of the script.
    pub(crate) items: Vec<MenuItem>,
    /// The variable `default`; `None` if it cannot be told.
    pub(crate) default: Option<String>,
    /// What is wrong with the script.
    pub(crate) faults: Vec<String>,
}

/// An entry of the Boot Loader Specification, as GRUB names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlsEntry {
    /// The name of its file without `.conf`.
    pub id: String,
    /// `title`.
    pub title: String,
}

/// What GRUB starts by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selected {
    /// This item of [`Menu::items`].
    Item(usize),
    /// This entry of the Boot Loader Specification.
    Bls(usize),
}

impl Menu {
    /// What is started by default, where `blscfg` brings in `bls`, first that
    /// which the menu shows first; or why it cannot be told.
    ///
    /// The value of `default` names an item by number, title or id, and goes on
    /// behind `>` in a submenu; what names none means the first
    /// (grub-core/normal/menu.c, 2.06).
    pub fn default(&self, bls: &[BlsEntry]) -> Result<Selected, &'static str> {
        let computed = "grub.cfg chooses it by what only GRUB knows while booting";
        let wanted = self.default.as_ref().ok_or(computed)?;
        let mut names = components(wanted).into_iter();
        let mut menu = None;
        loop {
            match self.pick(menu, bls, &names.next().unwrap_or_default())? {
                Selected::Item(index) if self.is_submenu(index) => menu = Some(index),
                found => return Ok(found),
            }
        }
    }

    fn is_submenu(&self, index: usize) -> bool {
        let item = self.items.get(index);
        item.is_some_and(|item| item.kind == MenuItemKind::Submenu)
    }

    /// The item that `name` means in the submenu `menu`, or in the menu itself.
    fn pick(
        &self,
        menu: Option<usize>,
        bls: &[BlsEntry],
        name: &str,
    ) -> Result<Selected, &'static str> {
        // A second `blscfg` has nothing new to bring in.
        let mut bls = bls.iter().enumerate();
        let mut places = Vec::new();
        for (index, item) in self.items.iter().enumerate() {
            if item.parent != menu || item.shown == Truth::No {
                continue;
            }
            if item.kind == MenuItemKind::Bls {
                places.extend(bls.by_ref().map(|(at, entry)| {
                    let names = [Some(entry.title.as_str()), Some(entry.id.as_str())];
                    (Selected::Bls(at), names, item.shown)
                }));
            } else {
                let names = [item.title.as_deref(), item.id.as_deref()];
                places.push((Selected::Item(index), names, item.shown));
            }
        }
        let is_number = name.bytes().all(|b| b.is_ascii_digit());
        let mut named = places.iter().filter(|_| !is_number);
        if let Some((selected, ..)) = named.find(|(_, names, _)| names.contains(&Some(name))) {
            return Ok(*selected);
        }
        // No number, or too large a one, means the first.
        let at = name
            .parse()
            .ok()
            .filter(|at| is_number && *at < places.len());
        let at = at.unwrap_or(0);
        let mut up_to = places.iter().take(at + 1);
        if up_to.any(|(.., shown)| *shown != Truth::Yes) {
            return Err("grub.cfg counts items that only some machines have");
        }
        let place = places.get(at).ok_or("grub.cfg has no items")?;
        Ok(place.0)
    }
}

/// The parts of a `default`, which stand between `>`; `>>` is a `>`.
fn components(value: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut chars = value.chars().peekable();
    while let Some(char) = chars.next() {
        if char == '>' && chars.next_if_eq(&'>').is_none() {
            parts.push(String::new());
        } else if let Some(part) = parts.last_mut() {
            part.push(char);
        }
    }
    parts
}

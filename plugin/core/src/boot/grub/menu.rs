// SPDX-License-Identifier: GPL-2.0-or-later
//! The menu of a `grub.cfg`, and which of its items is the default.

use std::collections::BTreeMap;

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
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selected {
    /// This item of [`Menu::items`].
    Item(usize),
    /// This entry of the Boot Loader Specification.
    Bls(usize),
}

impl Menu {
    /// What is started by default, where `blscfg` brings in `bls`, first that
    /// which the menu shows first.
    ///
    /// The value of `default` names an item by number, title or id, and goes on
    /// behind `>` in a submenu; what names none means the first
    /// (grub-core/normal/menu.c, 2.06).
    ///
    /// # Errors
    /// Why it cannot be told.
    pub fn default(&self, bls: &[BlsEntry]) -> Result<Selected, &'static str> {
        let computed = "grub.cfg chooses it by what only GRUB knows while booting";
        let wanted = self.default.as_ref().ok_or(computed)?;
        let mut below: BTreeMap<Option<usize>, Vec<usize>> = BTreeMap::new();
        for (index, item) in self.items.iter().enumerate() {
            if item.shown != Truth::No {
                below.entry(item.parent).or_default().push(index);
            }
        }
        let mut names = components(wanted).into_iter();
        let mut menu = None;
        loop {
            let name = names.next().unwrap_or_default();
            let items = below.remove(&menu).unwrap_or_default();
            match self.pick(&items, bls, &name)? {
                Selected::Item(index) if self.is_submenu(index) => menu = Some(index),
                found => return Ok(found),
            }
        }
    }

    fn is_submenu(&self, index: usize) -> bool {
        let item = self.items.get(index);
        item.is_some_and(|item| item.kind == MenuItemKind::Submenu)
    }

    /// The item of one menu that `name` means.
    fn pick(
        &self,
        items: &[usize],
        bls: &[BlsEntry],
        name: &str,
    ) -> Result<Selected, &'static str> {
        let mut places = Vec::new();
        let mut bls = Some(bls);
        for (index, item) in items.iter().filter_map(|i| Some((*i, self.items.get(*i)?))) {
            if item.kind == MenuItemKind::Bls {
                // A second `blscfg` has nothing new to bring in.
                let entries = bls.take().into_iter().flatten().enumerate();
                places.extend(entries.map(|(at, entry)| MenuPlace {
                    selected: Selected::Bls(at),
                    names: [Some(&entry.title), Some(&entry.id)],
                    shown: item.shown,
                }));
            } else {
                places.push(MenuPlace {
                    selected: Selected::Item(index),
                    names: [item.title.as_ref(), item.id.as_ref()],
                    shown: item.shown,
                });
            }
        }
        let by_name = |place: &&MenuPlace<'_>| place.names.iter().flatten().any(|n| *n == name);
        let number = name.bytes().all(|b| b.is_ascii_digit()).then_some(name);
        let number = number.map(|digits| digits.parse().unwrap_or(0));
        if number.is_none()
            && let Some(place) = places.iter().find(by_name)
        {
            return Ok(place.selected.clone());
        }
        let at = number.filter(|at| *at < places.len()).unwrap_or(0);
        if places.iter().take(at + 1).any(|p| p.shown != Truth::Yes) {
            return Err("grub.cfg counts items that only some machines have");
        }
        let place = places.into_iter().nth(at);
        place
            .map(|place| place.selected)
            .ok_or("grub.cfg has no items")
    }
}

/// Something that can be started, at its place in one menu.
struct MenuPlace<'a> {
    selected: Selected,
    names: [Option<&'a String>; 2],
    shown: Truth,
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

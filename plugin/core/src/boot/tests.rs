// SPDX-License-Identifier: GPL-2.0-or-later
#![allow(clippy::unwrap_used)]

mod layouts;
mod mending;
mod menus;
mod trouble;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use tempfile::TempDir;

use super::*;
use crate::kernel::image::tests::assemble::uki;

/// A root in a temporary directory.
struct Place {
    dir: TempDir,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { dir }
    }

    /// A root with images in its module directories, which `lib` links to.
    fn with_modules(releases: &[&str]) -> Self {
        let place = Self::new();
        for release in releases {
            place.file(&format!("usr/lib/modules/{release}/vmlinuz"), release);
        }
        place.link("lib", "usr/lib");
        place
    }

    fn file(&self, path: &str, content: &(impl AsRef<[u8]> + ?Sized)) {
        let path = self.dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// A unified kernel image of a release.
    fn uki(&self, path: &str, release: &str, options: &str, os_release: &str) {
        let sections = [
            (".linux", "\x7fELF"),
            (".uname", release),
            (".cmdline", options),
            (".osrel", os_release),
        ];
        let has_text = |(_, text): &(_, &str)| !text.is_empty();
        let sections = sections.into_iter().filter(has_text);
        let sections = sections.map(|(name, text)| (name, text.as_bytes()));
        self.file(path, &uki(&sections.collect::<Vec<_>>()));
    }

    fn link(&self, path: &str, target: &str) {
        let path = self.dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
    }

    /// An EFI variable of the boot loader interface.
    fn variable(&self, name: &str, value: &str) {
        let mut bytes = vec![7, 0, 0, 0];
        bytes.extend(value.encode_utf16().chain([0]).flat_map(u16::to_le_bytes));
        let name = format!("{name}-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f");
        self.file(&format!("sys/firmware/efi/efivars/{name}"), &bytes);
    }

    fn root(&self) -> Root {
        Root::new(self.dir.path()).unwrap()
    }

    fn discover(&self) -> BootKernels {
        let efivars = self.dir.path().join("sys/firmware/efi/efivars");
        discover(&self.root(), &[], Some(&efivars))
    }

    /// What is found, one line a kernel: path, release, snapshot, and what
    /// leads to it, a star at the default.
    fn kernels(&self) -> Vec<String> {
        let found = self.discover();
        let is_there = |kernel: &&Bootable| kernel.file.exists();
        let lines = found.kernels.iter().filter(is_there).map(|kernel| {
            let via = kernel.via.iter().map(|via| {
                let star = if via.default { "*" } else { "" };
                let id = via.id.as_deref().unwrap_or_default();
                format!("{:?}{star} {id}", via.way).trim_end().to_owned()
            });
            let release = kernel.release.as_deref().unwrap_or("?");
            let home = match &kernel.home {
                ModulesRoot::Root => String::new(),
                ModulesRoot::Snapshot { number, .. } => format!(" in snapshot {number}"),
                ModulesRoot::Unreachable { number } => format!(" in no snapshot {number}"),
            };
            let via: Vec<String> = via.collect();
            let path = self.inside(&kernel.path);
            format!("{path} {release}{home}: {}", via.join(", "))
        });
        lines.collect()
    }

    fn default(&self) -> String {
        let text = match self.discover().default {
            BootDefault::Known(by) => by,
            BootDefault::Unknown(why) => format!("unknown: {why}"),
        };
        self.without_place(&text)
    }

    fn problems(&self) -> Vec<String> {
        let found = self.discover();
        let via = found.kernels.iter().flat_map(|kernel| &kernel.via);
        let faults = via.filter_map(|via| via.fault.as_ref());
        let all = found.problems.iter().chain(faults);
        let mut all: Vec<_> = all.map(|p| self.without_place(&p.to_string())).collect();
        all.sort();
        all
    }

    fn inside(&self, path: &Path) -> String {
        self.without_place(&path.display().to_string())
    }

    fn without_place(&self, text: &str) -> String {
        text.replace(&self.root().path().display().to_string(), "")
    }
}

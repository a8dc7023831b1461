// SPDX-License-Identifier: GPL-2.0-or-later
//! What of a package rpm does not install or remove, by its path.
//!
//! rpm works this out after `tsm_pre` (`rpmtsPrepare()`, lib/transaction.c), and no
//! public function tells it.

use std::fs;

use btf_guard_protocol::caller;

use crate::librpm::TransactionSet;

/// The paths that are skipped.
#[derive(Debug, Default)]
pub(crate) struct SkippedPaths {
    /// `%_netsharedpath`.
    net_shared: Vec<Vec<u8>>,
    /// rpm's `--excludepath` and `--relocate`: each path in a package, and whether it is
    /// left out. Sorted; of several above a file, the last counts.
    relocations: Vec<(Vec<u8>, bool)>,
}

impl SkippedPaths {
    /// Of this transaction: by rpm's macro, and by the command line of rpm itself, which
    /// alone has such options.
    pub(crate) fn of(transaction: &TransactionSet<'_>) -> Self {
        let command_line = match caller::program(std::process::id()).as_str() {
            "rpm" => fs::read("/proc/self/cmdline").unwrap_or_default(),
            _ => Vec::new(),
        };
        Self::read(&transaction.net_shared_paths(), &command_line)
    }

    fn read(net_shared: &str, command_line: &[u8]) -> Self {
        let net_shared = net_shared.split(':').filter(|path| !path.is_empty());
        let mut this = Self {
            net_shared: net_shared.map(|path| path.as_bytes().to_vec()).collect(),
            relocations: Vec::new(),
        };
        let mut words = command_line.split(|byte| *byte == 0);
        while let Some(word) = words.next().filter(|word| *word != b"--") {
            for (option, is_excluded) in [("--excludepath", true), ("--relocate", false)] {
                let Some(rest) = word.strip_prefix(option.as_bytes()) else {
                    continue;
                };
                let value = match rest.split_first() {
                    None => words.next(),
                    Some((b'=', value)) => Some(value),
                    Some(_) => None,
                };
                let old = value.and_then(|value| match is_excluded {
                    true => Some(value),
                    false => value.split(|byte| *byte == b'=').next(),
                });
                let old = old.map(|old| old.strip_suffix(b"/").unwrap_or(old).to_vec());
                this.relocations.extend(old.map(|old| (old, is_excluded)));
            }
        }
        this.relocations.sort();
        this
    }

    /// A file of an installed package that rpm leaves where it is
    /// (`matchNetsharedpath()`). A directory ends in `/`.
    pub(crate) fn is_shared(&self, directory: &[u8], name: &[u8]) -> bool {
        self.net_shared.iter().any(|shared| {
            match (
                directory.strip_prefix(shared.as_slice()),
                shared.strip_prefix(directory),
            ) {
                (Some(rest), _) => matches!(rest.first(), None | Some(b'/')),
                (None, Some(rest)) => rest.strip_suffix(b"/").unwrap_or(rest) == name,
                (None, None) => false,
            }
        })
    }

    /// A file of a package that is left out, by its path in the package
    /// (`rpmRelocateFileList()`, lib/relocation.c).
    pub(crate) fn is_excluded(&self, directory: &[u8], name: &[u8]) -> bool {
        let above = self.relocations.iter().rev().find(|(old, _)| {
            let rest = match directory.strip_prefix(old.as_slice()) {
                Some(rest) => return rest.first() == Some(&b'/'),
                None => old.strip_prefix(directory),
            };
            rest == Some(name)
        });
        above.is_some_and(|(_, is_excluded)| *is_excluded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(net_shared: &str, words: &[&str], path: &str) -> (bool, bool) {
        let skipped = SkippedPaths::read(net_shared, words.join("\0").as_bytes());
        let at = path.rfind('/').unwrap_or(0) + 1;
        let (directory, name) = path.as_bytes().split_at(at);
        let shared = skipped.is_shared(directory, name);
        (shared, skipped.is_excluded(directory, name))
    }

    #[test]
    fn whole_parts_of_paths_are_shared() {
        for (shared, expected) in [
            ("/lib/modules", true),
            ("/srv:/lib/modules/6.1/extra", true),
            ("/lib/modules/6.1/extra/", true),
            ("/lib/modules/6.1/extra/a.ko", true),
            ("/lib/modules/6.1/extra/a.ko/", true),
            // As rpm has it: a slash behind it, and only that very directory.
            ("/lib/modules/6.1/", false),
            ("/lib/modules/6.1/ext", false),
            ("/lib/modules/6.1/extra/a", false),
            ("/lib/modules/6.1/extra/a.ko/b", false),
            ("/srv", false),
            ("", false),
            (":", false),
        ] {
            let found = of(shared, &[], "/lib/modules/6.1/extra/a.ko");
            assert_eq!(found, (expected, false), "{shared}");
        }
    }

    #[test]
    fn paths_are_excluded_by_the_option_that_is_closest() {
        for (words, expected) in [
            (&["--excludepath=/lib/modules/6.1"][..], true),
            (&["--excludepath", "/lib/modules/6.1/extra/"], true),
            (&["-U", "--excludepath=/lib/modules/6.1/extra/a.ko"], true),
            (&["--excludepath=/"], true),
            (
                &["--excludepath=/lib", "--relocate", "/lib/modules/6.1=/opt"],
                false,
            ),
            (
                &["--excludepath=/lib/modules/6.1", "--relocate=/lib=/opt"],
                true,
            ),
            (&["--excludepath=/lib/modules/6"], false),
            (&["--excludepath=/lib/modules/6.1/extra/a"], false),
            (&["--excludepaths=/lib"], false),
            (&["--excludepath"], false),
            (&["--", "--excludepath=/lib"], false),
            (&[], false),
        ] {
            let found = of("", words, "/lib/modules/6.1/extra/a.ko");
            assert_eq!(found, (false, expected), "{words:?}");
        }
    }
}

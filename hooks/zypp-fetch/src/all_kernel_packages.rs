// SPDX-License-Identifier: GPL-2.0-or-later
//! Every package with which modules or kernels may come or go, by its name: what
//! is installed, what is on offer, and what takes such a package's place.

use std::collections::BTreeSet;

use zypp_sys::{Error, WordKind, Zypp};

use crate::kernel_package;

/// Bytes of names that are kept, those of what obsoletes something included: some
/// tens of thousands, where openSUSE has some hundreds of the others.
const MAX_NAME_BYTES: usize = 8 << 20;

/// The names in order; `None` where there are too many to be of use.
pub(crate) fn all(zypp: &Zypp) -> Result<Option<Vec<String>>, Error> {
    let mut names = KernelPackages::default();
    zypp.packages(&mut |kind, word| names.see(kind, word))?;
    Ok(names.kernel_packages())
}

/// What was seen of packages, one word after the other.
#[derive(Default)]
struct KernelPackages {
    /// The package whose words these are.
    package: String,
    is_kernel_package: bool,
    kernel_packages: BTreeSet<String>,
    /// What is obsoleted, and by which package.
    obsoleted: Vec<(String, String)>,
    bytes: usize,
}

impl KernelPackages {
    /// Sees one word; true if more is wanted of this package.
    fn see(&mut self, kind: WordKind, word: &[u8]) -> bool {
        if self.bytes > MAX_NAME_BYTES {
            return false;
        }
        let is_about_kernels = match kind {
            WordKind::Installed | WordKind::Offered => {
                self.package = String::from_utf8_lossy(word).into_owned();
                self.is_kernel_package = self.kernel_packages.contains(&self.package);
                kernel_package::looks_like_kernel_package(&self.package)
            }
            WordKind::Obsoletes => {
                let name = word.split(|byte| *byte == b' ').next().unwrap_or_default();
                let name = String::from_utf8_lossy(name).into_owned();
                self.bytes += name.len() + self.package.len();
                self.obsoleted.push((name, self.package.clone()));
                false
            }
            _ => kernel_package::is_about_kernels(&self.package, kind, word),
        };
        if is_about_kernels && !self.is_kernel_package {
            self.is_kernel_package = true;
            self.bytes += self.package.len();
            self.kernel_packages.insert(self.package.clone());
        }
        !self.is_kernel_package
    }

    /// What obsoletes a package takes it away without a word in the commit.
    fn kernel_packages(mut self) -> Option<Vec<String>> {
        for (name, by) in self.obsoleted {
            if kernel_package::looks_like_kernel_package(&name)
                || self.kernel_packages.contains(&name)
            {
                self.kernel_packages.insert(by);
            }
        }
        (self.bytes <= MAX_NAME_BYTES).then(|| self.kernel_packages.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(words: &[(WordKind, &str)]) -> Option<Vec<String>> {
        let mut names = KernelPackages::default();
        for (kind, word) in words {
            names.see(*kind, word.as_bytes());
        }
        names.kernel_packages()
    }

    #[test]
    fn what_carries_and_what_takes_its_place_is_named() {
        let names = seen(&[
            (WordKind::Installed, "plain"),
            (WordKind::File, "/usr/share/plain"),
            (WordKind::Obsoletes, "older < 3"),
            (WordKind::Installed, "drivers"),
            (WordKind::File, "/usr/lib/modules/6.1/extra/a.ko"),
            (WordKind::Offered, "later"),
            (WordKind::Obsoletes, "drivers < 3"),
            (WordKind::Offered, "renamed"),
            (WordKind::Obsoletes, "gone-kmp-default"),
            (WordKind::Offered, "a-kmp-default"),
            (WordKind::Offered, "b"),
            (WordKind::Provides, "kmod(b.ko)"),
        ]);
        let names = names.unwrap();
        assert_eq!(names, ["a-kmp-default", "b", "drivers", "later", "renamed"]);
    }

    #[test]
    fn of_what_is_known_to_carry_no_more_is_asked() {
        let mut names = KernelPackages::default();
        assert!(!names.see(WordKind::Offered, b"kernel-default"));
        assert!(names.see(WordKind::Offered, b"b"));
        assert!(names.see(WordKind::Provides, b"b = 1"));
        assert!(!names.see(WordKind::Provides, b"ksym(default:printk) = 1"));
        assert!(!names.see(WordKind::Offered, b"b"));
    }

    #[test]
    fn too_many_are_none() {
        let mut names = KernelPackages::default();
        let long = "x".repeat(MAX_NAME_BYTES);
        for number in 0..2 {
            let name = format!("kernel-{number}{long}");
            names.see(WordKind::Offered, name.as_bytes());
        }
        assert_eq!(names.kernel_packages(), None);
    }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! Packages by name, epoch, version, release and architecture.

use std::fmt;

/// A package, as rpm's `%{NEVRA}` names it: `NAME-[EPOCH:]VERSION-RELEASE[.ARCH]`.
///
/// Two that are equal are one package: rpm takes an epoch of 0 for none
/// (`rpmVersionCompare()`, lib/rpmvercmp.c), but writes it where the spec file has
/// it, and libzypp never does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nevra<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its epoch; 0 is none.
    pub epoch: u32,
    /// Its version, which has no `-`.
    pub version: &'a str,
    /// Its release, likewise.
    pub release: &'a str,
    /// Its architecture; empty where it has none, as the keys that rpm keeps as
    /// packages.
    pub arch: &'a str,
}

impl<'a> Nevra<'a> {
    /// Takes rpm's text apart; `None` where it is not of that form.
    pub fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.rsplitn(3, '-');
        let (last, middle, name) = (parts.next()?, parts.next()?, parts.next()?);
        let (release, arch) = last.rsplit_once('.').unwrap_or((last, ""));
        let (epoch, version) = match middle.split_once(':') {
            Some((epoch, version)) => (epoch.parse().ok()?, version),
            None => (0, middle),
        };
        let is_whole = ![name, version, release].contains(&"");
        is_whole.then_some(Self {
            name,
            epoch,
            version,
            release,
            arch,
        })
    }

    /// Version and release, with the epoch in front if there is one: rpm's EVR,
    /// libzypp's edition.
    pub(crate) fn evr(&self) -> String {
        let Self {
            version, release, ..
        } = self;
        match self.epoch {
            0 => format!("{version}-{release}"),
            epoch => format!("{epoch}:{version}-{release}"),
        }
    }
}

impl fmt::Display for Nevra<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.name, self.evr())?;
        match self.arch {
            "" => Ok(()),
            arch => write!(f, ".{arch}"),
        }
    }
}

/// The name in a package's text; all of it where it is not of that form.
pub fn name_of(nevra: &str) -> &str {
    Nevra::parse(nevra).map_or(nevra, |nevra| nevra.name)
}

/// Whether two texts name one package.
pub fn same_package(one: &str, other: &str) -> bool {
    one == other || Nevra::parse(one).is_some_and(|one| Nevra::parse(other) == Some(one))
}

/// The text without an epoch of 0: the same for all that [`same_package`] takes for
/// one.
pub fn canonical(nevra: &str) -> String {
    Nevra::parse(nevra).map_or_else(|| nevra.to_owned(), |nevra| nevra.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rpm_writes_is_taken_apart() {
        for (text, parts) in [
            ("a-1-2.noarch", "a 0 1 2 noarch"),
            ("a-kmp-3:2.0_k6.1-3.x86_64", "a-kmp 3 2.0_k6.1 3 x86_64"),
            ("py3.11-0:3~rc1-1.1.s390x", "py3.11 0 3~rc1 1.1 s390x"),
            ("gpg-pubkey-29b700a4-62b0", "gpg-pubkey 0 29b700a4 62b0 "),
        ] {
            let read = Nevra::parse(text).unwrap();
            let (epoch, [name, version]) = (read.epoch, [read.name, read.version]);
            let found = format!("{name} {epoch} {version} {} {}", read.release, read.arch);
            assert_eq!(found, parts);
            assert_eq!(read.to_string(), text.replace("-0:", "-"));
            assert_eq!(name_of(text), name);
        }
        let no_arch = ["", "odd", "a-1", "a-1-"];
        for text in no_arch.into_iter().chain(["-1-2.x", "a--2.x", "a-x:1-2.x"]) {
            assert_eq!(Nevra::parse(text), None, "{text}");
            assert_eq!((name_of(text), &*canonical(text)), (text, text));
        }
    }

    #[test]
    fn an_epoch_of_zero_is_none() {
        for (one, other, same) in [
            ("a-0:1-2.noarch", "a-1-2.noarch", true),
            ("a-1:1-2.noarch", "a-1:1-2.noarch", true),
            ("a-1:1-2.noarch", "a-1-2.noarch", false),
            ("a-1-2.noarch", "a-1-2.x86_64", false),
            ("a-1-2.noarch", "a-1-2", false),
            ("a-0-1-2.noarch", "a-1-2.noarch", false),
            ("odd", "odd", true),
            ("odd", "even", false),
        ] {
            assert_eq!(same_package(one, other), same, "{one} {other}");
            assert_eq!(canonical(one) == canonical(other), same, "{one} {other}");
        }
    }
}

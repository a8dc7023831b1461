// SPDX-License-Identifier: GPL-2.0-or-later
//! dnf's own account of a transaction: what comes and what goes.
//!
//! dnf5 stores it as JSON. dnf 4 writes a line for each package while it
//! resolves, at the debug level, and says of what is downgraded no more than its
//! name.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use btf_guard_protocol::nevra::Nevra;
use btf_guard_protocol::plan::Action;
use btf_guard_protocol::zypp::PackageStep;
use serde::Deserialize;

/// What dnf would do.
#[derive(Debug, Default)]
pub struct Account {
    /// What comes and goes, without the packages' files where those are not named.
    pub steps: Vec<PackageStep>,
    /// Names of packages whose other versions go.
    pub replaced: BTreeSet<String>,
}

/// What is not understood of it.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// The stored transaction.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// A line of dnf 4's that tells of a package.
    #[error("{0:?}")]
    Line(String),
    /// Something stands in the place of a package.
    #[error("{0:?} is no package")]
    NoPackage(String),
}

/// A file of dnf5's `--store`.
#[derive(Deserialize)]
struct Stored {
    #[serde(default)]
    rpms: Vec<StoredPackage>,
}

#[derive(Deserialize)]
struct StoredPackage {
    nevra: String,
    action: String,
    package_path: Option<PathBuf>,
}

impl Account {
    /// What dnf5 has stored; its packages lie below `directory`.
    pub fn stored(json: &[u8], directory: &Path) -> Result<Self, AccountError> {
        let stored: Stored = serde_json::from_slice(json)?;
        let mut account = Self::default();
        for package in stored.rpms {
            let action = match (package.action.as_str(), &package.package_path) {
                ("Remove" | "Replaced", _) => Action::Erase,
                (_, Some(_)) => Action::Install,
                // Only the reason for which a package is there changes.
                (_, None) => continue,
            };
            let path = package.package_path.map(|path| directory.join(path));
            account.add(action, package.nevra, path)?;
        }
        Ok(account)
    }

    /// Takes a line of dnf 4; `false` where it tells nothing of a package.
    pub fn hear(&mut self, line: &str) -> Result<bool, AccountError> {
        let Some(line) = line.strip_prefix("---> Package ") else {
            return Ok(false);
        };
        let mut words = line.split_whitespace();
        let (Some(package), Some(edition)) = (words.next(), words.next()) else {
            return Ok(false);
        };
        let strange = || AccountError::Line(line.to_owned());
        let (name, arch) = package.rsplit_once('.').ok_or_else(strange)?;
        let nevra = format!("{name}-{edition}.{arch}");
        match words.collect::<Vec<_>>().join(" ").as_str() {
            // What it obsoletes has a line of its own.
            "will be installed" | "will be an upgrade" | "will be obsoleting" => {
                self.add(Action::Install, nevra, None)?;
            }
            "will be a downgrade" => {
                self.add(Action::Install, nevra, None)?;
                self.replaced.insert(name.to_owned());
            }
            "will be reinstalled" => {
                self.add(Action::Install, nevra.clone(), None)?;
                self.add(Action::Erase, nevra, None)?;
            }
            "will be erased" | "will be upgraded" | "will be obsoleted" => {
                self.add(Action::Erase, nevra, None)?;
            }
            _ => return Err(strange()),
        }
        Ok(true)
    }

    fn add(
        &mut self,
        action: Action,
        nevra: String,
        path: Option<PathBuf>,
    ) -> Result<(), AccountError> {
        let parsed = Nevra::parse(&nevra).ok_or_else(|| AccountError::NoPackage(nevra.clone()))?;
        self.steps.push(PackageStep {
            action,
            name: parsed.name.to_owned(),
            nevra,
            repository: None,
            size: 0,
            path,
            // Its metadata are not at hand; the packages themselves are.
            kernel: true,
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(account: &Account) -> String {
        let steps = account.steps.iter().map(|step| match step.action {
            Action::Install => format!(" +{}", step.nevra),
            Action::Erase => format!(" -{}", step.nevra),
        });
        steps.collect()
    }

    #[test]
    fn what_dnf5_stores_is_read() {
        let stored = br#"{"rpms":[
            {"nevra":"kernel-1:2-1.noarch","action":"Install","package_path":"./packages/k.rpm"},
            {"nevra":"a-b-2-1.noarch","action":"Reinstall","package_path":"./packages/a.rpm"},
            {"nevra":"a-b-2-1.noarch","action":"Replaced","repo_id":"@System"},
            {"nevra":"old-1-1.noarch","action":"Remove"},
            {"nevra":"kept-1-1.noarch","action":"Reason Change"}],"version":"1.0"}"#;
        let account = Account::stored(stored, Path::new("/store")).unwrap();
        let expected = " +kernel-1:2-1.noarch +a-b-2-1.noarch -a-b-2-1.noarch -old-1-1.noarch";
        assert_eq!(told(&account), expected);
        let path = account.steps[0].path.as_deref();
        assert_eq!(path, Some(Path::new("/store/./packages/k.rpm")));
        assert_eq!(account.steps[1].name, "a-b");
        let nothing = Account::stored(br#"{"version":"1.0"}"#, Path::new("/")).unwrap();
        assert!(nothing.steps.is_empty());
        for wrong in ["", "7", r#"{"rpms":[{"nevra":"x","action":"Remove"}]}"#] {
            let read = Account::stored(wrong.as_bytes(), Path::new("/"));
            assert!(read.is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_dnf_4_says_is_read() {
        let mut account = Account::default();
        for line in [
            "---> Package kernel-core.x86_64 1:2-1 will be installed",
            "---> Package a.b.noarch 2-1 will be an upgrade",
            "---> Package a.b.noarch 1-1 will be upgraded",
            "---> Package relic.noarch 1-1 will be obsoleted",
            "---> Package gone.noarch 1-1 will be erased",
            "---> Package same.noarch 1-1 will be reinstalled",
            "---> Package tool.noarch 2-1 will be a downgrade",
        ] {
            assert!(account.hear(line).unwrap(), "{line}");
        }
        assert_eq!(
            told(&account),
            " +kernel-core-1:2-1.x86_64 +a.b-2-1.noarch -a.b-1-1.noarch -relic-1-1.noarch \
             -gone-1-1.noarch +same-1-1.noarch -same-1-1.noarch +tool-2-1.noarch"
        );
        assert_eq!(account.replaced, BTreeSet::from(["tool".to_owned()]));
        for line in ["--> Finished dependency resolution", "", "Nothing to do."] {
            assert!(!account.hear(line).unwrap(), "{line}");
        }
        for line in [
            "---> Package a.noarch 1-1 will be admired",
            "---> Package a 1-1 will be installed",
        ] {
            assert!(account.hear(line).is_err(), "{line}");
        }
    }
}

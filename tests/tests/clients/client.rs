// SPDX-License-Identifier: GPL-2.0-or-later
//! The clients, and how each is told the same thing.

use btf_guard_tests::client::Suite;
use btf_guard_tests::shim;

/// One generation of one client.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Client {
    pub(crate) suite: Suite,
    pub(crate) tool: Tool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    Rpm,
    Dnf4,
    Dnf5,
    /// All packages in one rpm transaction.
    ZypperSingle,
    /// One rpm process a package.
    ZypperClassic,
}

/// A package by its name and version.
pub(crate) type Named<'a> = (&'a str, &'a str);

/// What a client is to do.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Act<'a> {
    /// These, whether or not an older version is there.
    Install(&'a [Named<'a>]),
    /// All that is newer; rpm has to be told the repository.
    Update(&'a str),
    /// The same once more, even if it is not what it was.
    Reinstall(Named<'a>),
    /// What is older than what is there.
    Downgrade(&'a [Named<'a>]),
    Remove(&'a [&'a str]),
    /// One goes, one comes, in one transaction. rpm's own command line cannot.
    Swap(&'a str, &'a str),
}

impl Client {
    pub(crate) const fn new(suite: Suite, tool: Tool) -> Self {
        Self { suite, tool }
    }

    /// The exit status of a transaction of so many packages that was blocked.
    pub(crate) fn blocked(self, packages: usize) -> i32 {
        match self.tool {
            Tool::Rpm => i32::try_from(packages).unwrap(),
            Tool::Dnf4 | Tool::Dnf5 => 1,
            Tool::ZypperSingle | Tool::ZypperClassic => 8,
        }
    }

    /// Does it do all or nothing, whatever goes wrong?
    pub(crate) fn is_at_once(self) -> bool {
        self.tool != Tool::ZypperClassic
    }

    /// Is all that happens judged as one? In the classic back end that takes a
    /// commit plugin that can ask libzypp.
    pub(crate) fn is_seen_whole(self) -> bool {
        self.is_at_once() || shim(self.suite.name()).is_some()
    }

    /// Does it show what a plugin logs?
    pub(crate) fn shows(self) -> bool {
        self.tool != Tool::Dnf5
    }

    pub(crate) fn variables(self) -> &'static [(&'static str, &'static str)] {
        match self.tool {
            // The second of two waits instead of giving up.
            Tool::ZypperSingle => &[("ZYPP_LOCK_TIMEOUT", "60"), ("ZYPP_SINGLE_RPMTRANS", "1")],
            Tool::ZypperClassic => &[("ZYPP_LOCK_TIMEOUT", "60")],
            Tool::Rpm | Tool::Dnf4 | Tool::Dnf5 => &[],
        }
    }

    /// The shell's command line for it, to run without a question.
    pub(crate) fn command(self, act: Act<'_>) -> String {
        match self.tool {
            Tool::Rpm => rpm(act),
            Tool::Dnf4 => format!("dnf -y {}", dnf(act)),
            Tool::Dnf5 => format!("dnf5 -y {}", dnf(act)),
            Tool::ZypperSingle => format!("zypper --non-interactive {}", zypper(act, "")),
            Tool::ZypperClassic => {
                // In forky the other back end is the default, and this leaves it.
                let option = match self.suite {
                    Suite::Forky => "--download-as-needed",
                    Suite::Bookworm | Suite::Trixie => "",
                };
                format!("zypper --non-interactive {}", zypper(act, option))
            }
        }
    }
}

/// Each with its version behind a separator, and something around it.
fn joined(names: &[Named<'_>], before: &str, separator: &str, behind: &str) -> String {
    let words = names
        .iter()
        .map(|(name, version)| format!("{before}{name}{separator}{version}{behind}"));
    words.collect::<Vec<_>>().join(" ")
}

fn files(names: &[Named<'_>]) -> String {
    joined(names, "/srv/*/", "-", "-1.noarch.rpm")
}

fn rpm(act: Act<'_>) -> String {
    match act {
        Act::Install(names) => format!("rpm -U {}", files(names)),
        Act::Update(repository) => format!("rpm -U /srv/{repository}/*.rpm"),
        Act::Reinstall(name) => format!("rpm -U --replacepkgs --replacefiles {}", files(&[name])),
        Act::Downgrade(names) => format!("rpm -U --oldpackage {}", files(names)),
        Act::Remove(names) => format!("rpm -e {}", names.join(" ")),
        Act::Swap(..) => panic!("rpm erases or installs"),
    }
}

fn dnf(act: Act<'_>) -> String {
    match act {
        Act::Install(names) => format!("install {}", joined(names, "", "-", "")),
        Act::Update(_) => "upgrade".to_owned(),
        Act::Reinstall((name, version)) => format!("reinstall {name}-{version}"),
        Act::Downgrade(names) => format!("downgrade {}", joined(names, "", "-", "")),
        Act::Remove(names) => format!("remove {}", names.join(" ")),
        Act::Swap(old, new) => format!("swap {old} {new}"),
    }
}

/// `option` is one of those that install something.
fn zypper(act: Act<'_>, option: &str) -> String {
    match act {
        Act::Install(names) => format!("install {option} {}", joined(names, "", "=", "")),
        Act::Update(_) => format!("dist-upgrade {option}"),
        Act::Reinstall((name, version)) => format!("install {option} --force {name}={version}"),
        Act::Downgrade(names) => {
            format!(
                "install {option} --oldpackage {}",
                joined(names, "", "=", "")
            )
        }
        Act::Remove(names) => format!("remove {}", names.join(" ")),
        Act::Swap(old, new) => format!("install {option} -- -{old} +{new}"),
    }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! What `btf-guard-zypp-fetch` is asked and what it says.
//!
//! libzypp may hang, crash or take the memory, so it works in a process of its
//! own: one [`Request`] as JSON on standard input, one [`Line`] as JSON for
//! each line of standard output. The last line is [`Line::Result`] (the process
//! then ends with status 0) or [`Line::Error`] (status 1); where it is neither,
//! the process was killed or crashed.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::nevra::Nevra;
use crate::plan::Action;

/// The version of [`Request`] and [`Line`].
pub const SCHEMA: u32 = 1;

/// The longest request that is read, in bytes.
pub const MAX_REQUEST: u64 = 16 << 20;

/// The longest line that is written, in bytes. Who reads stops there.
pub const MAX_LINE: u64 = 32 << 20;

/// One question to libzypp.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The root that the packages are for, an absolute path.
    pub root: PathBuf,
    /// The shim around this machine's libzypp, an absolute path. `None`: where
    /// it was installed.
    #[serde(default)]
    pub shim: Option<PathBuf>,
    /// Seconds until the answer must be there: near their end libzypp is asked to
    /// stop, and the answer names what was fetched by then. `None`: no limit.
    #[serde(default)]
    pub deadline: Option<u64>,
    /// Which packages.
    pub ask: Ask,
    /// Which of them to fetch.
    #[serde(default)]
    pub fetch: Extent,
    /// Also wanted: [`Resolution::kernel_packages`].
    #[serde(default)]
    pub kernel_packages: bool,
}

impl Request {
    /// A question about `root` that fetches nothing and has no deadline.
    pub fn new(root: PathBuf, ask: Ask) -> Self {
        Self {
            schema: SCHEMA,
            root,
            shim: None,
            deadline: None,
            ask,
            fetch: Extent::None,
            kernel_packages: false,
        }
    }
}

/// Which packages a [`Request`] is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ask {
    /// Those of a commit that another process is about to do: it holds
    /// libzypp's lock, and its solver has decided already.
    Commit(Commit),
    /// Those that libzypp's solver would choose.
    Resolve(Resolve),
}

/// A commit, as the commit plugin's COMMITBEGIN tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// Its steps, in any order.
    pub steps: Vec<CommitStep>,
}

/// One step of a [`Commit`]. libzypp names neither repository nor architecture
/// of the package that goes in an upgrade: that one has no step at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitStep {
    /// What happens.
    pub action: CommitAction,
    /// Name of the package.
    pub name: String,
    /// Its epoch; libzypp names it only where it is not 0.
    #[serde(default)]
    pub epoch: Option<u32>,
    /// Its version.
    pub version: String,
    /// Its release.
    #[serde(default)]
    pub release: String,
    /// Its architecture.
    pub arch: String,
}

impl CommitStep {
    /// The package that it is about.
    pub fn nevra(&self) -> Nevra<'_> {
        Nevra {
            name: &self.name,
            epoch: self.epoch.unwrap_or_default(),
            version: &self.version,
            release: &self.release,
            arch: &self.arch,
        }
    }
}

/// What happens in a [`CommitStep`], in libzypp's own signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CommitAction {
    /// The package is installed, and what it replaces goes.
    #[serde(rename = "+")]
    Install,
    /// The package is removed.
    #[serde(rename = "-")]
    Erase,
    /// The package is installed beside other versions of itself.
    #[serde(rename = "M")]
    Multi,
}

/// A question to libzypp's solver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolve {
    /// What zypper would be asked to do.
    pub verb: Verb,
    /// For [`Verb::In`] the packages, as on zypper's command line; none otherwise.
    #[serde(default)]
    pub packages: Vec<String>,
    /// Takes the repositories as they are in the cache.
    #[serde(default)]
    pub no_refresh: bool,
}

/// zypper's subcommands that bring packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// `zypper update`: newer versions, no other vendor or architecture.
    Up,
    /// `zypper dist-upgrade`: what the repositories hold, downgrades included.
    Dup,
    /// `zypper patch`: what the needed patches ask for.
    Patch,
    /// `zypper install PACKAGE…`.
    In,
}

/// Which packages are fetched.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Extent {
    /// Those whose metadata speak of modules or a kernel: see [`PackageStep::kernel`].
    Kernel,
    /// All that are installed.
    All,
    /// None; what is in the cache already is named all the same.
    #[default]
    None,
}

/// One line of the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Line {
    /// A package is being fetched. At most a few a second.
    Progress(DownloadProgress),
    /// The last line, where libzypp had an answer.
    Result(Resolution),
    /// The last line, where it had none.
    Error(FetchFailure),
}

/// How far a download is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DownloadProgress {
    /// Name, version, release, architecture.
    pub package: String,
    /// Bytes of it that are there.
    pub done: u64,
    /// Its size in bytes; 0 where the repository does not tell.
    pub total: u64,
    /// Which of the packages to fetch, counted from 1.
    pub index: u64,
    /// How many there are to fetch.
    pub of: u64,
}

/// What will be installed and removed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolution {
    /// A step for each package that comes or goes.
    pub steps: Vec<PackageStep>,
    /// What is missing from this answer and why, a line each: what the solver
    /// cannot solve, what could not be fetched, a repository that was left out.
    pub problems: Vec<String>,
    /// If asked for: the names of all packages, installed or on offer, with which
    /// modules or kernels may come or go, sorted. `None` where there are too many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel_packages: Option<Vec<String>>,
}

/// A package that comes or goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageStep {
    /// Does it come or go? The old version that an upgrade replaces has a step
    /// of its own.
    pub action: Action,
    /// Name, epoch if there is one, version, release, architecture: as rpm has it.
    pub nevra: String,
    /// Its name.
    pub name: String,
    /// Alias of its repository; `None` where it goes, or where no repository
    /// offers it.
    pub repository: Option<String>,
    /// Size of the package file in bytes; 0 where it is not known.
    pub size: u64,
    /// The package file in libzypp's cache, if it is there.
    pub path: Option<PathBuf>,
    /// Its metadata speak of modules or a kernel.
    #[serde(default)]
    pub kernel: bool,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchFailure {
    /// What went wrong, one line.
    pub what: String,
    /// What libzypp said about it, if it said more; may be empty.
    #[serde(default)]
    pub detail: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_read_as_its_documentation_says() {
        let request: Request = serde_json::from_str(
            r#"{"schema":1,"root":"/","deadline":20,"fetch":"kernel","ask":{"commit":{"steps":[
                {"action":"M","name":"kernel-default","version":"6.4.0","release":"1.1","arch":"x86_64"},
                {"action":"-","name":"old","epoch":2,"version":"1","release":"1","arch":"noarch"}]}}}"#,
        )
        .unwrap();
        let Ask::Commit(commit) = &request.ask else {
            panic!("{request:?}");
        };
        assert_eq!(request.fetch, Extent::Kernel);
        assert_eq!(request.deadline, Some(20));
        assert_eq!(commit.steps[0].action, CommitAction::Multi);
        assert_eq!(commit.steps[1].nevra().to_string(), "old-2:1-1.noarch");
    }
}

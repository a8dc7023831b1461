//! What the plugin is told from outside: by libzypp's environment, and by
//! arguments that libzypp never gives.

use std::ffi::OsString;
use std::path::PathBuf;

use btf_guard::fetch;
use btf_guard::judge::Judge;
use btf_guard::place::private;

/// Where everything is. The defaults are those of an installed system; tests
/// name others.
#[derive(Debug, Clone, clap::Parser)]
#[command(
    name = "btf-guard",
    version,
    about = "libzypp's commit plugin of btf-guard"
)]
pub struct Places {
    /// The root that the commit works on
    #[arg(long, default_value = "/")]
    pub root: PathBuf,
    /// The btf-guard program
    #[arg(long, default_value_os_t = Judge::default().program)]
    pub judge: PathBuf,
    /// The program that asks libzypp
    #[arg(long, default_value_os_t = fetch::installed())]
    pub fetch: PathBuf,
    /// rpm
    #[arg(long, default_value = "/usr/bin/rpm")]
    pub rpm: PathBuf,
    /// Where the rpm plugin looks for the decision
    #[arg(long, default_value = private::RUN)]
    pub handoff: PathBuf,
    /// libzypp's package cache
    #[arg(long, default_value = "/var/cache/zypp/packages")]
    pub cache: PathBuf,
    /// libzypp's caches of what repositories offer and of what is installed
    #[arg(long, default_value = "/var/cache/zypp/solv")]
    pub solv: PathBuf,
    /// The files that name the repositories
    #[arg(long, default_value = "/etc/zypp/repos.d")]
    pub repositories: PathBuf,
    /// Where what libzypp has told of them is kept
    #[arg(long, default_value = "/var/cache/btf-guard")]
    pub known: PathBuf,
    /// Where libzypp finds what it offers to the user after a commit
    #[arg(long, default_value = "/var/adm/update-messages")]
    pub messages: PathBuf,
}

/// What the environment tells. libzypp sets the first.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// `ZYPP_IS_RUNNING`: the process that commits.
    pub committer: Option<OsString>,
    /// `BTF_GUARD`: what the admin asks for.
    pub mode: Option<OsString>,
    /// `ZYPP_PLUGIN_RECEIVE_TIMEOUT`, or else `ZYPP_PLUGIN_TIMEOUT`: how many
    /// seconds libzypp waits for an answer.
    pub patience: Option<OsString>,
    /// `TRANSACTIONAL_UPDATE`: the commit works on a snapshot. Which one libzypp
    /// does not tell.
    pub is_transactional: bool,
}

impl Surroundings {
    /// Reads the environment of this process.
    pub fn of_this_process() -> Self {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        Self {
            committer: variable("ZYPP_IS_RUNNING"),
            mode: variable("BTF_GUARD"),
            patience: variable("ZYPP_PLUGIN_RECEIVE_TIMEOUT")
                .or_else(|| variable("ZYPP_PLUGIN_TIMEOUT")),
            is_transactional: variable("TRANSACTIONAL_UPDATE").is_some(),
        }
    }
}

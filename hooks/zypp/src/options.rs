// SPDX-License-Identifier: GPL-2.0-or-later
//! What the plugin is told from outside: by libzypp's environment, and by
//! arguments that libzypp never gives.

use std::ffi::OsString;
use std::path::PathBuf;

use btf_guard_protocol::judge_client::Judge;
use btf_guard_protocol::plan::is_offline_image;
use btf_guard_protocol::state::trusted_dir;
use btf_guard_protocol::zypp_client;
use clap::Parser;

/// Where everything is. libzypp gives no arguments: the defaults are those of an
/// installed system, and tests name others.
#[derive(Debug, Clone, PartialEq, Eq, Parser)]
#[command(
    name = "btf-guard",
    version,
    about = "libzypp's commit plugin of btf-guard"
)]
pub struct PluginArgs {
    /// The root that the commit works on
    #[arg(long, default_value = "/")]
    pub root: PathBuf,
    /// The btf-guard program
    #[arg(long, default_value_os_t = Judge::default().program)]
    pub judge: PathBuf,
    /// The program that asks libzypp
    #[arg(long, default_value_os_t = zypp_client::installed())]
    pub fetch: PathBuf,
    /// rpm
    #[arg(long, default_value = "/usr/bin/rpm")]
    pub rpm: PathBuf,
    /// Where the rpm plugin looks for the decision
    #[arg(long, default_value = trusted_dir::RUN)]
    pub handoff: PathBuf,
    /// libzypp's caches of what repositories offer and of what is installed
    #[arg(long, default_value = "/var/cache/zypp/solv")]
    pub solv: PathBuf,
    /// The files that name the repositories
    #[arg(long, default_value = "/etc/zypp/repos.d")]
    pub repositories: PathBuf,
    /// Where what libzypp has told of them is kept
    #[arg(long, default_value = "/var/cache/btf-guard")]
    pub known: PathBuf,
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
    /// `TRANSACTIONAL_UPDATE`: the commit works on a snapshot.
    pub is_transactional: bool,
    /// `ZYPP_LOCKFILE_ROOT`: the root that the lock is for. zypper sets it to the
    /// root that it was told of, which libzypp does not pass on.
    pub lock_root: Option<OsString>,
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
            is_transactional: is_offline_image(variable),
            lock_root: variable("ZYPP_LOCKFILE_ROOT"),
        }
    }
}

impl PluginArgs {
    /// The same in the snapshot that a transactional update works on.
    ///
    /// transactional-update runs zypper in a chroot of it, where it is `/`, or
    /// outside with its path as the root. libzypp starts no commit plugin for
    /// another root otherwise.
    pub fn in_snapshot(self, surroundings: &Surroundings) -> Self {
        let root = surroundings.lock_root.as_ref().map(PathBuf::from);
        let root = root.filter(|root| surroundings.is_transactional && root.is_absolute());
        let Some(root) = root.filter(|root| *root != self.root) else {
            return self;
        };
        let inside = |path: &PathBuf| root.join(path.strip_prefix("/").unwrap_or(path));
        Self {
            solv: inside(&self.solv),
            repositories: inside(&self.repositories),
            known: inside(&self.known),
            root,
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_worked_on_where_it_is() {
        let places = |is_transactional, root: Option<&str>| {
            let surroundings = Surroundings {
                is_transactional,
                lock_root: root.map(OsString::from),
                ..Surroundings::default()
            };
            PluginArgs::parse_from(["btf-guard"]).in_snapshot(&surroundings)
        };
        let snapshot = places(true, Some("/tmp/snapshot"));
        assert_eq!(snapshot.root, PathBuf::from("/tmp/snapshot"));
        let solv = PathBuf::from("/tmp/snapshot/var/cache/zypp/solv");
        assert_eq!(snapshot.solv, solv);
        // rpm's plugin is that of the system, whatever root it works on.
        assert_eq!(snapshot.handoff, PathBuf::from(trusted_dir::RUN));
        for (is_transactional, root) in [
            (false, Some("/tmp/snapshot")),
            (true, None),
            (true, Some("relative")),
        ] {
            let places = places(is_transactional, root);
            assert_eq!(places.root, PathBuf::from("/"), "{root:?}");
        }
    }
}

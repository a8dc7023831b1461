// SPDX-License-Identifier: GPL-2.0-or-later
//! What a commit learns of packages, for those that follow.

use btf_guard_protocol::zypp::CommitStep;

use super::{CommitHandler, Error};
use crate::carrier_cache::{CarrierCache, RepositoryState, Sources};
use crate::package_cache;

impl CommitHandler {
    /// True if it is known that no module and no kernel comes or goes with these steps.
    pub(super) fn is_idle(&mut self, steps: &[CommitStep]) -> bool {
        let state = RepositoryState::now(&self.sources());
        self.known = state.and_then(|state| CarrierCache::read(&self.places.known, &state));
        let may_touch = |known: &CarrierCache| {
            let mut names = steps.iter().map(|step| step.name.as_str());
            names.any(|name| known.has(name) || package_cache::looks_like_kernel_package(name))
        };
        self.known.as_ref().is_some_and(|known| !may_touch(known))
    }

    pub(super) fn sources(&self) -> Sources {
        Sources {
            solv: self.places.solv.clone(),
            repositories: self.places.repositories.clone(),
        }
    }

    /// Learns what libzypp has told of its packages, which were in this state
    /// before.
    pub(super) fn learn(
        &mut self,
        state: Option<RepositoryState>,
        kernel_packages: Option<Vec<String>>,
    ) {
        let (Some(state), Some(kernel_packages)) = (state, kernel_packages) else {
            return;
        };
        // Something has changed meanwhile: of which state it was is not known.
        if RepositoryState::now(&self.sources()).as_ref() == Some(&state) {
            self.known = Some(CarrierCache::new(state, kernel_packages));
        }
    }

    /// Keeps what is known by now, for the next commit. There is none to keep it
    /// for after one that has removed this plugin and what it asks with.
    pub(super) fn keep(&mut self) -> Result<(), Error> {
        let known = self.known.take().filter(|_| self.places.fetch.exists());
        match known.and_then(|known| known.after(&self.sources())) {
            Some(known) => known.keep(&self.places.known).map_err(Error::Known),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use btf_guard_protocol::zypp::CommitAction;
    use clap::Parser;
    use tempfile::TempDir;

    use super::*;
    use crate::options::{PluginArgs, Surroundings};

    /// libzypp's caches of one repository and of what is installed.
    fn caches() -> TempDir {
        let place = tempfile::tempdir().unwrap();
        for name in ["solv/one", "solv/@System", "repos.d"] {
            fs::create_dir_all(place.path().join(name)).unwrap();
        }
        // What libzypp is asked with.
        fs::write(place.path().join("fetch"), "").unwrap();
        change(place.path(), "one", "a 1");
        change(place.path(), "@System", "s 1");
        place
    }

    /// As libzypp does it: the new file takes the place of the old.
    fn change(place: &Path, name: &str, content: &str) {
        let dir = place.join("solv").join(name);
        fs::write(dir.join("new"), content).unwrap();
        fs::rename(dir.join("new"), dir.join("solv")).unwrap();
    }

    fn handler(place: &Path) -> CommitHandler {
        let mut words = vec!["btf-guard".into()];
        for (option, name) in [
            ("--solv", "solv"),
            ("--repositories", "repos.d"),
            ("--known", "known"),
            ("--fetch", "fetch"),
        ] {
            words.push(option.into());
            words.push(place.join(name).into_os_string());
        }
        CommitHandler::new(PluginArgs::parse_from(words), Surroundings::default())
    }

    /// libzypp answers that these carry modules.
    fn learn(handler: &mut CommitHandler, names: &[&str]) {
        let state = RepositoryState::now(&handler.sources());
        let names = names.iter().map(|name| (*name).to_owned());
        handler.learn(state, Some(names.collect()));
    }

    fn steps(names: &[&str]) -> Vec<CommitStep> {
        let step = |name: &&str| CommitStep {
            action: CommitAction::Install,
            name: (*name).to_owned(),
            epoch: None,
            version: "1".to_owned(),
            release: "1".to_owned(),
            arch: "noarch".to_owned(),
        };
        names.iter().map(step).collect()
    }

    #[test]
    fn a_commit_is_idle_if_none_of_its_packages_may_carry_anything() {
        let place = caches();
        let mut commit = handler(place.path());
        assert!(!commit.is_idle(&steps(&["plain"])), "nothing is known");
        learn(&mut commit, &["odd"]);
        commit.keep().unwrap();
        for (names, expected) in [
            (&["plain"][..], true),
            (&["plain", "other"], true),
            (&["odd"], false),
            (&["plain", "odd"], false),
            // Whatever libzypp has told.
            (&["demo-kmp-default"], false),
            (&["plain", "kernel-default"], false),
        ] {
            let mut commit = handler(place.path());
            assert_eq!(commit.is_idle(&steps(names)), expected, "{names:?}");
        }
        change(place.path(), "one", "b 2");
        assert!(!handler(place.path()).is_idle(&steps(&["plain"])));
    }

    #[test]
    fn what_a_commit_has_learned_holds_after_it() {
        let place = caches();
        let mut commit = handler(place.path());
        learn(&mut commit, &["odd"]);
        change(place.path(), "@System", "s 2");
        commit.keep().unwrap();
        let mut next = handler(place.path());
        assert!(next.is_idle(&steps(&["plain"])));
        // An idle one keeps it as well, for what it has installed.
        change(place.path(), "@System", "s 3");
        next.keep().unwrap();
        assert!(handler(place.path()).is_idle(&steps(&["plain"])));
        // Somebody else than zypper.
        change(place.path(), "@System", "s 4");
        assert!(!handler(place.path()).is_idle(&steps(&["plain"])));
        // A commit that has removed what is asked with.
        let mut last = handler(place.path());
        learn(&mut last, &["odd"]);
        fs::remove_file(place.path().join("fetch")).unwrap();
        last.keep().unwrap();
        assert!(!handler(place.path()).is_idle(&steps(&["plain"])));
    }

    #[test]
    fn what_libzypp_told_of_another_state_is_not_learned() {
        for (name, content) in [("one", "b 2"), ("@System", "s 2")] {
            let place = caches();
            let mut commit = handler(place.path());
            let before = RepositoryState::now(&commit.sources());
            change(place.path(), name, content);
            commit.learn(before, Some(Vec::new()));
            commit.keep().unwrap();
            assert!(!handler(place.path()).is_idle(&steps(&["plain"])), "{name}");
        }
        let place = caches();
        let mut commit = handler(place.path());
        let state = RepositoryState::now(&commit.sources());
        commit.learn(state, None);
        commit.keep().unwrap();
        assert!(!handler(place.path()).is_idle(&steps(&["plain"])));
    }
}

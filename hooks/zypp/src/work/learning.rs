//! What a commit learns of packages, for those that follow.

use btf_guard::place::fetch::CommitStep;

use super::{Error, Work};
use crate::cache;
use crate::known::{Known, Sources, State};

impl Work {
    /// Is it known that no module and no kernel comes or goes with these steps?
    pub(super) fn is_idle(&mut self, steps: &[CommitStep]) -> bool {
        let state = State::now(&self.sources());
        self.known = state.and_then(|state| Known::read(&self.places.known, &state));
        let may_touch = |known: &Known| {
            let mut names = steps.iter().map(|step| step.name.as_str());
            names.any(|name| known.has(name) || cache::is_telling(name))
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
    pub(super) fn learn(&mut self, state: Option<State>, carriers: Option<Vec<String>>) {
        let (Some(state), Some(carriers)) = (state, carriers) else {
            return;
        };
        // Something has changed meanwhile: of which state it was is not known.
        if State::now(&self.sources()).as_ref() == Some(&state) {
            self.known = Some(Known::new(state, carriers));
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

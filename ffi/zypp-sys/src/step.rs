// SPDX-License-Identifier: GPL-2.0-or-later
//! Packages that come and go.

use std::ffi::c_uint;

use crate::bindings::{
    BGZ_COMES, BGZ_COMES_BESIDE, BGZ_FILE, BGZ_GOES, BGZ_INSTALLED, BGZ_OBSOLETES, BGZ_OFFERED,
    BGZ_PROVIDES, BGZ_REQUIRES, BGZ_SUPPLEMENTS, bgz_action, bgz_step,
};
use crate::{Error, text};

/// What happens to a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepAction {
    /// It is installed, and what it replaces goes.
    Comes,
    /// It is removed or replaced.
    Goes,
    /// It is installed, and other versions of it stay.
    ComesBeside,
}

impl StepAction {
    pub(crate) fn to_c(self) -> bgz_action {
        match self {
            Self::Comes => BGZ_COMES,
            Self::Goes => BGZ_GOES,
            Self::ComesBeside => BGZ_COMES_BESIDE,
        }
    }

    fn from_c(action: bgz_action) -> Option<Self> {
        [Self::Comes, Self::Goes, Self::ComesBeside]
            .into_iter()
            .find(|known| known.to_c() == action)
    }
}

/// What a word of a package's metadata is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WordKind {
    /// Something that it provides.
    Provides,
    /// Something that it requires, its scriptlets' needs included.
    Requires,
    /// Something that it supplements.
    Supplements,
    /// A file in it. Repositories list few of a package's files where libzypp
    /// looks.
    File,
    /// Something that it obsoletes.
    Obsoletes,
    /// The name of a package that is installed, whose words follow.
    Installed,
    /// The same of one that is on offer.
    Offered,
}

impl WordKind {
    pub(crate) fn from_c(kind: c_uint) -> Option<Self> {
        match kind {
            BGZ_PROVIDES => Some(Self::Provides),
            BGZ_REQUIRES => Some(Self::Requires),
            BGZ_SUPPLEMENTS => Some(Self::Supplements),
            BGZ_FILE => Some(Self::File),
            BGZ_OBSOLETES => Some(Self::Obsoletes),
            BGZ_INSTALLED => Some(Self::Installed),
            BGZ_OFFERED => Some(Self::Offered),
            _ => None,
        }
    }
}

/// A package that comes or goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SolverStep {
    /// What happens to it.
    pub action: StepAction,
    /// Its name.
    pub name: String,
    /// Its epoch; 0 is none.
    pub epoch: u32,
    /// Its version.
    pub version: String,
    /// Its release.
    pub release: String,
    /// Its architecture.
    pub arch: String,
    /// Alias of the repository that it comes from.
    pub repository: Option<String>,
    /// Where it lies in there.
    pub location: Option<String>,
    /// Checksum of the package file, `type:hex`.
    pub checksum: Option<String>,
    /// Size of the package file in bytes, 0 where it is not known.
    pub size: u64,
    /// Indices of the steps that go because this one comes.
    pub replaces: Vec<usize>,
}

impl SolverStep {
    /// A copy of the shim's step, one of `count`.
    ///
    /// # Safety
    /// The step is as the shim filled it, and the session has not changed since.
    pub(crate) unsafe fn from_c(step: &bgz_step, count: usize) -> Result<Self, Error> {
        let action = StepAction::from_c(step.action).ok_or(Error::Nonsense("an unknown action"))?;
        let mut replaces = Vec::new();
        if step.replaces_count > count {
            return Err(Error::Nonsense("more replaced packages than there are"));
        }
        if !step.replaces.is_null() {
            // SAFETY: the shim's array has that many elements.
            let theirs = unsafe { std::slice::from_raw_parts(step.replaces, step.replaces_count) };
            replaces.extend(theirs.iter().copied().filter(|&index| index < count));
        }
        // SAFETY: null, or strings that live as long as the session is not changed.
        unsafe {
            Ok(Self {
                action,
                name: text::copied_or_empty(step.name),
                epoch: step.epoch,
                version: text::copied_or_empty(step.version),
                release: text::copied_or_empty(step.release),
                arch: text::copied_or_empty(step.arch),
                repository: text::copied(step.repository),
                location: text::copied(step.location),
                checksum: text::copied(step.checksum),
                size: step.size,
                replaces,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn theirs() -> bgz_step {
        bgz_step {
            action: BGZ_COMES,
            epoch: 2,
            name: c"kernel".as_ptr(),
            version: c"6.1".as_ptr(),
            release: c"3".as_ptr(),
            arch: c"x86_64".as_ptr(),
            repository: std::ptr::null(),
            location: std::ptr::null(),
            checksum: std::ptr::null(),
            size: 7,
            replaces: std::ptr::null(),
            replaces_count: 0,
        }
    }

    fn copy(step: &bgz_step, count: usize) -> Result<SolverStep, Error> {
        // SAFETY: the strings are constants, the array outlives the call.
        unsafe { SolverStep::from_c(step, count) }
    }

    #[test]
    fn a_step_is_copied() {
        let step = copy(&theirs(), 1).unwrap();
        assert_eq!((step.name.as_str(), step.epoch), ("kernel", 2));
        assert_eq!((step.version.as_str(), step.release.as_str()), ("6.1", "3"));
        assert_eq!(step.arch, "x86_64");
        assert_eq!((step.repository.as_deref(), step.size), (None, 7));
    }

    #[test]
    fn what_the_shim_never_says_is_refused() {
        let unknown = bgz_step {
            action: 9,
            ..theirs()
        };
        assert!(matches!(copy(&unknown, 1), Err(Error::Nonsense(_))));
        let many = bgz_step {
            replaces_count: 2,
            ..theirs()
        };
        assert!(matches!(copy(&many, 1), Err(Error::Nonsense(_))));
        let indices = [0, 1, 2];
        let outside = bgz_step {
            replaces: indices.as_ptr(),
            replaces_count: 3,
            ..theirs()
        };
        assert_eq!(copy(&outside, 3).unwrap().replaces, [0, 1, 2]);
        let indices = [0, 9, 1];
        let outside = bgz_step {
            replaces: indices.as_ptr(),
            ..outside
        };
        assert_eq!(copy(&outside, 3).unwrap().replaces, [0, 1]);
    }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! The one handle on libzypp that a process can have.

use std::ffi::CString;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::ptr::{self, NonNull};
use std::sync::{Mutex, MutexGuard, TryLockError};

use crate::bindings::{
    BGZ_DIST_UPGRADE, BGZ_INSTALL, BGZ_LOCK_IS_OURS, BGZ_PATCH, BGZ_UPDATE, Table, bgz_session,
    bgz_step,
};
use crate::catch_panic::{self, Caller, GoingOn, WordVisitor};
use crate::loader::{checked, load};
use crate::step::{SolverStep, StepAction, WordKind};
use crate::{Error, text};

/// libzypp's globals, as far as this process is concerned.
static LIBZYPP: Mutex<()> = Mutex::new(());

/// The most steps and the most problems that are copied. The largest
/// distributions have fewer packages than that installed.
const MOST: usize = 1 << 17;

/// Whose libzypp's lock is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lock {
    /// Takes it; without it where another program has it, an error.
    Take,
    /// A parent of this process holds it and waits for us: nothing is locked,
    /// and nothing but the package cache is written.
    OfParent,
}

/// What the solver is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SolverVerb {
    /// `zypper update`.
    Update,
    /// `zypper dist-upgrade`.
    DistUpgrade,
    /// `zypper patch`.
    Patch,
    /// `zypper install`.
    Install,
}

/// A step of a commit that is decided already.
#[derive(Debug, Clone, Copy)]
pub struct WantedStep<'a> {
    /// What happens to the package.
    pub action: StepAction,
    /// Its name.
    pub name: &'a str,
    /// Its epoch; 0 is none.
    pub epoch: u32,
    /// Its version.
    pub version: &'a str,
    /// Its release.
    pub release: &'a str,
    /// Its architecture.
    pub arch: &'a str,
}

/// libzypp with one root open. It belongs to the thread that opened it:
///
/// ```compile_fail,E0277
/// fn needs<T: Send>() {}
/// needs::<zypp_sys::Zypp>();
/// ```
/// ```compile_fail,E0277
/// fn needs<T: Sync>() {}
/// needs::<zypp_sys::Zypp>();
/// ```
pub struct Zypp {
    table: Table,
    session: NonNull<bgz_session>,
    _one_a_process: MutexGuard<'static, ()>,
    _one_thread: PhantomData<*mut ()>,
}

impl Zypp {
    /// Loads the shim at the absolute path `shim`, opens `root` and reads what
    /// is installed there.
    pub fn open(shim: &Path, root: &Path, lock: Lock) -> Result<Self, Error> {
        let one_a_process = match LIBZYPP.try_lock() {
            Ok(guard) => guard,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Err(Error::Busy),
        };
        let root = text::absolute(root)?;
        let table = load(shim)?;
        let flags = match lock {
            Lock::Take => 0,
            Lock::OfParent => BGZ_LOCK_IS_OURS,
        };
        let mut session = ptr::null_mut();
        // SAFETY: the root is a C string, the session a place to write to.
        let code = unsafe { table.bgz_open(root.as_ptr(), flags, &raw mut session) };
        checked(&table, code)?;
        let session = NonNull::new(session).ok_or(Error::Nonsense("no session"))?;
        Ok(Self {
            table,
            session,
            _one_a_process: one_a_process,
            _one_thread: PhantomData,
        })
    }

    /// Loads the enabled repositories, with `refresh` after a look at whether
    /// they have changed. What cannot be had is among [`Zypp::problems`].
    /// `going_on` is asked now and then; [`Error::Stopped`] once it says no.
    pub fn load(
        &mut self,
        refresh: bool,
        going_on: &mut dyn FnMut(Option<u8>) -> bool,
    ) -> Result<(), Error> {
        let mut caller = Caller::<GoingOn<'_>>::new(going_on);
        let watch = catch_panic::watch(&mut caller);
        // SAFETY: `session` is the shim's own, the watch outlives the call.
        let code = unsafe {
            self.table
                .bgz_load(self.session.as_ptr(), refresh.into(), &raw const watch)
        };
        caller.outcome(checked(&self.table, code))
    }

    /// Lets the solver choose; `packages` are [`SolverVerb::Install`]'s. Where it
    /// finds no solution there are no steps, and [`Zypp::problems`] has its
    /// words.
    pub fn resolve(&mut self, verb: SolverVerb, packages: &[String]) -> Result<(), Error> {
        let packages: Vec<CString> = packages
            .iter()
            .map(|package| text::given(package))
            .collect::<Result<_, _>>()?;
        let pointers: Vec<_> = packages.iter().map(|package| package.as_ptr()).collect();
        let verb = match verb {
            SolverVerb::Update => BGZ_UPDATE,
            SolverVerb::DistUpgrade => BGZ_DIST_UPGRADE,
            SolverVerb::Patch => BGZ_PATCH,
            SolverVerb::Install => BGZ_INSTALL,
        };
        // SAFETY: as many C strings as are counted outlive the call.
        let code = unsafe {
            self.table.bgz_resolve(
                self.session.as_ptr(),
                verb,
                pointers.as_ptr(),
                pointers.len(),
            )
        };
        checked(&self.table, code)
    }

    /// Takes the steps as decided and finds their packages. What no repository
    /// offers is among [`Zypp::problems`].
    pub fn commit(&mut self, wanted: &[WantedStep<'_>]) -> Result<(), Error> {
        let texts: Vec<[CString; 4]> = wanted
            .iter()
            .map(|step| {
                Ok([
                    text::given(step.name)?,
                    text::given(step.version)?,
                    text::given(step.release)?,
                    text::given(step.arch)?,
                ])
            })
            .collect::<Result<_, Error>>()?;
        let steps: Vec<bgz_step> = wanted
            .iter()
            .zip(&texts)
            .map(|(step, [name, version, release, arch])| bgz_step {
                action: step.action.to_c(),
                epoch: step.epoch,
                name: name.as_ptr(),
                version: version.as_ptr(),
                release: release.as_ptr(),
                arch: arch.as_ptr(),
                ..EMPTY
            })
            .collect();
        // SAFETY: as many steps as are counted, and their strings, outlive the call.
        let code = unsafe {
            self.table
                .bgz_commit(self.session.as_ptr(), steps.as_ptr(), steps.len())
        };
        checked(&self.table, code)
    }

    /// The packages that come and go, by the last [`Zypp::resolve`] or
    /// [`Zypp::commit`].
    pub fn steps(&self) -> Result<Vec<SolverStep>, Error> {
        // SAFETY: `session` is the shim's own.
        let count = unsafe { self.table.bgz_step_count(self.session.as_ptr()) };
        if count > MOST {
            return Err(Error::Nonsense("more packages than there can be"));
        }
        (0..count)
            .map(|index| {
                let mut step = EMPTY;
                // SAFETY: the index is below the count, the step a place to write to.
                let code = unsafe {
                    self.table
                        .bgz_get_step(self.session.as_ptr(), index, &raw mut step)
                };
                checked(&self.table, code)?;
                // SAFETY: just filled.
                unsafe { SolverStep::from_c(&step, count) }
            })
            .collect()
    }

    /// Shows what the metadata say of the package of step `index`, until
    /// `visit` returns `false`.
    pub fn words(
        &self,
        index: usize,
        visit: &mut dyn FnMut(WordKind, &[u8]) -> bool,
    ) -> Result<(), Error> {
        let mut caller = Caller::<WordVisitor<'_>>::new(visit);
        // SAFETY: the caller outlives the call, and `door::visit` takes it for
        // what it is.
        let code = unsafe {
            self.table.bgz_words(
                self.session.as_ptr(),
                index,
                ptr::from_mut(&mut caller).cast(),
                Some(catch_panic::visit),
            )
        };
        caller.outcome(checked(&self.table, code))
    }

    /// Shows every package that is installed or on offer: its name, as
    /// [`WordKind::Installed`] or [`WordKind::Offered`], and what [`Zypp::words`] shows of
    /// it with what it obsoletes. Where `visit` returns `false`, the next one is
    /// shown.
    pub fn packages(&self, visit: &mut dyn FnMut(WordKind, &[u8]) -> bool) -> Result<(), Error> {
        let mut caller = Caller::<WordVisitor<'_>>::new(visit);
        // SAFETY: as in `words`.
        let code = unsafe {
            self.table.bgz_packages(
                self.session.as_ptr(),
                ptr::from_mut(&mut caller).cast(),
                Some(catch_panic::visit),
            )
        };
        caller.outcome(checked(&self.table, code))
    }

    /// Where the cache has the package of step `index`, if it has. Reads the
    /// file, to compare its checksum.
    pub fn cached(&mut self, index: usize) -> Result<Option<PathBuf>, Error> {
        let mut path = ptr::null();
        // SAFETY: `session` is the shim's own, the path a place to write to.
        let code = unsafe {
            self.table
                .bgz_cached(self.session.as_ptr(), index, &raw mut path)
        };
        checked(&self.table, code)?;
        // SAFETY: null, or the shim's string until its next call.
        Ok(unsafe { text::copied_path(path) })
    }

    /// Brings the package of step `index` into the cache, where it stays.
    /// `going_on` gets the percentage that is there, where it is known;
    /// [`Error::Stopped`] once it says no.
    pub fn fetch(
        &mut self,
        index: usize,
        going_on: &mut dyn FnMut(Option<u8>) -> bool,
    ) -> Result<PathBuf, Error> {
        let mut caller = Caller::<GoingOn<'_>>::new(going_on);
        let watch = catch_panic::watch(&mut caller);
        let mut path = ptr::null();
        // SAFETY: as in `load`; the path is a place to write to.
        let code = unsafe {
            self.table.bgz_fetch(
                self.session.as_ptr(),
                index,
                &raw const watch,
                &raw mut path,
            )
        };
        caller.outcome(checked(&self.table, code))?;
        // SAFETY: null, or the shim's string until its next call.
        unsafe { text::copied_path(path) }.ok_or(Error::Nonsense("no path"))
    }

    /// The directory of the package cache, the root's own path in front.
    pub fn cache(&self) -> Option<PathBuf> {
        // SAFETY: the shim's string lives as long as the session.
        unsafe { text::copied_path(self.table.bgz_cache(self.session.as_ptr())) }
    }

    /// What is missing and why, up to now.
    pub fn problems(&self) -> Vec<String> {
        // SAFETY: `session` is the shim's own.
        let count = unsafe { self.table.bgz_problem_count(self.session.as_ptr()) };
        (0..count.min(MOST))
            .map(|index| {
                // SAFETY: the shim's string lives until the session changes.
                unsafe {
                    text::copied_or_empty(self.table.bgz_problem(self.session.as_ptr(), index))
                }
            })
            .collect()
    }
}

impl Drop for Zypp {
    fn drop(&mut self) {
        // SAFETY: the session is the shim's own and closed once.
        unsafe { self.table.bgz_close(self.session.as_ptr()) };
    }
}

const EMPTY: bgz_step = bgz_step {
    action: 0,
    epoch: 0,
    name: ptr::null(),
    version: ptr::null(),
    release: ptr::null(),
    arch: ptr::null(),
    repository: ptr::null(),
    location: ptr::null(),
    checksum: ptr::null(),
    size: 0,
    replaces: ptr::null(),
    replaces_count: 0,
};

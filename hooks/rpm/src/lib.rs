//! `btf_guard.so`: asks `btf-guard judge` about a transaction before rpm
//! changes anything, and about the disk when all is done.
//!
//! It lives inside rpm, dnf, zypper's rpm or PackageKit, so it does next to
//! nothing itself: [`survey`] finds the packages that carry modules or kernel
//! images, [`btf_guard::judge`] hands them to a child process, [`hook`] and
//! [`after`] turn the answer into lines for [`voice`] and a return code.
//! Whatever goes wrong on the way costs one warning line, never the transaction.
//!
//! [`commit`] knows whether this is a part of something larger, a commit of
//! zypper's, and what was decided on the whole.
//!
//! [`settle`] uses up overrides, and has decisions written down by another child;
//! [`off`] has it written down that there was none.
//!
//! [`memory`] has what one call leaves for the next: dnf calls with its test run
//! first, and nothing is asked or told twice.

mod after;
mod client;
mod commit;
mod door;
mod farewell;
mod hook;
mod librpm;
mod mapped;
mod memory;
mod off;
mod settings;
mod settle;
mod survey;
mod voice;

use std::ffi::{c_char, c_int};

use rpm_plugin_sys::{PluginHooks, RPMRC_FAIL, RPMRC_OK, rpmPlugin, rpmRC, rpmts};

use hook::Outcome;
use librpm::{Librpm, Transaction};

/// What librpm looks up after `dlopen`. Without `init` there is nothing that
/// could fail when rpm starts.
#[allow(unsafe_code, non_upper_case_globals)]
#[unsafe(no_mangle)]
pub static btf_guard_hooks: PluginHooks = PluginHooks {
    tsm_pre: Some(tsm_pre),
    tsm_post: Some(tsm_post),
    scriptlet_pre: Some(scriptlet_pre),
    ..PluginHooks::NONE
};

/// Before the first change of a transaction; also in its test run.
#[allow(unsafe_code)]
unsafe extern "C" fn tsm_pre(plugin: rpmPlugin, ts: rpmts) -> rpmRC {
    let rpm = match door::behind(Librpm::of_this_process) {
        Ok(Ok(rpm)) => rpm,
        Ok(Err(error)) => return hook::complain_without_librpm(&error.to_string()),
        Err(panic) => return hook::complain_without_librpm(&panic),
    };
    let outcome = door::behind(|| {
        // SAFETY: librpm calls this hook with its own plugin and transaction
        // set, which outlive the call; null is checked for.
        let transaction = unsafe { Transaction::new(&rpm, ts) };
        // SAFETY: as above.
        let options = || unsafe { rpm.options(plugin) };
        transaction.map_or(Outcome::GoesOn, |transaction| {
            hook::before(&rpm, &transaction, options)
        })
    });
    match outcome {
        Ok(Outcome::GoesOn) => RPMRC_OK,
        Ok(Outcome::Stops) => RPMRC_FAIL,
        Err(panic) => {
            let _ = door::behind(|| hook::panicked(&rpm, &panic));
            RPMRC_OK
        }
    }
}

/// Before a scriptlet, which may change what no plan foresees.
#[allow(unsafe_code)]
unsafe extern "C" fn scriptlet_pre(_: rpmPlugin, _name: *const c_char, _kind: c_int) -> rpmRC {
    memory::scriptlet_runs();
    RPMRC_OK
}

/// After a transaction, its test run, or its refusal.
#[allow(unsafe_code)]
unsafe extern "C" fn tsm_post(_plugin: rpmPlugin, _ts: rpmts, res: c_int) -> rpmRC {
    let Some(after) = memory::take_real() else {
        return RPMRC_OK;
    };
    // Above 0, problems were found before the first change (`rpmtsRun()`,
    // lib/transaction.c of rpm); below 0, some of it was done.
    if res > 0 {
        return RPMRC_OK;
    }
    let Ok(Ok(rpm)) = door::behind(Librpm::of_this_process) else {
        return RPMRC_OK;
    };
    if let Err(panic) = door::behind(|| after.run(&rpm)) {
        let _ = door::behind(|| after::panicked(&rpm, &panic));
    }
    RPMRC_OK
}

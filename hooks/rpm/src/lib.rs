//! `btf_guard.so`: asks `btf-guard judge` about a transaction before rpm
//! changes anything.
//!
//! It lives inside rpm, dnf, zypper's rpm or PackageKit, so it does next to
//! nothing itself: [`survey`] finds the packages that carry modules or kernel
//! images, [`btf_guard_hooks::judge`] hands them to a child process, [`hook`]
//! turns the answer into log lines and a return code. Whatever goes wrong on
//! the way costs one warning line, never the transaction.
//!
//! The plugin keeps no state: dnf calls it twice with one instance, first for
//! its test run, and each call stands for itself.

mod commit;
mod door;
mod hook;
mod librpm;
mod settings;
mod survey;

use rpm_plugin_sys::{PluginHooks, RPMRC_FAIL, RPMRC_OK, rpmPlugin, rpmRC, rpmts};

use hook::Outcome;
use librpm::{Librpm, Transaction};

/// What librpm looks up after `dlopen`. Without `init` there is nothing that
/// could fail when rpm starts.
#[allow(unsafe_code, non_upper_case_globals)]
#[unsafe(no_mangle)]
pub static btf_guard_hooks: PluginHooks = PluginHooks {
    tsm_pre: Some(tsm_pre),
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
            let _ = door::behind(|| hook::complain(&rpm, &format!("internal error: {panic}")));
            RPMRC_OK
        }
    }
}

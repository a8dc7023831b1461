// SPDX-License-Identifier: GPL-2.0-or-later
//! `btf_guard.so`: asks `btf-guard judge` about a transaction before rpm
//! changes anything, and about the disk when all is done.
//!
//! It lives inside rpm, dnf, zypper's rpm or PackageKit, so it does next to
//! nothing itself: [`collect`] finds the packages that carry modules or kernel
//! images, [`btf_guard_protocol::judge_client`] hands them to a child process, [`tsm_pre`] and
//! [`tsm_post`] turn the answer into lines for [`output`] and a return code.
//! Whatever goes wrong on the way costs one warning line, never the transaction.
//!
//! [`zypp_commit`] knows whether this is a part of a commit of zypper's, and what was
//! decided on the whole; [`state`] has what one call leaves for the next.

mod answer;
mod catch_panic;
mod collect;
mod descriptor_room;
mod host;
mod librpm;
mod options;
mod output;
mod skipped_paths;
mod state;
mod tsm_post;
mod tsm_pre;
mod zypp_commit;

use std::ffi::{c_char, c_int, c_uint, c_void};

use rpm_plugin_sys::{PluginHooks, RPMRC_FAIL, RPMRC_OK, rpmPlugin, rpmRC, rpmts};

use answer::ReturnCode;
use catch_panic::catch_panic;
use librpm::{Librpm, TransactionSet};

/// What librpm looks up after `dlopen`. Without `init` there is nothing that
/// could fail when rpm starts.
#[allow(unsafe_code, non_upper_case_globals)]
#[unsafe(no_mangle)]
pub static btf_guard_hooks: PluginHooks = PluginHooks {
    tsm_pre: Some(before),
    tsm_post: Some(after),
    fsm_file_pre: Some(file_is_touched),
    ..PluginHooks::NONE
};

/// Before the first change of a transaction; also in its test run.
#[allow(unsafe_code)]
unsafe extern "C" fn before(plugin: rpmPlugin, ts: rpmts) -> rpmRC {
    let rpm = match catch_panic(Librpm::of_this_process) {
        Ok(Ok(rpm)) => rpm,
        Ok(Err(error)) => return tsm_pre::complain_without_librpm(&error.to_string()),
        Err(panic) => return tsm_pre::complain_without_librpm(&panic),
    };
    let code = catch_panic(|| {
        // SAFETY: librpm calls this hook with its own plugin and transaction
        // set, which outlive the call; null is checked for.
        let transaction = unsafe { TransactionSet::new(&rpm, ts) };
        // SAFETY: as above.
        let options = || unsafe { rpm.options(plugin) };
        transaction.map_or(ReturnCode::Proceed, |transaction| {
            tsm_pre::run(&rpm, &transaction, options)
        })
    });
    match code {
        Ok(ReturnCode::Proceed) => RPMRC_OK,
        Ok(ReturnCode::Stop) => RPMRC_FAIL,
        Err(panic) => {
            let _ = catch_panic(|| tsm_pre::panicked(&rpm, &panic));
            RPMRC_OK
        }
    }
}

/// Before a file is touched.
#[allow(unsafe_code)]
unsafe extern "C" fn file_is_touched(
    _plugin: rpmPlugin,
    _fi: *mut c_void,
    _path: *const c_char,
    _file_mode: c_uint,
    _op: c_int,
) -> rpmRC {
    state::note_touched();
    RPMRC_OK
}

/// After a transaction, its test run, or its refusal.
#[allow(unsafe_code)]
unsafe extern "C" fn after(_plugin: rpmPlugin, _ts: rpmts, res: c_int) -> rpmRC {
    let Some((mut after, is_touched)) = state::take_real() else {
        return RPMRC_OK;
    };
    match catch_panic(Librpm::of_this_process) {
        Ok(Ok(rpm)) => {
            let told = catch_panic(|| {
                // Above 0, problems were found before the first change (`rpmtsRun()`,
                // lib/transaction.c of rpm); below 0, some of it may have been done.
                if res > 0 || res < 0 && !is_touched {
                    after.give_back(&rpm);
                }
                if res <= 0 {
                    after.run(&rpm);
                }
            });
            if let Err(panic) = told {
                let _ = catch_panic(|| tsm_post::panicked(&rpm, &panic));
            }
        }
        _ => {
            let _ = catch_panic(|| drop(after));
        }
    }
    RPMRC_OK
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! The table of functions that librpm looks up in a plugin.

use std::ffi::{c_char, c_int, c_uint, c_void};

use crate::{rpmPlugin, rpmRC, rpmts};

/// A hook that this project does not implement: its signature does not matter.
pub type UnusedHook = Option<unsafe extern "C" fn()>;

/// `struct rpmPluginHooks_s`: what librpm finds under the name `<plugin>_hooks`.
///
/// The declaration is ours because `<rpm/rpmplugin.h>` is public since rpm 4.20
/// only. The hooks have these places from rpm 4.14 to 6.1. `fsm_file_prepare`
/// gained an argument in 4.18 and must stay `None`.
///
/// librpm reads hooks by their offset and does not know how long a plugin's
/// table is: a version that appends hooks (rpm's development branch has
/// `chroot_pre` and `chroot_post`) calls whatever lies behind a table of the
/// old length. `later` holds `NULL` where such hooks will be looked for.
#[repr(C)]
#[derive(Debug)]
pub struct PluginHooks {
    /// Called when the plugin is loaded; anything but `RPMRC_OK` fails every
    /// transaction of the machine.
    pub init: Option<unsafe extern "C" fn(plugin: rpmPlugin, ts: rpmts) -> rpmRC>,
    /// Called before the plugin is unloaded.
    pub cleanup: Option<unsafe extern "C" fn(plugin: rpmPlugin)>,
    /// Called before the first change; `RPMRC_FAIL` ends the transaction.
    pub tsm_pre: Option<unsafe extern "C" fn(plugin: rpmPlugin, ts: rpmts) -> rpmRC>,
    /// After the transaction, its test run or its refusal; `res` is 0 where all
    /// went well, above 0 where problems kept it from starting, and below 0
    /// where it failed. What is returned changes nothing.
    pub tsm_post: Option<unsafe extern "C" fn(plugin: rpmPlugin, ts: rpmts, res: c_int) -> rpmRC>,
    /// Before a transaction element.
    pub psm_pre: UnusedHook,
    /// After a transaction element.
    pub psm_post: UnusedHook,
    /// Before a scriptlet or trigger, shell's or Lua's (`rpmScriptRun()`,
    /// lib/rpmscript.c of rpm); `RPMRC_FAIL` keeps it from being run.
    pub scriptlet_pre: Option<
        unsafe extern "C" fn(plugin: rpmPlugin, s_name: *const c_char, kind: c_int) -> rpmRC,
    >,
    /// In a scriptlet's process, before it starts.
    pub scriptlet_fork_post: UnusedHook,
    /// After a scriptlet.
    pub scriptlet_post: UnusedHook,
    /// Before a file is touched (`fsmMkfile()` and others, lib/fsm.c of rpm); anything but
    /// `RPMRC_OK` fails the package.
    pub fsm_file_pre: Option<
        unsafe extern "C" fn(
            plugin: rpmPlugin,
            fi: *mut c_void,
            path: *const c_char,
            file_mode: c_uint,
            op: c_int,
        ) -> rpmRC,
    >,
    /// After a file was touched.
    pub fsm_file_post: UnusedHook,
    /// Before a file gets its final name.
    pub fsm_file_prepare: UnusedHook,
    /// Room for what later versions append.
    pub later: [UnusedHook; 20],
}

impl PluginHooks {
    /// A plugin that does nothing.
    pub const NONE: Self = Self {
        init: None,
        cleanup: None,
        tsm_pre: None,
        tsm_post: None,
        psm_pre: None,
        psm_post: None,
        scriptlet_pre: None,
        scriptlet_fork_post: None,
        scriptlet_post: None,
        fsm_file_pre: None,
        fsm_file_post: None,
        fsm_file_prepare: None,
        later: [None; 20],
    };
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! zypper's commit plugin: has a whole commit judged before its first change.
//!
//! libzypp starts it from `/usr/lib/zypp/plugins/commit/` and speaks [`stomp`]
//! with it; [`dispatch`] answers its messages. At COMMITBEGIN [`commit`] has the
//! packages that carry modules fetched into libzypp's cache, makes
//! one plan of them and of what goes, has it judged, and leaves the decision for the rpm
//! plugin: a commit plugin cannot stop a commit. At the end it has the disk
//! judged, and what that shows goes to zypper's log and to the record.
//!
//! What libzypp has told of its packages is kept ([`carrier_cache`]) for the next
//! commit, which is then over here before anything is started, if it touches nothing
//! of that kind.
//!
//! Whatever goes wrong costs a line in zypper's log, never the commit: libzypp
//! gets its answer in time ([`deadline`]), and there is no hand-off.

pub mod carrier_cache;
mod commit;
mod deadline;
pub mod dispatch;
pub mod options;
pub mod steps;
pub mod stomp;

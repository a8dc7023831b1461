// SPDX-License-Identifier: GPL-2.0-or-later
//! Files in `/run/btf-guard` by which hooks of one transaction know of each other.

pub mod last_check;
pub mod trusted_dir;
pub mod zypp_commit;

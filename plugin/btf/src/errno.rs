// SPDX-License-Identifier: GPL-2.0-or-later
//! The error numbers that the kernel refuses BTF with.

pub(crate) const E2BIG: i32 = 7;
pub(crate) const EINVAL: i32 = 22;
pub(crate) const ENOENT: i32 = 2;
pub(crate) const ELOOP: i32 = 40;
/// Not in userspace's errno.h; `finit_module(2)` returns it all the same.
pub(crate) const ENOTSUPP: i32 = 524;

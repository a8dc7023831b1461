// SPDX-License-Identifier: GPL-2.0-or-later
//! The one error of every reader of untrusted bytes.

use std::borrow::Cow;

/// Bytes that are not what their format requires.
///
/// The reader that meets them knows the offset and what should have stood
/// there; the caller that opened the file adds its name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at offset {offset:#x}: expected {expected}")]
pub struct Malformed {
    /// Where, in bytes from the start of what was read.
    pub offset: u64,
    /// What the format requires there.
    pub expected: Cow<'static, str>,
}

impl Malformed {
    /// An error at `offset`, where `expected` should have been.
    pub fn new(offset: impl TryInto<u64>, expected: impl Into<Cow<'static, str>>) -> Self {
        Self {
            offset: offset.try_into().unwrap_or(u64::MAX),
            expected: expected.into(),
        }
    }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! What can go wrong.

use std::path::PathBuf;

/// Why libzypp gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The shim is not there, or the libzypp that it was built for is not.
    #[error("{} cannot be loaded", .path.display())]
    Load {
        /// The shim.
        path: PathBuf,
        /// The dynamic loader's words.
        source: libloading::Error,
    },
    /// The shim belongs to another version of this program.
    #[error("{} speaks version {found} of the shim's interface, not {wanted}", .path.display())]
    Interface {
        /// The shim.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The version that is understood here.
        wanted: u32,
    },
    /// A path that is not absolute, or a text that cannot be a C string.
    #[error("{0:?} cannot be passed to libzypp")]
    Argument(String),
    /// This process has a [`crate::Zypp`] already.
    #[error("libzypp is in use in this process")]
    Busy,
    /// Another program is installing or refreshing.
    #[error("{0}")]
    Locked(String),
    /// libzypp's own words.
    #[error("{0}")]
    Failed(String),
    /// A callback said that it is enough.
    #[error("stopped before it was done")]
    Stopped,
    /// A callback panicked, with this message.
    #[error("internal error: {0}")]
    Panicked(String),
    /// The shim said something that it never should.
    #[error("the shim around libzypp answers {0}")]
    Nonsense(&'static str),
}

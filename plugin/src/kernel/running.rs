//! The running kernel.

use super::{Error, Kernel};

/// Reads it.
pub(super) fn read() -> Result<Kernel, Error> {
    Err(Error::NoBtf)
}

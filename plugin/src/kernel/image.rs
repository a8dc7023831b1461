//! Kernel images: from a file to its base BTF.

use std::path::Path;

use super::Error;
use crate::Malformed;
use crate::module::Target;

/// What a kernel image tells of its kernel.
#[derive(Debug, Clone)]
pub struct Image {
    /// Section `.BTF`.
    pub base_btf: Vec<u8>,
    /// `uname -r`.
    pub release: Option<String>,
    /// `uname -v`: the `#1 SMP … date` part.
    pub build: Option<String>,
    /// What its modules must be built for; `None` for raw BTF.
    pub target: Option<Target>,
    /// The text of the embedded config (`CONFIG_IKCONFIG`), if there is one.
    pub config: Option<String>,
}

/// Reads a kernel image.
///
/// # Errors
/// [`Error`].
pub fn open(path: &Path) -> Result<Image, Error> {
    let _ = path;
    Err(Malformed::new(0_u64, "an implementation").into())
}

/// Reads a kernel image from bytes.
///
/// # Errors
/// [`Error`].
pub fn parse(bytes: &[u8]) -> Result<Image, Error> {
    let _ = bytes;
    Err(Malformed::new(0_u64, "an implementation").into())
}

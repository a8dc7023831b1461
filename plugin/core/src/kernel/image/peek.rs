// SPDX-License-Identifier: GPL-2.0-or-later
//! What can be told of an image without unpacking it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use btf_guard_btf::error::Malformed;

use super::detect::Outline;
use super::open;
use crate::kernel::Error;
use crate::module::source::{ByteSource, Regular};

/// The longest payload that is digested, in bytes. Distributions' have up to 20 MB.
const MAX_PAYLOAD: u64 = 256 << 20;

/// Looks at the image `path` without unpacking it; a few kilobytes are read.
pub fn peek(path: &Path) -> Result<Outline, Error> {
    Outline::of(&Regular::open(path)?)
}

/// SHA-256 of the kernel in an image as it stands there, in lower-case
/// hexadecimal: of the compressed payload of a bzImage or EFI zboot image, in
/// a UKI or not; of the whole UKI's `.linux` or the whole file otherwise. A new
/// signature, or another UKI around the kernel, does not change a payload.
pub(crate) fn payload_digest(source: &(impl ByteSource + ?Sized)) -> Result<String, Error> {
    let (payload, _) = Outline::of(source)?.body?;
    Ok(source.sha256(payload)?)
}

/// True if the kernels in two images are known to be the same bytes: whoever makes a file
/// may state any length, so that long ones are not read.
fn same_payload(one: &Regular, other: &Regular) -> Result<bool, Error> {
    let length = |file: &Regular| {
        let (payload, _) = Outline::of(file)?.body?;
        Ok::<u64, Error>(payload.end.saturating_sub(payload.start))
    };
    let (length, other_length) = (length(one)?, length(other)?);
    if length != other_length || length > MAX_PAYLOAD {
        return Ok(false);
    }
    Ok(payload_digest(one)? == payload_digest(other)?)
}

/// True if two images hold the same build of a kernel. Its content decides: they
/// are one file, or their payloads are the same, or their base BTF is. Equal
/// versions prove nothing, for a rebuild may keep its version; different ones
/// end the search.
///
/// # Errors
/// Those of [`open`], of either image; [`Error::Malformed`] too if it cannot be
/// told, because neither has a base BTF.
pub(crate) fn same_build(one: &Path, other: &Path) -> Result<bool, Error> {
    let (file, other_file) = (fs::metadata(one)?, fs::metadata(other)?);
    if (file.dev(), file.ino()) == (other_file.dev(), other_file.ino()) {
        return Ok(true);
    }
    let (shown, other_shown) = (peek(one)?, peek(other)?);
    let differ = |a: Option<String>, b: Option<String>| a.is_some() && b.is_some() && a != b;
    if same_payload(&Regular::open(one)?, &Regular::open(other)?)? {
        return Ok(true);
    }
    if differ(shown.build, other_shown.build) {
        return Ok(false);
    }
    let (one, other) = (open(one)?.base_btf, open(other)?.base_btf);
    if one.is_empty() && other.is_empty() {
        let what = "a base BTF that tells two kernels of one version apart";
        return Err(Malformed::new(0_u64, what).into());
    }
    Ok(one == other)
}

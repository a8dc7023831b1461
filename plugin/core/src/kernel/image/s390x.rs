// SPDX-License-Identifier: GPL-2.0-or-later
//! The compressed s390x image: a decompressor, then the kernel.
//!
//! `arch/s390/boot/vmlinux.lds.S` (Linux 6.12) puts the compressed kernel
//! behind the decompressor, at a multiple of eight, and no header says where.
//! It is searched for by its magic, and known by what it unpacks to: a kernel
//! with a base BTF, or at least with a banner.

use std::ops::Range;

use btf_guard_btf::Order;
use btf_guard_btf::error::Malformed;

use super::{MAX_KERNEL, banner};
use crate::compression::{self, Format};
use crate::kernel::Error;

/// Where the decompressor's code begins; before it are the boot parameters.
const CODE: usize = 0x1_1000;

/// What the compressed kernel begins at a multiple of, in bytes.
const ALIGN: usize = 8;

/// How many places are tried. In the kernels seen, two or three more than the
/// right one looked like the start of compressed data.
const MAX_TRIES: usize = 64;

/// A place that yields so many bytes before it turns out to be damaged was the
/// right one.
const NO_ACCIDENT: usize = 1 << 20;

/// The bytes of a kernel, and where its base BTF is: nowhere if that is empty.
type Unpacked = (Vec<u8>, Range<usize>);

/// Unpacks the kernel in `image`. `None` if none is in there.
///
/// # Errors
/// [`Error::Malformed`] if there is one that is cut short or damaged. All tries together unpack no
/// more than [`MAX_KERNEL`] bytes.
pub(crate) fn unpack(image: &[u8]) -> Result<Option<Unpacked>, Error> {
    let mut left = MAX_KERNEL;
    let mut kernel = Vec::new();
    let places = (CODE..image.len()).step_by(ALIGN).filter_map(|at| {
        let packed = image.get(at..)?;
        Some((at, packed, Format::detect(packed)?))
    });
    for (at, packed, format) in places.take(MAX_TRIES) {
        let result = compression::decompress(format, packed, left, &mut kernel);
        left = left.saturating_sub(kernel.len());
        let result = result.and_then(|()| btf_guard_btf::find_base(&kernel, Order::Big));
        match result {
            Ok(Some(base)) => return Ok(Some((kernel, base))),
            Err(error) if kernel.len() >= NO_ACCIDENT => {
                let what = format!("{} (in the kernel that begins at {at:#x})", error.expected);
                return Err(Malformed::new(at as u64 + error.offset, what).into());
            }
            Ok(None) if banner::find(&kernel).is_some() => {
                return Ok(Some((kernel, 0..0)));
            }
            Ok(None) | Err(_) => {}
        }
    }
    Ok(None)
}

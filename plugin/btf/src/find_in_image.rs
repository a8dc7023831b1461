// SPDX-License-Identifier: GPL-2.0-or-later
//! Finding a kernel's base BTF in an image that has no section table.
//!
//! BTF has a magic of four bytes, which a kernel of 40 MB holds by chance, in
//! its code, and in the BPF programs that it brings (`kernel/bpf/preload`).
//! What is not BTF fails at the header, in constant time; what is BTF is
//! walked to the end; of what is left the largest is the kernel's.

use std::ops::Range;

use memchr::memmem;

use crate::error::Malformed;
use crate::raw::{self, HEADER_LEN, HEADER_LEN_LAYOUT, Order, TYPE_LEN, Type, kind};

/// The longest header that is followed, in bytes. They have 24, and since
/// Linux 7.1 32.
const LONGEST_HEADER: usize = 256;

/// A type that every kernel has and that no BPF program inside a kernel
/// brings along. Without it the largest BTF of a kernel that was built without
/// its own would be taken for its base.
const OF_A_KERNEL: &[u8] = b"\0task_struct\0";

/// How deep walks may lie over each other, on average over the image. In
/// kernels, all walks together take a tenth of it at most.
const DEPTH: usize = 2;

/// How many bytes of strings are searched at the price of one step.
const STRING_BYTES: usize = 16;

/// So many types in a row are no accident, even if their end is missing.
const NO_ACCIDENT: usize = 1000;

/// Up to here, kinds that are not known yet are taken for those of a newer kernel.
const NEW_KINDS: u32 = 32;

/// Finds the base BTF of the kernel whose raw bytes are `image`: of all whole
/// BTFs of this byte order that name `task_struct`, the longest. `None` if
/// there is none.
///
/// The work is bounded by the length of the image, whatever it holds: walks
/// may lie over each other two deep from end to end, which no kernel comes near.
///
/// # Errors
/// [`Malformed`] if that bound is passed, or if none is whole, but the end of
/// the image cuts one in two.
pub fn find_base(image: &[u8], order: Order) -> Result<Option<Range<usize>>, Malformed> {
    // The magic, version 1, and flags, which every kernel wants to be 0.
    let start: &[u8; 4] = match order {
        Order::Little => b"\x9f\xeb\x01\0",
        Order::Big => b"\xeb\x9f\x01\0",
    };
    // A step of a walk is one type, and types have twelve bytes or more.
    let mut steps = image.len() / TYPE_LEN * DEPTH;
    let mut found = 0..0;
    let mut cut = None;
    for at in memmem::find_iter(image, start) {
        let rest = image.get(at..).unwrap_or_default();
        let Some(header) = HeaderSections::at(order, rest) else {
            continue;
        };
        match rest.get(..header.end) {
            Some(whole) => {
                if whole.len() > found.len() && header.is_base(order, whole, &mut steps) {
                    found = at..at + whole.len();
                }
            }
            None => {
                if cut.is_none() && header.is_cut(order, rest, &mut steps) {
                    cut = Some((at, header.end));
                }
            }
        }
        if steps == 0 {
            let what = "BTF, not thousands of BTFs that lie over each other";
            return Err(Malformed::new(at, what));
        }
    }
    match cut {
        Some((at, length)) if found.is_empty() => Err(Malformed::new(
            image.len(),
            format!("the rest of {length} bytes of BTF that begin at {at:#x}"),
        )),
        _ => Ok(Some(found).filter(|found| !found.is_empty())),
    }
}

/// The sections that a header names, as offsets from the header.
struct HeaderSections {
    types: Range<usize>,
    strings: Range<usize>,
    /// Where the last section ends.
    end: usize,
}

impl HeaderSections {
    /// Reads the header that `bytes` begin with, if it can be one.
    fn at(order: Order, bytes: &[u8]) -> Option<Self> {
        let word = |at: usize| order.u32_at(bytes, at).map(|word| word as usize);
        let length = word(4)?;
        if !(HEADER_LEN..=LONGEST_HEADER).contains(&length) {
            return None;
        }
        let section = |off: usize, len: usize| {
            let start = length.checked_add(word(off)?)?;
            Some(start..start.checked_add(word(len)?)?)
        };
        let (types, strings) = (section(8, 12)?, section(16, 20)?);
        let mut end = types.end.max(strings.end);
        if length >= HEADER_LEN_LAYOUT {
            end = end.max(section(24, 28)?.end);
        }
        // The kernel lets sections neither overlap nor leave a gap; the types
        // come first wherever BTF is written.
        (!types.is_empty() && types.end <= strings.start && !strings.is_empty()).then_some(Self {
            types,
            strings,
            end,
        })
    }

    /// Is this the whole base BTF of a kernel? Takes from `steps` what it costs.
    fn is_base(&self, order: Order, bytes: &[u8], steps: &mut usize) -> bool {
        let types = bytes.get(self.types.clone()).unwrap_or_default();
        let strings = bytes.get(self.strings.clone()).unwrap_or_default();
        if strings.first() != Some(&0) || strings.last() != Some(&0) {
            return false;
        }
        let (end, count) = walk(order, types, steps);
        // One of a kind that only a newer kernel knows ends the walk, not the types.
        let is_newer = |t: Type| (kind::COUNT..NEW_KINDS).contains(&t.wide_kind().into());
        let goes_on = || Type::at(order, types, end).is_some_and(is_newer) && count >= NO_ACCIDENT;
        if end != types.len() && !goes_on() {
            return false;
        }
        *steps = steps.saturating_sub(strings.len() / STRING_BYTES);
        memmem::find(strings, OF_A_KERNEL).is_some()
    }

    /// Does the end of the image, and of `bytes`, cut a BTF in two here?
    fn is_cut(&self, order: Order, bytes: &[u8], steps: &mut usize) -> bool {
        let types = bytes.get(self.types.start..).unwrap_or_default();
        let types = types.get(..self.types.len()).unwrap_or(types);
        let (end, count) = walk(order, types, steps);
        // The last of them may go beyond the end, and its successor need not be whole.
        let all = end == self.types.len();
        let up_to_the_end = types.len() < self.types.len() && end + TYPE_LEN > types.len();
        (all || up_to_the_end) && count >= NO_ACCIDENT
    }
}

/// Walks a type section as long as there are types: where the last one ends, which may
/// be beyond the section, and how many there are.
fn walk(order: Order, types: &[u8], steps: &mut usize) -> (usize, usize) {
    let (mut at, mut count) = (0, 0);
    while let Some(left) = steps.checked_sub(1)
        && let Some(next) = Type::at(order, types, at)
        && let Some(appended) = raw::appended(next.wide_kind(), next.wide_vlen())
    {
        *steps = left;
        count += 1;
        at += TYPE_LEN + appended;
    }
    (at, count)
}

#[cfg(test)]
mod tests;

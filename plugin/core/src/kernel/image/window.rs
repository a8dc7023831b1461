// SPDX-License-Identifier: GPL-2.0-or-later
//! A part of a file, read as if it were a file.

use std::borrow::Cow;
use std::io;
use std::ops::Range;

use btf_guard_btf::error::Malformed;

use crate::kernel::Error;
use crate::module::source::ByteSource;

/// The bytes of `range` in a source; offsets count from its start.
#[derive(Debug)]
pub(crate) struct Window<'s, S: ?Sized> {
    source: &'s S,
    range: Range<u64>,
}

impl<'s, S: ByteSource + ?Sized> Window<'s, S> {
    /// A window onto `range`, which lies inside the source.
    pub(crate) fn new(source: &'s S, range: Range<u64>) -> Self {
        Self { source, range }
    }
}

impl<S: ByteSource + ?Sized> ByteSource for Window<'_, S> {
    fn size(&self) -> u64 {
        self.range.end.saturating_sub(self.range.start)
    }

    fn read(&self, offset: u64, length: usize) -> io::Result<Cow<'_, [u8]>> {
        let start = self.range.start.checked_add(offset);
        let end = start.and_then(|start| start.checked_add(length as u64));
        match (start, end) {
            (Some(start), Some(end)) if end <= self.range.end => self.source.read(start, length),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// An error at an offset in a part of a file that begins at `start`, as one in
/// the file.
pub(crate) fn moved(error: Error, start: u64) -> Error {
    match error {
        Error::Malformed(error) => placed(error, start).into(),
        other => other,
    }
}

/// [`moved`], of an error that is known to be about the bytes.
pub(crate) fn placed(error: Malformed, start: u64) -> Malformed {
    Malformed::new(error.offset.saturating_add(start), error.expected)
}

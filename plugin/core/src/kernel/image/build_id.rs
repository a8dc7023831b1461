// SPDX-License-Identifier: GPL-2.0-or-later
//! The build id that the linker leaves in a kernel, `NT_GNU_BUILD_ID`.

use btf_guard_btf::Order;
use memchr::memmem;
use object::Endianness;
use object::elf::{ELF_NOTE_GNU, FileHeader64, NT_GNU_BUILD_ID};
use object::read::elf::NoteIterator;

/// The longest section of notes that is read, in bytes. Kernels' have some hundreds.
pub(crate) const MAX_NOTES: u64 = 64 << 10;

/// How long an id is, in bytes: eight by `--build-id=fast`, twenty by default.
const LENGTHS: std::ops::RangeInclusive<usize> = 8..=64;

/// The id in the section `.notes`, in lower-case hexadecimal.
pub(crate) fn in_notes(notes: &[u8], order: Order) -> Option<String> {
    let endian = match order {
        Order::Little => Endianness::Little,
        Order::Big => Endianness::Big,
    };
    let mut all = NoteIterator::<FileHeader64<Endianness>>::new(endian, 4, notes).ok()?;
    while let Ok(Some(note)) = all.next() {
        let is_id = note.name() == ELF_NOTE_GNU && note.n_type(endian) == NT_GNU_BUILD_ID;
        if is_id && LENGTHS.contains(&note.desc().len()) {
            return Some(hex::encode(note.desc()));
        }
    }
    None
}

/// The only id in the raw bytes of a kernel. `None` where there are others,
/// because a kernel brings its vDSO along, which has one of its own.
pub(crate) fn alone_in(image: &[u8], order: Order) -> Option<String> {
    // `n_namesz`, `n_descsz`, `n_type`, the name, the id.
    let mut mark = order.bytes(NT_GNU_BUILD_ID.0).to_vec();
    mark.extend_from_slice(b"GNU\0");
    let mut found: Option<&[u8]> = None;
    for at in memmem::find_iter(image, &mark) {
        let before = image.get(..at).unwrap_or_default();
        let Some((before, length)) = before.split_last_chunk::<4>() else {
            continue;
        };
        let length = order.u32(*length) as usize;
        if !before.ends_with(&order.bytes(4)) || !LENGTHS.contains(&length) {
            continue;
        }
        let behind = image.get(at + mark.len()..);
        let id = behind.and_then(|rest| rest.get(..length));
        match (id, found) {
            (Some(id), Some(other)) if id != other => return None,
            (Some(id), _) => found = Some(id),
            (None, _) => {}
        }
    }
    found.map(hex::encode)
}

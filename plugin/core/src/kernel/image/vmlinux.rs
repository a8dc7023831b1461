// SPDX-License-Identifier: GPL-2.0-or-later
//! A vmlinux: an ELF executable, of which only the sections that matter are read.

use std::borrow::Cow;

use btf_guard_btf::error::Malformed;
use object::elf::ET_REL;

use super::banner::{self, KernelVersion};
use super::{Image, MAX_BTF, build_id};
use crate::kernel::{Error, config};
use crate::module::ElfTarget;
use crate::module::elf::{self, ElfHeader, ElfSection};
use crate::module::source::ByteSource;

/// The longest `.rodata` that is searched for banner and config, in bytes.
const MAX_RODATA: u64 = 256 << 20;

/// Reads the vmlinux in `source`. Its banner is only looked for if `version`
/// is not known yet.
pub(crate) fn read(
    source: &(impl ByteSource + ?Sized),
    version: Option<KernelVersion>,
) -> Result<Image, Error> {
    let head = source.read(0, source.size().min(elf::HEADER as u64) as usize)?;
    let header = ElfHeader::parse(&head)?;
    if header.target.elf_type == ET_REL.0 {
        let what = "a vmlinux: an ELF executable, not a relocatable file such as a module";
        return Err(Malformed::new(0x10_u64, what).into());
    }
    let [btf, rodata, notes] = header.find(source, [b".BTF", b".rodata", b".notes"])?;
    let base_btf = match btf.filter(holds_bytes) {
        Some(btf) if btf.size > MAX_BTF => {
            let what = format!("a .BTF of at most {MAX_BTF} bytes, not {}", btf.size);
            return Err(Malformed::new(btf.offset, what).into());
        }
        Some(btf) => source.range(btf.offset, btf.size, ".BTF")?.into_owned(),
        None => Vec::new(),
    };

    let rodata = up_to(MAX_RODATA, source, rodata, ".rodata")?;
    let version = version
        .or_else(|| banner::find(&rodata))
        .unwrap_or_default();
    let notes = up_to(build_id::MAX_NOTES, source, notes, ".notes")?;
    Ok(Image {
        base_btf,
        release: version.release,
        build: version.build,
        build_id: build_id::in_notes(&notes, header.target.order),
        target: Some(ElfTarget {
            elf_type: ET_REL.0,
            ..header.target
        }),
        config: config::embedded(&rodata),
        ..Image::default()
    })
}

fn holds_bytes(section: &ElfSection) -> bool {
    !section.empty && section.size > 0
}

/// The bytes of a section; none if there is no such section, or if it is
/// longer than `cap`.
fn up_to<'s>(
    cap: u64,
    source: &'s (impl ByteSource + ?Sized),
    section: Option<ElfSection>,
    name: &str,
) -> Result<Cow<'s, [u8]>, Error> {
    match section.filter(holds_bytes) {
        Some(section) if section.size <= cap => {
            Ok(source.range(section.offset, section.size, name)?)
        }
        _ => Ok(Cow::default()),
    }
}

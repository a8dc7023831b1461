// SPDX-License-Identifier: GPL-2.0-or-later
//! The unified kernel image: a PE file with a kernel, an initrd and the words
//! to boot them with as its sections.
//!
//! The UAPI group's "Unified Kernel Image" specification, and how systemd-stub
//! reads it (`src/boot/pe.c` of systemd 257): of sections with one name the
//! first counts; those behind the n-th `.profile` override those before the
//! first one when that profile is booted.

use std::ops::Range;

use btf_guard_btf::error::Malformed;
use btf_guard_btf::printable;

use super::pe::{self, PeSection};
use crate::kernel::Error;
use crate::module::source::ByteSource;

/// The longest text of a UKI that is read, in bytes. The kernel takes 4096
/// bytes of command line at most.
const TEXT: u64 = 64 << 10;

/// How many profiles are read. systemd-stub takes 256 (`UNIFIED_PROFILES_MAX`).
const PROFILES: usize = 256;

/// What a UKI says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uki {
    /// Where the kernel image, `.linux`, is in the file, in bytes. Where a
    /// profile has another one, the base's is meant all the same.
    pub linux: Range<u64>,
    /// `.uname`: the kernel's release, in the words of who built the UKI.
    pub uname: Option<String>,
    /// `.cmdline`: the kernel's command line, on one line as systemd-stub
    /// makes it one.
    pub cmdline: Option<String>,
    /// Where the initrd, `.initrd`, is in the file, in bytes.
    pub initrd: Option<Range<u64>>,
    /// `.osrel`: the text of the os-release file, as it stands there.
    pub os_release: Option<String>,
    /// Where the initrds are that profiles have of their own.
    pub(crate) profile_initrds: Vec<Range<u64>>,
}

/// Reads the UKI in `source`; `None` if it is none. The second part says what
/// of the file is missing, where a UKI is cut short.
///
/// # Errors
/// [`Error::Malformed`] if the section table is not inside the file, a text is
/// longer than 64 KiB, or there are more profiles than anything boots.
pub(crate) fn read(
    source: &(impl ByteSource + ?Sized),
) -> Result<Option<(Uki, Option<Malformed>)>, Error> {
    let Some(pe) = pe::read(source)? else {
        return Ok(None);
    };
    let Some(linux) = first(&pe.sections, b".linux") else {
        return Ok(None);
    };
    let size = source.size();
    let mut damage = pe
        .sections
        .iter()
        .find_map(|section| section.check(size).err());
    if linux.size == 0 {
        damage.get_or_insert_with(|| linux.expected("that is not empty"));
    }

    let mut parts = pe.sections.split(|section| section.name == b".profile");
    let base = parts.next().unwrap_or_default();
    if parts.clone().count() > PROFILES {
        let what = format!("at most {PROFILES} sections .profile");
        return Err(Malformed::new(0_u64, what).into());
    }
    // As `mangle_stub_cmdline()` of systemd-stub makes it one line.
    let cmdline = text(source, base, b".cmdline")?.map(|text| {
        let line = text.replace(|c: char| c.is_control(), " ");
        line.trim().to_owned()
    });
    let uki = Uki {
        linux: linux.range(),
        uname: text(source, base, b".uname")?.map(|text| printable(text.trim().as_bytes())),
        cmdline,
        initrd: initrd(base),
        os_release: text(source, base, b".osrel")?,
        profile_initrds: parts.filter_map(initrd).collect(),
    };
    Ok(Some((uki, damage)))
}

/// The first section of this name.
fn first<'s>(sections: &'s [PeSection], name: &[u8]) -> Option<&'s PeSection> {
    sections.iter().find(|section| section.name == name)
}

/// The text of a section, up to a NUL. `None` too if it lies outside the
/// file, which is told elsewhere.
fn text(
    source: &(impl ByteSource + ?Sized),
    part: &[PeSection],
    name: &[u8],
) -> Result<Option<String>, Error> {
    let section = first(part, name).filter(|section| section.check(source.size()).is_ok());
    let Some(section) = section else {
        return Ok(None);
    };
    if section.size > TEXT {
        return Err(section.expected("of at most 65536 bytes").into());
    }
    let text = source.range(section.offset, section.size, "a text")?;
    let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
    Ok(Some(String::from_utf8_lossy(text).into_owned()))
}

fn initrd(part: &[PeSection]) -> Option<Range<u64>> {
    first(part, b".initrd").map(PeSection::range)
}

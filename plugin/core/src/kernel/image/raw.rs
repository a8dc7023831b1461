// SPDX-License-Identifier: GPL-2.0-or-later
//! Raw kernels: memory images behind their architecture's boot header.
//!
//! `Documentation/arch/arm64/booting.rst`, `Documentation/arch/riscv/boot-image-header.rst`,
//! `arch/loongarch/kernel/head.S`, `arch/s390/boot/head.S` (Linux 6.12). None
//! of them says where anything is inside: the base BTF is searched for.

use std::ops::Range;

use btf_guard_btf::Order;
use btf_guard_btf::error::Malformed;
use object::elf;

use super::{Image, MAX_KERNEL, banner, build_id, pe, s390x};
use crate::kernel::{Error, config};
use crate::module::ElfTarget;
use crate::module::source::{ByteSource, too_long};

/// `ARM64_IMAGE_MAGIC`, at 0x38.
const ARM64: &[u8] = b"ARM\x64";

/// `RISCV_IMAGE_MAGIC`, at 0x30, and `RISCV_IMAGE_MAGIC2`, at 0x38, which is
/// to replace it.
const RISCV: [&[u8]; 2] = [b"RISCV\0\0\0", b"RSC\x05"];

/// `LINUX_PE_MAGIC`, at 0x38 of every kernel with an EFI stub that has nothing
/// else to put there.
const LINUX_PE: &[u8] = b"\xcd\x23\x82\x81";

/// `IMAGE_FILE_MACHINE_LOONGARCH64` of the UEFI specification.
const LOONGARCH64: u16 = 0x6264;

/// The flags of arm64 and riscv, at 0x18; bit 0 is the byte order.
const FLAGS: usize = 0x18;

/// What s390x has where the boot sector of its first program ends.
const S390: (u64, &[u8]) = (0x1_0008, b"S390EP");

/// The header of a raw image: who made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RawHeader {
    machine: elf::Machine,
    order: Order,
}

impl RawHeader {
    /// Reads the header of a raw image, which begins with `head`; `None` if it
    /// is none.
    pub(crate) fn of(
        source: &(impl ByteSource + ?Sized),
        head: &[u8],
    ) -> Result<Option<Self>, Error> {
        let at =
            |at: usize, magic: &[u8]| head.get(at..).is_some_and(|rest| rest.starts_with(magic));
        let order = match head.get(FLAGS) {
            Some(flags) if flags & 1 != 0 => Order::Big,
            _ => Order::Little,
        };
        let header = |machine, order| Ok(Some(Self { machine, order }));
        if at(0x38, ARM64) {
            return header(elf::EM_AARCH64, order);
        }
        if at(0x30, RISCV[0]) || at(0x38, RISCV[1]) {
            return header(elf::EM_RISCV, order);
        }
        if at(0x38, LINUX_PE) && pe::read(source)?.is_some_and(|pe| pe.machine == LOONGARCH64) {
            return header(elf::EM_LOONGARCH, Order::Little);
        }
        let (offset, magic) = S390;
        if source.size() >= offset + magic.len() as u64
            && *source.read(offset, magic.len())? == *magic
        {
            return header(elf::EM_S390, Order::Big);
        }
        Ok(None)
    }

    /// What the raw bytes of a kernel tell, whose base BTF is at `base`; nowhere
    /// if that is empty.
    fn image(self, kernel: &[u8], base: Range<usize>) -> Image {
        let version = banner::find(kernel).unwrap_or_default();
        Image {
            base_btf: kernel.get(base).unwrap_or_default().to_vec(),
            release: version.release,
            build: version.build,
            build_id: build_id::alone_in(kernel, self.order),
            // 32-bit kernels have other headers, but for those of riscv32, which nobody
            // distributes.
            target: Some(ElfTarget {
                machine: self.machine.0,
                is_64: true,
                order: self.order,
                elf_type: elf::ET_REL.0,
            }),
            config: config::embedded(kernel),
            ..Image::default()
        }
    }
}

/// Refuses an image that is cut short, as far as it tells: the EFI stub's
/// sections are the image from end to end; without one nothing tells.
pub(crate) fn check(source: &(impl ByteSource + ?Sized)) -> Result<Result<(), Malformed>, Error> {
    let sections = match pe::read(source) {
        Ok(pe) => pe.map_or_else(Vec::new, |pe| pe.sections),
        Err(Error::Malformed(error)) => return Ok(Err(error)),
        Err(error) => return Err(error),
    };
    let size = source.size();
    Ok(sections.iter().try_for_each(|section| section.check(size)))
}

pub(crate) fn read(source: &(impl ByteSource + ?Sized), header: RawHeader) -> Result<Image, Error> {
    if source.size() > MAX_KERNEL as u64 {
        return Err(too_long(MAX_KERNEL as u64).into());
    }
    let bytes = source.range(0, source.size(), "a raw kernel")?;
    if let Some(base) = btf_guard_btf::find_base(&bytes, header.order)? {
        return Ok(header.image(&bytes, base));
    }
    if header.machine == elf::EM_S390
        && let Some((kernel, base)) = s390x::unpack(&bytes)?
    {
        return Ok(header.image(&kernel, base));
    }
    let image = header.image(&bytes, 0..0);
    if image.release.is_none() {
        let what = "a kernel, known by its base BTF or its banner (Linux version …)";
        return Err(Malformed::new(0_u64, what).into());
    }
    Ok(image)
}

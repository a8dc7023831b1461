// SPDX-License-Identifier: GPL-2.0-or-later
//! Where a kernel lies in its file, and what it is wrapped in.

use std::ops::Range;

use super::raw;

/// A kernel inside its file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Body {
    /// Where its bytes are in the file, as they stand there: compressed, or not.
    pub(crate) payload: Range<u64>,
    /// What those bytes are.
    pub(crate) form: Form,
}

/// What the payload of an image is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// The kernel itself.
    Plain(KernelContent),
    /// The kernel, compressed, as the payload of a decompressor or alone.
    Packed(Wrapper),
}

/// What a compressed kernel comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrapper {
    /// An x86 bzImage.
    BzImage,
    /// An EFI zboot image.
    Zboot,
    /// Nothing: the whole file is compressed.
    Nothing,
}

/// A kernel that is not compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KernelContent {
    /// An ELF executable.
    Vmlinux,
    /// A base BTF alone.
    Btf,
    /// A raw image, which begins with its architecture's header.
    Raw(raw::RawHeader),
}

impl Wrapper {
    /// What is expected to come out of it.
    pub(crate) fn holds(self) -> &'static str {
        match self {
            Self::BzImage => "an ELF file (vmlinux) as the bzImage's payload, decompressed",
            Self::Zboot => "a vmlinux (ELF) or a raw Image as the zboot payload, decompressed",
            Self::Nothing => "a vmlinux (ELF), a raw Image or raw BTF after decompression",
        }
    }

    pub(crate) fn may_hold(self, content: KernelContent) -> bool {
        match self {
            Self::BzImage => content == KernelContent::Vmlinux,
            Self::Zboot => content != KernelContent::Btf,
            Self::Nothing => true,
        }
    }
}

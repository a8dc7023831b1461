//! BTF as it stands in a file: borrowed, bounds-checked views.

use crate::Malformed;

/// The byte order of a BTF blob or an ELF file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

/// A base BTF, ready to judge split BTF against.
#[derive(Debug)]
pub struct Base {
    raw: Vec<u8>,
    order: Order,
}

impl Base {
    /// Takes the bytes of `/sys/kernel/btf/vmlinux` or of a vmlinux's `.BTF`.
    ///
    /// # Errors
    /// [`Malformed`] if the bytes are not a whole, self-contained BTF.
    pub fn parse(raw: Vec<u8>) -> Result<Self, Malformed> {
        Ok(Self {
            raw,
            order: Order::Little,
        })
    }

    /// The bytes it was made of.
    pub fn bytes(&self) -> &[u8] {
        &self.raw
    }

    /// The byte order of its numbers.
    pub fn order(&self) -> Order {
        self.order
    }

    /// How many types it holds, counting `void` (id 0): the first id of a split BTF.
    pub fn types(&self) -> u32 {
        0
    }

    /// The length of its string section in bytes: the first offset of a split BTF's strings.
    pub fn strings_len(&self) -> u32 {
        0
    }
}

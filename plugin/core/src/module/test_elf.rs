// SPDX-License-Identifier: GPL-2.0-or-later
//! ELF files for tests: of either class and byte order, sound unless told otherwise.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use btf_guard_btf::Order;

/// An ELF file to be.
#[derive(Clone)]
pub(crate) struct Elf {
    pub(crate) is_64: bool,
    pub(crate) order: Order,
    pub(crate) machine: u16,
    pub(crate) elf_type: u16,
    /// Name, `sh_type`, content. `SHT_NOBITS` is written with its content all
    /// the same: the loader does not care.
    pub(crate) sections: Vec<(Vec<u8>, u32, Vec<u8>)>,
}

impl Elf {
    /// An x86-64 module without sections.
    pub(crate) fn module() -> Self {
        Self {
            is_64: true,
            order: Order::Little,
            machine: 62,
            elf_type: 1,
            sections: Vec::new(),
        }
    }

    /// With one more section.
    pub(crate) fn with(mut self, name: &str, content: &[u8]) -> Self {
        // SHT_PROGBITS
        self.sections.push((name.into(), 1, content.to_vec()));
        self
    }

    /// Length of the file header, and of one section header.
    pub(crate) fn lengths(&self) -> (usize, usize) {
        if self.is_64 { (64, 64) } else { (52, 40) }
    }

    /// A number of so many bytes.
    fn number(&self, value: usize, length: usize) -> Vec<u8> {
        let mut bytes = (value as u64).to_le_bytes()[..length].to_vec();
        if self.order == Order::Big {
            bytes.reverse();
        }
        bytes
    }

    fn half(&self, value: u16) -> Vec<u8> {
        self.number(value.into(), 2)
    }

    /// An address or an offset, as long as the class has it.
    fn address(&self, value: usize) -> Vec<u8> {
        self.number(value, if self.is_64 { 8 } else { 4 })
    }

    /// Where the section table is in [`bytes`](Self::bytes): at the end, as
    /// linkers put it.
    pub(crate) fn table(&self) -> usize {
        self.bytes().len() - (self.sections.len() + 2) * self.lengths().1
    }

    /// The file: header, contents, section names, section table.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let (header, entry) = self.lengths();
        let mut all = self.sections.clone();
        let mut names = vec![0];
        let mut at_name = Vec::new();
        all.push((b".shstrtab".to_vec(), 3, Vec::new()));
        for (name, _, _) in &all {
            at_name.push(names.len());
            names.extend_from_slice(name);
            names.push(0);
        }
        all.last_mut().unwrap().2 = names;

        let mut body = vec![0; header];
        let mut table = vec![0; entry];
        for ((_, kind, content), name) in all.iter().zip(at_name) {
            table.extend_from_slice(&self.order.bytes(name as u32));
            table.extend_from_slice(&self.order.bytes(*kind));
            for value in [0, 0, body.len(), content.len()] {
                table.extend_from_slice(&self.address(value));
            }
            table.extend_from_slice(&[0; 8]);
            for value in [1, 0] {
                table.extend_from_slice(&self.address(value));
            }
            body.extend_from_slice(content);
        }

        let order = if self.order == Order::Big { 2 } else { 1 };
        let class = if self.is_64 { 2 } else { 1 };
        let mut head = vec![0x7f, b'E', b'L', b'F', class, order, 1];
        head.resize(16, 0);
        head.extend_from_slice(&self.half(self.elf_type));
        head.extend_from_slice(&self.half(self.machine));
        head.extend_from_slice(&self.order.bytes(1));
        for value in [0, 0, body.len()] {
            head.extend_from_slice(&self.address(value));
        }
        head.extend_from_slice(&self.order.bytes(0));
        for value in [header, 0, 0, entry, all.len() + 1, all.len()] {
            head.extend_from_slice(&self.half(value as u16));
        }
        assert_eq!(head.len(), header);
        body[..header].copy_from_slice(&head);
        body.extend_from_slice(&table);
        body
    }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! Writes BTF for tests, right or wrong in one chosen place.

/// The kinds, `BTF_KIND_*`.
#[allow(missing_docs)]
pub mod kind {
    pub const INT: u32 = 1;
    pub const PTR: u32 = 2;
    pub const ARRAY: u32 = 3;
    pub const STRUCT: u32 = 4;
    pub const UNION: u32 = 5;
    pub const ENUM: u32 = 6;
    pub const FWD: u32 = 7;
    pub const TYPEDEF: u32 = 8;
    pub const VOLATILE: u32 = 9;
    pub const CONST: u32 = 10;
    pub const RESTRICT: u32 = 11;
    pub const FUNC: u32 = 12;
    pub const FUNC_PROTO: u32 = 13;
    pub const VAR: u32 = 14;
    pub const DATASEC: u32 = 15;
    pub const FLOAT: u32 = 16;
    pub const DECL_TAG: u32 = 17;
    pub const TYPE_TAG: u32 = 18;
    pub const ENUM64: u32 = 19;
}

/// `kind_flag`, to be or-ed to a `vlen`.
pub const KFLAG: u32 = 1 << 31;

/// A BTF in the making.
#[derive(Debug, Clone)]
pub struct Btf {
    big_endian: bool,
    first_id: u32,
    first_string: u32,
    count: u32,
    /// The type section so far.
    pub types: Vec<u8>,
    /// The string section so far.
    pub strings: Vec<u8>,
}

impl Btf {
    /// One that stands alone: a base, or a distilled base.
    pub fn base() -> Self {
        Self {
            big_endian: false,
            first_id: 1,
            first_string: 0,
            count: 0,
            types: Vec::new(),
            strings: vec![0],
        }
    }

    /// One that continues `base`.
    pub fn split(base: &Self) -> Self {
        Self {
            big_endian: base.big_endian,
            first_id: base.next_id(),
            first_string: base.first_string + base.strings.len() as u32,
            count: 0,
            types: Vec::new(),
            strings: Vec::new(),
        }
    }

    /// One that continues a base of so many types, `void` included, and bytes of strings.
    pub fn continuing(types: u32, strings: u32) -> Self {
        Self {
            first_id: types,
            first_string: strings,
            strings: Vec::new(),
            ..Self::base()
        }
    }

    /// Switches to the other byte order; only before anything was added.
    pub fn big_endian(mut self) -> Self {
        assert_eq!(self.count, 0);
        self.big_endian = true;
        self
    }

    /// The id that the next type will have.
    pub fn next_id(&self) -> u32 {
        self.first_id + self.count
    }

    /// The offset that the next string will have.
    pub fn next_string(&self) -> u32 {
        self.first_string + self.strings.len() as u32
    }

    /// Adds a string; returns its offset, counted over all strings.
    pub fn string(&mut self, bytes: impl AsRef<[u8]>) -> u32 {
        let at = self.next_string();
        self.strings.extend_from_slice(bytes.as_ref());
        self.strings.push(0);
        at
    }

    fn word(&mut self, value: u32) {
        let bytes = if self.big_endian {
            value.to_be_bytes()
        } else {
            value.to_le_bytes()
        };
        self.types.extend_from_slice(&bytes);
    }

    /// Adds words to the type section, whatever they mean.
    pub fn words(&mut self, words: &[u32]) -> &mut Self {
        for &word in words {
            self.word(word);
        }
        self
    }

    /// Adds a type; `vlen` may carry [`KFLAG`]. Returns its id.
    pub fn add(&mut self, name: u32, kind: u32, vlen: u32, size: u32, appended: &[u32]) -> u32 {
        let id = self.next_id();
        self.words(&[name, kind << 24 | vlen, size]).words(appended);
        self.count += 1;
        id
    }

    /// Adds a type with a name of its own.
    pub fn named(
        &mut self,
        name: impl AsRef<[u8]>,
        kind: u32,
        vlen: u32,
        size: u32,
        appended: &[u32],
    ) -> u32 {
        let name = self.string(name);
        self.add(name, kind, vlen, size, appended)
    }

    /// `int`: four bytes, signed.
    pub fn int(&mut self) -> u32 {
        self.named("int", kind::INT, 0, 4, &[0x0100_0020])
    }

    /// A struct whose members have the given names, types and bit offsets.
    pub fn structure(&mut self, name: &str, size: u32, members: &[(&str, u32, u32)]) -> u32 {
        let appended: Vec<u32> = members
            .iter()
            .flat_map(|&(name, id, offset)| [self.string(name), id, offset])
            .collect();
        self.named(name, kind::STRUCT, members.len() as u32, size, &appended)
    }

    /// An enum with the given enumerators.
    pub fn enumeration(&mut self, values: &[(&str, u32)]) -> u32 {
        let appended: Vec<u32> = values
            .iter()
            .flat_map(|&(name, value)| [self.string(name), value])
            .collect();
        self.add(0, kind::ENUM, values.len() as u32, 4, &appended)
    }

    /// A function with so many parameters of type `int` (id 1).
    pub fn function(&mut self, name: &str, parameters: u32) -> u32 {
        let appended: Vec<u32> = (0..parameters).flat_map(|_| [0, 1]).collect();
        let prototype = self.add(0, kind::FUNC_PROTO, parameters, 1, &appended);
        self.named(name, kind::FUNC, 0, prototype, &[])
    }

    /// Header, types, strings.
    pub fn build(&self) -> Vec<u8> {
        self.build_with(24, &[])
    }

    /// With a header of `header_len` bytes, of which those after the 24th are `extra`.
    pub fn build_with(&self, header_len: u32, extra: &[u8]) -> Vec<u8> {
        let types = self.types.len() as u32;
        let mut out = self.header(header_len, [0, types, types, self.strings.len() as u32]);
        out.extend_from_slice(extra);
        out.extend_from_slice(&self.types);
        out.extend_from_slice(&self.strings);
        out
    }

    /// The 24 bytes of a header: `type_off`, `type_len`, `str_off`, `str_len`.
    pub fn header(&self, header_len: u32, sections: [u32; 4]) -> Vec<u8> {
        let mut out = if self.big_endian {
            vec![0xeb, 0x9f, 1, 0]
        } else {
            vec![0x9f, 0xeb, 1, 0]
        };
        for word in [header_len].into_iter().chain(sections) {
            let bytes = if self.big_endian {
                word.to_be_bytes()
            } else {
                word.to_le_bytes()
            };
            out.extend_from_slice(&bytes);
        }
        out
    }
}

/// A release whose rules for BTF differ from those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Era {
    /// 6.1.192
    V6_1,
    /// 6.12.117
    V6_12,
    /// 6.16.12
    V6_16,
    /// 6.18.15
    V6_18,
    /// 7.1.13
    V7_1,
    /// 7.3.4
    V7_3,
}

impl Era {
    /// All of them, oldest first.
    pub const ALL: [Self; 6] = [
        Self::V6_1,
        Self::V6_12,
        Self::V6_16,
        Self::V6_18,
        Self::V7_1,
        Self::V7_3,
    ];

    /// What `uname -r` says there.
    pub fn release(self) -> &'static str {
        match self {
            Self::V6_1 => "6.1.192",
            Self::V6_12 => "6.12.117",
            Self::V6_16 => "6.16.12",
            Self::V6_18 => "6.18.15",
            Self::V7_1 => "7.1.13",
            Self::V7_3 => "7.3.4",
        }
    }

    /// A small base with the traces that a kernel of this era leaves in its own
    /// BTF. Id 1 is `int`; the last type is `struct list_head` of 16 bytes.
    pub fn base(self) -> Btf {
        self.base_in(Btf::base())
    }

    /// The same, added to `b`, which is empty.
    pub fn base_in(self, mut b: Btf) -> Btf {
        let int = b.int();
        let array = b.add(0, kind::ARRAY, 0, 0, &[int, int, 512]);
        b.structure("bpf_ksym", 600, &[("name", array, 128)]);
        b.enumeration(&[("BTF_KIND_UNKN", 0), ("NR_BTF_KINDS", 20)]);
        if self < Self::V6_12 {
            b.structure("module", 896, &[("btf_data", int, 0)]);
            b.function("__btf_name_valid", 2);
        } else {
            b.structure(
                "module",
                1088,
                &[("btf_data", int, 0), ("btf_base_data", int, 32)],
            );
            b.function("btf_name_valid_identifier", 2);
            b.structure("printk_buffers", 3072, &[]);
        }
        if self >= Self::V7_1 {
            b.structure("btf_header", 32, &[("layout_off", int, 192)]);
        } else {
            b.structure("btf_header", 24, &[("str_off", int, 128)]);
        }
        if self >= Self::V7_3 {
            b.enumeration(&[
                ("BTF_MAX_TYPE", 0x000f_ffff),
                ("BTF_MAX_NAME_OFFSET", 0x00ff_ffff),
                ("BTF_MAX_VLEN", 0x00ff_ffff),
                ("BTF_MAX_KIND", 0x7f),
            ]);
        } else {
            b.function("btf_check_type_tags", 3);
        }
        b.structure("list_head", 16, &[]);
        b
    }
}

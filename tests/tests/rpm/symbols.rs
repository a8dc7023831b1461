// SPDX-License-Identifier: GPL-2.0-or-later
//! What the built plugin shows the loader and asks of it.

use btf_guard_tests::plugin;
use object::elf::{DT_NEEDED, FileHeader64};
use object::read::elf::{Dyn, FileHeader};
use object::{Endianness, Object, ObjectSymbol};

type Elf<'a> = object::read::elf::ElfFile64<'a, Endianness>;

#[test]
fn only_the_hook_table_is_exported() {
    let bytes = std::fs::read(plugin()).unwrap();
    let elf = Elf::parse(&*bytes).unwrap();
    let exported: Vec<_> = elf
        .dynamic_symbols()
        .filter(ObjectSymbol::is_definition)
        .map(|symbol| symbol.name().unwrap())
        .collect();
    assert_eq!(exported, ["btf_guard_hooks"]);
}

#[test]
fn librpm_is_neither_needed_nor_assumed() {
    let bytes = std::fs::read(plugin()).unwrap();
    let needed = needed(&bytes);
    assert!(!needed.is_empty());
    for library in needed {
        let runtime = [
            "libc.so.",
            "libgcc_s.so.",
            "libm.so.",
            "libdl.so.",
            "libpthread.so.",
            "ld-",
        ];
        assert!(
            runtime.iter().any(|prefix| library.starts_with(prefix)),
            "{library} is needed"
        );
    }
    // Where librpm was loaded RTLD_LOCAL (dnf), a symbol of it that is left
    // undefined is not found.
    let elf = Elf::parse(&*bytes).unwrap();
    for symbol in elf.dynamic_symbols().filter(ObjectSymbol::is_undefined) {
        let name = symbol.name().unwrap();
        assert!(!name.starts_with("rpm") && name != "Fileno", "{name}");
    }
}

fn needed(library: &[u8]) -> Vec<String> {
    let header = FileHeader64::<Endianness>::parse(library).unwrap();
    let endian = header.endian().unwrap();
    let sections = header.sections(endian, library).unwrap();
    let (entries, strings) = sections.dynamic(endian, library).unwrap().unwrap();
    let strings = sections.strings(endian, library, strings).unwrap();
    entries
        .iter()
        .filter(|entry| entry.tag(endian) == DT_NEEDED)
        .map(|entry| String::from_utf8(entry.string(endian, strings).unwrap().to_vec()).unwrap())
        .collect()
}

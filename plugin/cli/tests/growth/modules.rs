// SPDX-License-Identifier: GPL-2.0-or-later
//! What one module or one kernel is made of.

use crate::common::{Build, Place, RELEASE, base, btf, elf, in_tree, module_path, split_of};
use crate::{check, grows_linearly};

const INT: u32 = 1 << 24;
const STRUCT: u32 = 4 << 24;
const TYPEDEF: u32 = 8 << 24;
const FUNC_PROTO: u32 = 13 << 24;

/// What `check` takes for a module on a kernel of the build that is [`Build::New`].
fn module(content: Vec<u8>) -> f64 {
    let root = Place::booting(Build::New);
    root.file(&module_path("one"), content);
    check(&root, &[])
}

/// The same of its `.BTF`.
fn split(btf: &[u8]) -> f64 {
    module(elf("one", Some(btf), object::Architecture::X86_64))
}

/// The first offset and id behind the base.
fn behind() -> (u32, u32) {
    (base(Build::New).len() as u32 - 24 - 16, 2)
}

#[test]
fn types() {
    grows_linearly(2_000, |count| {
        let names: Vec<_> = (0..count).map(|number| format!("type_{number}")).collect();
        split(&split_of(
            Build::New,
            &Vec::from_iter(names.iter().map(String::as_str)),
        ))
    });
}

#[test]
fn types_of_one_name() {
    grows_linearly(2_000, |count| {
        let one = [behind().0, STRUCT, 0];
        split(&btf(&one.repeat(count), b"same\0"))
    });
}

#[test]
fn names_that_are_ends_of_one_string() {
    grows_linearly(2_000, |count| {
        let types = (0..count as u32).flat_map(|end| [behind().0 + end, STRUCT, 0]);
        let strings = [vec![b'a'; count + 20], vec![0]].concat();
        split(&btf(&Vec::from_iter(types), &strings))
    });
}

#[test]
fn members_of_a_struct() {
    grows_linearly(4_000, |count| {
        let count = count as u32;
        let members = (0..count).flat_map(|member| [0, 1, member * 32]);
        let head = [behind().0, STRUCT | count, count * 4];
        split(&btf(
            &Vec::from_iter(head.into_iter().chain(members)),
            b"wide\0",
        ))
    });
}

#[test]
fn parameters_of_functions() {
    grows_linearly(1_000, |count| {
        let one = [[0, FUNC_PROTO | 8, 0].as_slice(), &[0, 1].repeat(8)].concat();
        split(&btf(&one.repeat(count), b""))
    });
}

#[test]
fn a_chain_of_typedefs() {
    grows_linearly(2_000, |count| {
        let (name, first) = behind();
        let next = |number| if number == 0 { 1 } else { first + number - 1 };
        let types = (0..count as u32).flat_map(|number| [name, TYPEDEF, next(number)]);
        split(&btf(&Vec::from_iter(types), b"chain\0"))
    });
}

#[test]
fn sections() {
    grows_linearly(2_000, |count| {
        let names: Vec<_> = (0..count)
            .map(|number| format!(".section_{number}"))
            .collect();
        let sections: Vec<_> = names
            .iter()
            .map(|name| (name.as_str(), &b"x"[..]))
            .collect();
        module(in_tree("one", &sections))
    });
}

#[test]
fn types_of_a_kernel() {
    grows_linearly(4_000, |count| {
        let root = Place::new();
        root.config(false);
        let types = [1, INT, 4, 32].repeat(count);
        root.file(&format!("boot/vmlinuz-{RELEASE}"), btf(&types, b"\0int\0"));
        root.install("one", Build::Old);
        check(&root, &[])
    });
}

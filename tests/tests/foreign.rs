// SPDX-License-Identifier: GPL-2.0-or-later
//! Real kernels of other architectures, in every format that these have.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::fs;

use btf_guard_btf::Order;
use btf_guard_core::compression::{Format, decompress};
use btf_guard_core::kernel::Kernel;
use btf_guard_core::kernel::image::{self, Image};
use btf_guard_core::module;
use btf_guard_core::verdict::{Cause, Causes, Verdict, judge};
use btf_guard_tests::fetched::in_parallel;
use btf_guard_tests::image::{pe, s390x, zboot};
use btf_guard_tests::{COMPRESSORS, Extracted, Foreign, kernels};

/// The architectures, with `e_machine` and byte order of their ELF files, and
/// whether they boot by EFI, with the machine of their PE files.
const ARCHITECTURES: [(&str, u16, Order, Option<u16>); 5] = [
    ("arm64", 183, Order::Little, Some(0xaa64)),
    ("loong64", 258, Order::Little, Some(0x6264)),
    ("ppc64el", 21, Order::Little, None),
    ("riscv64", 243, Order::Little, Some(0x5064)),
    ("s390x", 22, Order::Big, None),
];

/// Those with BTF, and what their plain images tell.
fn with_btf() -> Vec<(Foreign, Image)> {
    let all = Foreign::all(&kernels()).into_iter();
    all.filter(|foreign| foreign.has_btf)
        .map(|foreign| {
            let image = image::open(&foreign.kernel.image).unwrap();
            (foreign, image)
        })
        .collect()
}

fn pe_machine(foreign: &Foreign) -> Option<u16> {
    let mut known = ARCHITECTURES.iter();
    known.find(|(name, ..)| *name == foreign.architecture)?.3
}

/// Both images are of one kernel.
fn assert_same(bytes: &[u8], plain: &Image, what: &str) {
    let image = image::parse(bytes).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(image.base_btf == plain.base_btf, "{what}: another base");
    assert_eq!(image.release, plain.release, "{what}");
    assert_eq!(image.build, plain.build, "{what}");
    assert_eq!(image.target, plain.target, "{what}");
}

#[test]
fn there_is_a_kernel_of_each_or_it_is_said_to_be_missing() {
    let all = Foreign::all(&kernels());
    let missing = fs::read_to_string(kernels().join("SKIPPED")).unwrap();
    for (name, ..) in ARCHITECTURES {
        // No suite has one with BTF for loong64.
        let mut own = all.iter().filter(|foreign| foreign.architecture == name);
        let found = own.any(|foreign| foreign.has_btf || name == "loong64");
        let told = missing
            .lines()
            .any(|line| line.starts_with("kernel foreign-") && line.contains(name));
        assert!(found || told, "no kernel for {name}; run `make test`");
    }
}

#[test]
fn each_tells_what_it_is() {
    for foreign in Foreign::all(&kernels()) {
        let name = &foreign.kernel.name;
        let opened = Kernel::open(&foreign.kernel.image, None);
        let kernel = opened.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(kernel.base.is_none(), !foreign.has_btf, "{name}");
        if !foreign.has_btf {
            continue;
        }
        assert_eq!(kernel.release, Some(foreign.kernel.release), "{name}");
        // A signed package has its plain sibling's version with another separator.
        let version = |text: &str| text.replace('+', "-");
        let build = version(kernel.build.as_deref().unwrap());
        let packaged = format!(" Debian {} (", version(&foreign.version));
        assert!(build.contains(&packaged), "{name}: {build}, not {packaged}");
        assert!(build.starts_with("#1 SMP "), "{name}: {build}");
        let mut known = ARCHITECTURES.iter();
        let (_, machine, order, _) = known
            .find(|(known, ..)| *known == foreign.architecture)
            .unwrap();
        let target = kernel.target.unwrap();
        assert_eq!((target.machine, target.order), (*machine, *order), "{name}");
        assert!(kernel.base.types() > 50_000, "{name}");
        assert!(kernel.config.allow_mismatch.is_some(), "{name}: no config");
    }
}

#[test]
fn modules_load_on_their_own_kernel_and_on_no_other_machine() {
    let foreign = Foreign::all(&kernels());
    let own = Extracted::all(&kernels());
    let own = own.first().expect("a kernel of this machine");
    let mut all: Vec<_> = foreign
        .iter()
        .map(|foreign| (&foreign.architecture[..], &foreign.kernel, foreign.has_btf))
        .collect();
    all.push(("this machine's", own, true));
    let mut refused = 0;
    for (architecture, extracted, has_btf) in &all {
        if !has_btf {
            continue;
        }
        let mut kernel = Kernel::open(&extracted.image, None).unwrap();
        kernel.config.allow_mismatch = Some(false);
        for (other, from, _) in &all {
            for path in from.modules.iter().take(5) {
                let module = module::open(path).unwrap();
                let judged = judge(&module, &kernel, &Causes::all());
                let what = format!("{} on {}", path.display(), extracted.name);
                if from.name == extracted.name {
                    assert!(module.btf.is_some(), "{what}: no BTF");
                    assert_eq!(judged.verdict, Verdict::Loads, "{what}");
                } else if other != architecture {
                    let Verdict::Refused(refusal) = judged.verdict else {
                        panic!("{what}: {judged:?}");
                    };
                    // ENOEXEC
                    assert_eq!(refusal.errno(), Some(-8), "{what}");
                    assert_eq!(refusal.cause(), Cause::Architecture, "{what}");
                    refused += 1;
                }
            }
        }
        assert!(extracted.modules.len() >= 5, "{}", extracted.name);
    }
    assert!(refused >= 60, "only {refused} pairs were tried");
}

#[test]
fn an_image_that_is_compressed_as_a_whole() {
    for (foreign, plain) in with_btf() {
        let bytes = fs::read(&foreign.kernel.image).unwrap();
        in_parallel(&COMPRESSORS, |compressor| {
            let what = format!("{}.{}", foreign.kernel.name, compressor.name);
            assert_same(&compressor.quick(&bytes), &plain, &what);
        });
    }
}

/// `vmlinuz.efi`, as `drivers/firmware/efi/libstub/Makefile.zboot` makes it of an
/// `Image`, and both inside a UKI.
#[test]
fn an_efi_zboot_image_and_a_unified_one() {
    let mut tried = 0;
    for (foreign, plain) in with_btf() {
        let Some(machine) = pe_machine(&foreign) else {
            continue;
        };
        let mut bytes = fs::read(&foreign.kernel.image).unwrap();
        let uki = |linux: &[u8]| pe(&[0; 64], machine, &[(".osrel", b"ID=x"), (".linux", linux)]);
        let name = &foreign.kernel.name;
        assert_same(&uki(&bytes), &plain, &format!("{name} in a UKI"));
        // The build fills it up to its size in memory, `image_size` of its header.
        let size = u64::from_le_bytes(bytes[0x10..0x18].try_into().unwrap());
        bytes.resize(size as usize, 0);
        in_parallel(&COMPRESSORS, |compressor| {
            let mut efi = zboot(&compressor.quick(&bytes));
            efi.extend_from_slice(&compressor.length(&bytes));
            let what = format!("{name}, zboot {}", compressor.name);
            assert_same(&efi, &plain, &what);
            assert_same(&uki(&efi), &plain, &format!("{what} in a UKI"));
        });
        tried += 1;
    }
    assert!(tried > 0, "no kernel that boots by EFI");
}

/// The payload of a real image, packed in every other way.
#[test]
fn an_s390x_image_with_every_payload() {
    for (foreign, plain) in with_btf() {
        if foreign.architecture != "s390x" {
            continue;
        }
        let kernel = s390x_payload(&fs::read(&foreign.kernel.image).unwrap());
        assert_same(&s390x(&kernel), &plain, "s390x, not compressed");
        in_parallel(&COMPRESSORS, |compressor| {
            let mut payload = compressor.quick(&kernel);
            payload.extend_from_slice(&compressor.length(&kernel));
            let what = format!("s390x, {}", compressor.name);
            assert_same(&s390x(&payload), &plain, &what);
        });
    }
}

/// The kernel in an s390x image: what unpacks to more than anything else there.
fn s390x_payload(image: &[u8]) -> Vec<u8> {
    let unpacked = (0..image.len()).step_by(8).filter_map(|at| {
        let packed = &image[at..];
        let mut kernel = Vec::new();
        decompress(Format::detect(packed)?, packed, 1 << 28, &mut kernel).ok()?;
        Some(kernel)
    });
    unpacked.max_by_key(Vec::len).unwrap()
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! A real x86 kernel in every compression that the kernel's build offers,
//! packed by the programs that it calls. No distribution ships all of them.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::fs;
use std::ops::Range;

use btf_guard_core::compression::{Format, decompress};
use btf_guard_core::kernel::image;
use btf_guard_tests::fetched::in_parallel;
use btf_guard_tests::image::uki;
use btf_guard_tests::{COMPRESSORS, Extracted, kernels};

/// Where the payload of a bzImage is (`Documentation/arch/x86/boot.rst`).
fn payload(image: &[u8]) -> Range<usize> {
    let word = |at: usize| u32::from_le_bytes(image[at..at + 4].try_into().unwrap()) as usize;
    let start = (usize::from(image[0x1f1]) + 1) * 512 + word(0x248);
    start..start + word(0x24c)
}

#[test]
fn every_payload_that_the_build_offers() {
    let all = Extracted::all(&kernels());
    let cloud = |kernel: &&Extracted| {
        kernel.name.starts_with("image-6.1.") && kernel.name.contains("cloud")
    };
    let kernel = all.iter().find(cloud).expect("a kernel; run `make test`");
    let real = fs::read(&kernel.image).unwrap();
    let expected = image::parse(&real).unwrap();
    assert_eq!(expected.release.as_ref(), Some(&kernel.release));

    let place = payload(&real);
    let packed = &real[place.clone()];
    let mut vmlinux = Vec::new();
    decompress(
        Format::detect(packed).unwrap(),
        packed,
        1 << 28,
        &mut vmlinux,
    )
    .unwrap();
    let plain = image::parse(&vmlinux).unwrap();
    assert!(plain.base_btf == expected.base_btf);

    in_parallel(&COMPRESSORS, |compressor| {
        let packed = compressor.strong(&vmlinux);
        let whole = image::parse(&packed).unwrap();
        let payload = [packed, compressor.length(&vmlinux)].concat();
        let mut bytes = [&real[..place.start], &payload, &real[place.end..]].concat();
        bytes[0x24c..0x250].copy_from_slice(&(payload.len() as u32).to_le_bytes());
        let bare = image::parse(&bytes).unwrap();
        let unified = image::parse(&uki(&[(".linux", &bytes)])).unwrap();
        for image in [whole, bare, unified] {
            let name = compressor.name;
            assert!(image.base_btf == expected.base_btf, "{name}: another base");
            assert_eq!(image.release, expected.release, "{name}");
            assert_eq!(image.build, expected.build, "{name}");
            assert_eq!(image.target, expected.target, "{name}");
        }
    });
}

//! Small initrds.

use std::io::Write;

use cpio::newc::{Builder, trailer};

const FILE: u32 = 0o100_644;
const LINK: u32 = 0o120_777;

/// An archive with a module, a hard link to it, a symbolic link of another
/// release to it, and something else.
pub fn archive(module: &[u8]) -> Vec<u8> {
    let entries: [(&str, u32, &[u8]); 4] = [
        ("init", FILE, b"#!/bin/sh"),
        ("usr/lib/modules/6.0/extra/a.ko", FILE, b""),
        ("usr/lib/modules/6.1/b.ko", FILE, module),
        (
            "lib/modules/6.1/weak-updates/a.ko",
            LINK,
            b"../../6.0/extra/a.ko",
        ),
    ];
    let mut out = Vec::new();
    for (name, mode, content) in entries {
        let builder = Builder::new(name).mode(mode).ino(1).nlink(2);
        let mut writer = builder.write(out, content.len() as u32);
        writer.write_all(content).unwrap();
        out = writer.finish().unwrap();
    }
    trailer(out).unwrap()
}

/// An archive, padding, and the same archive as a compressed stream.
pub fn joined(module: &[u8]) -> Vec<u8> {
    let plain = archive(module);
    let packed = zstd::encode_all(&plain[..], 3).unwrap();
    [&plain[..], &[0; 64], &packed].concat()
}

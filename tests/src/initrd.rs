// SPDX-License-Identifier: GPL-2.0-or-later
//! Initrds: small ones, and those of real modules, written by the real `cpio`
//! and compressors.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cpio::newc::{Builder, trailer};

use crate::bootable::MODULES;

const FILE: u32 = 0o100_644;
const LINK: u32 = 0o120_777;

/// What compresses an initrd, as the tools that make initrds call it.
pub const COMPRESSORS: [&[&str]; 7] = [
    &["cat"],
    &["gzip", "-n9"],
    &["xz", "--check=crc32", "--lzma2=dict=1MiB"],
    &["zstd", "-q", "-19", "-T0"],
    &["lz4", "-l", "-9"],
    &["bzip2"],
    &["lzop"],
];

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

/// Some modules of each kind of directory.
pub fn some(modules: &[PathBuf]) -> impl Iterator<Item = &PathBuf> {
    modules.iter().step_by(modules.len() / MODULES)
}

/// An initrd of some of these modules, under `release`, and of what every
/// initrd has; its archive is compressed by a program.
pub fn initrd(modules: &[PathBuf], release: &str, compressor: &[&str]) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let tree = Path::new("usr/lib/modules").join(release);
    let tree = dir.path().join(tree).join("kernel/drivers");
    fs::create_dir_all(&tree).unwrap();
    fs::write(dir.path().join("init"), "#!/bin/sh\n").unwrap();
    symlink("usr/lib", dir.path().join("lib")).unwrap();
    for module in some(modules) {
        fs::copy(module, tree.join(module.file_name().unwrap())).unwrap();
    }
    let plain = tempfile::tempfile().unwrap();
    (&plain).write_all(&archive_of(dir.path())).unwrap();
    std::io::Seek::rewind(&mut &plain).unwrap();
    let mut command = Command::new(compressor[0]);
    output(command.args(&compressor[1..]).stdin(plain))
}

/// An archive with one file.
pub fn with_file(path: &str, content: &[u8]) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(path);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, content).unwrap();
    archive_of(dir.path())
}

/// What lies in a directory, as an archive.
pub fn archive_of(dir: &Path) -> Vec<u8> {
    let find = "find . | LC_ALL=C sort | cpio --quiet -o -H newc";
    output(Command::new("sh").args(["-c", find]).current_dir(dir))
}

/// What a program writes.
pub fn output(command: &mut Command) -> Vec<u8> {
    let output = command.stderr(Stdio::piped()).output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    output.stdout
}

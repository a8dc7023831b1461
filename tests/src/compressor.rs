// SPDX-License-Identifier: GPL-2.0-or-later
//! The programs that the kernel's build packs a kernel with.

use std::io::Write;
use std::process::{Command, Stdio};
use std::thread;

/// One of them.
#[derive(Debug, Clone, Copy)]
pub struct Compressor {
    /// The program.
    pub name: &'static str,
    /// Its options as the kernel's build gives them (`scripts/Makefile.lib`,
    /// `scripts/xz_wrap.sh` for x86, Linux 6.12).
    strong: &'static [&'static str],
    /// Options that give the same format in less time.
    quick: &'static [&'static str],
}

/// All of them, by the option `CONFIG_KERNEL_…` that asks for each.
pub const COMPRESSORS: [Compressor; 7] = [
    compressor("gzip", &["-n", "-f", "-9"], &["-n", "-1"]),
    compressor("bzip2", &["-9"], &["-1"]),
    compressor("lzma", &["-9"], &["-0"]),
    compressor(
        "xz",
        &["--check=crc32", "--x86", "--lzma2=dict=32MiB"],
        &["--check=crc32", "-0"],
    ),
    compressor("lzop", &["-9"], &["-1"]),
    compressor("lz4", &["-l", "-9", "-", "-"], &["-l", "-1", "-", "-"]),
    compressor("zstd", &["-22", "--ultra"], &["-1"]),
];

const fn compressor(
    name: &'static str,
    strong: &'static [&'static str],
    quick: &'static [&'static str],
) -> Compressor {
    Compressor {
        name,
        strong,
        quick,
    }
}

impl Compressor {
    /// Packs as the kernel's build does, which takes seconds.
    pub fn strong(&self, input: &[u8]) -> Vec<u8> {
        self.run(self.strong, input)
    }

    /// Packs in the same format.
    pub fn quick(&self, input: &[u8]) -> Vec<u8> {
        self.run(self.quick, input)
    }

    /// What the build appends to a payload: the unpacked length, which gzip's
    /// format has by itself.
    pub fn length(&self, input: &[u8]) -> Vec<u8> {
        match self.name {
            "gzip" => Vec::new(),
            _ => (input.len() as u32).to_le_bytes().to_vec(),
        }
    }

    fn run(&self, options: &[&str], input: &[u8]) -> Vec<u8> {
        let mut child = Command::new(self.name)
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}: run `make test`", self.name));
        let mut stdin = child.stdin.take().unwrap();
        thread::scope(|scope| {
            scope.spawn(move || stdin.write_all(input).unwrap());
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{}: {}", self.name, output.status);
            output.stdout
        })
    }
}

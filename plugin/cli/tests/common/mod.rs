// SPDX-License-Identifier: GPL-2.0-or-later
//! A small world: three builds of a kernel, modules for them, roots, packages.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub(crate) mod judge;
pub(crate) mod machine;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use object::write::{Object, StandardSegment};
use object::{Architecture, BinaryFormat, Endianness, SectionKind};
use rpm::{BuildConfig, CompressionType, FileOptions, PackageBuilder};

/// The release of all builds.
pub(crate) const RELEASE: &str = "6.18.1-test";

/// One of the builds of the same release. None takes a module of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Build {
    Old,
    New,
    Odd,
}

/// A BTF blob: header, types, strings.
pub(crate) fn btf(types: &[u32], strings: &[u8]) -> Vec<u8> {
    let mut blob = vec![0x9f, 0xeb, 1, 0];
    let types_len = types.len() as u32 * 4;
    for number in [24, 0, types_len, types_len, strings.len() as u32] {
        blob.extend_from_slice(&u32::to_le_bytes(number));
    }
    for word in types {
        blob.extend_from_slice(&word.to_le_bytes());
    }
    blob.extend_from_slice(strings);
    blob
}

/// `BTF_KIND_INT`, `BTF_KIND_STRUCT` in a type's info word.
const INT: u32 = 1 << 24;
const STRUCT: u32 = 4 << 24;

/// The strings of a build's base: of two, one has more of them, and where a
/// module of the other has its names, it has a blank.
fn base_strings(build: Build) -> Vec<u8> {
    match build {
        Build::Old => b"\0int\0".to_vec(),
        Build::New => b"\0int\0     \0".to_vec(),
        Build::Odd => b"\0int\0                \0".to_vec(),
    }
}

/// A build's base BTF: one `int`.
pub(crate) fn base(build: Build) -> Vec<u8> {
    btf(&[1, INT, 4, 32], &base_strings(build))
}

/// The split BTF of a module of that build: one empty struct.
pub(crate) fn split(build: Build) -> Vec<u8> {
    split_of(build, &["thing"])
}

/// The split BTF of a module of that build: empty structs of these names.
pub(crate) fn split_of(build: Build, names: &[&str]) -> Vec<u8> {
    let (mut types, mut strings) = (Vec::new(), Vec::new());
    for name in names {
        let offset = base_strings(build).len() + strings.len();
        types.extend([offset as u32, STRUCT, 0]);
        strings.extend_from_slice(name.as_bytes());
        strings.push(0);
    }
    btf(&types, &strings)
}

pub(crate) fn elf(name: &str, btf: Option<&[u8]>, machine: Architecture) -> Vec<u8> {
    let info = format!("name={name}\0vermagic={RELEASE} SMP mod_unload \0");
    let mut sections = vec![(".modinfo", info.as_bytes())];
    sections.extend(btf.map(|btf| (".BTF", btf)));
    elf_of(&sections, machine)
}

/// A module of the kernel's own sources with these sections.
pub(crate) fn in_tree(name: &str, sections: &[(&str, &[u8])]) -> Vec<u8> {
    let info = format!("name={name}\0intree=Y\0vermagic={RELEASE} SMP mod_unload \0");
    let all = [&[(".modinfo", info.as_bytes())], sections].concat();
    elf_of(&all, Architecture::X86_64)
}

fn elf_of(sections: &[(&str, &[u8])], machine: Architecture) -> Vec<u8> {
    let mut object = Object::new(BinaryFormat::Elf, machine, Endianness::Little);
    let data = object.segment_name(StandardSegment::Data).to_vec();
    for (name, content) in sections {
        let kind = SectionKind::ReadOnlyData;
        let section = object.add_section(data.clone(), name.as_bytes().to_vec(), kind);
        object.append_section_data(section, content, 1);
    }
    object.write().unwrap()
}

pub(crate) fn module(name: &str, build: Build) -> Vec<u8> {
    elf(name, Some(&split(build)), Architecture::X86_64)
}

/// Modules of any size have so many names of their own that the base they continue
/// can be told.
pub(crate) fn long(name: &str, build: Build) -> Vec<u8> {
    let names: Vec<String> = (0..12).map(|n| format!("structure_number_{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    elf(name, Some(&split_of(build, &names)), Architecture::X86_64)
}

pub(crate) fn bare_module(name: &str) -> Vec<u8> {
    elf(name, None, Architecture::X86_64)
}

/// A directory that is a root, or anything else.
pub(crate) struct Place(tempfile::TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// A root with a build's image in `/boot`.
    pub(crate) fn booting(build: Build) -> Self {
        let root = Self::new();
        root.boot(build);
        root
    }

    /// Writes a file and the directories above it.
    pub(crate) fn file(&self, path: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let file = self.0.path().join(path.trim_start_matches('/'));
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, content).unwrap();
        file
    }

    /// Writes a symbolic link and the directories above it.
    pub(crate) fn link(&self, path: &str, target: impl AsRef<Path>) {
        let link = self.0.path().join(path.trim_start_matches('/'));
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        symlink(target, link).unwrap();
    }

    /// Installs a build's image in `/boot`, with a config that refuses mismatches.
    pub(crate) fn boot(&self, build: Build) -> PathBuf {
        self.config(false);
        self.file(&format!("boot/vmlinuz-{RELEASE}"), base(build))
    }

    pub(crate) fn config(&self, allow_mismatch: bool) -> PathBuf {
        let path = format!("boot/config-{RELEASE}");
        self.file(&path, config(allow_mismatch))
    }

    pub(crate) fn install(&self, name: &str, build: Build) -> PathBuf {
        self.file(&module_path(name), module(name, build))
    }

    pub(crate) fn package(&self, name: &str, files: &[(String, Vec<u8>)]) -> PathBuf {
        self.file(&format!("{name}.rpm"), package(name, files))
    }
}

pub(crate) fn config(allow_mismatch: bool) -> &'static str {
    match allow_mismatch {
        true => "CONFIG_MODULES=y\nCONFIG_MODULE_ALLOW_BTF_MISMATCH=y\n",
        false => "CONFIG_MODULES=y\n# CONFIG_MODULE_ALLOW_BTF_MISMATCH is not set\n",
    }
}

/// Where a module of the release lies in a root.
pub(crate) fn module_path(name: &str) -> String {
    format!("/lib/modules/{RELEASE}/updates/{name}.ko")
}

pub(crate) fn package(name: &str, files: &[(String, Vec<u8>)]) -> Vec<u8> {
    built(name, |builder| {
        for (path, content) in files {
            let options = FileOptions::new(path);
            builder
                .with_file_contents(content.clone(), options)
                .unwrap();
        }
    })
}

fn built(name: &str, fill: impl FnOnce(&mut PackageBuilder)) -> Vec<u8> {
    let mut builder = PackageBuilder::new(name, "1", "GPL-2.0", "x86_64", name);
    builder.using_config(BuildConfig::v4().compression(CompressionType::Gzip));
    fill(&mut builder);
    let mut bytes = Vec::new();
    builder.build().unwrap().write(&mut bytes).unwrap();
    bytes
}

/// A package whose files are hard links of one another.
pub(crate) fn links(paths: &[String], content: &[u8]) -> Vec<u8> {
    built("links", |builder| {
        for path in paths {
            let options = FileOptions::new(path).hardlink("one");
            builder.with_file_contents(content, options).unwrap();
        }
    })
}

pub(crate) fn program() -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_btf-guard"));
    program.env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE");
    program
}

/// Runs it; returns exit code, standard output, standard error.
pub(crate) fn run(args: &[&str]) -> (i32, String, String) {
    ended(program().args(args).output().unwrap())
}

pub(crate) fn ended(output: Output) -> (i32, String, String) {
    (
        output.status.code().expect("killed by a signal"),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

/// The program as a user runs it who is not root. A build tree may be closed to
/// others, so that it is a copy of the program.
pub(crate) fn without_root(args: &[&str]) -> (i32, String, String) {
    let place = tempfile::tempdir().unwrap();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let copy = place.path().join("btf-guard");
    fs::copy(env!("CARGO_BIN_EXE_btf-guard"), &copy).unwrap();
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    command.arg(&copy);
    if !rustix::process::geteuid().is_root() {
        command = Command::new(copy);
    }
    ended(command.args(args).output().unwrap())
}

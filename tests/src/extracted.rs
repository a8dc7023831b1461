// SPDX-License-Identifier: GPL-2.0-or-later
//! Kernels of the distribution, as `tests/setup/kernels.sh` lays them out.

use std::fs;
use std::path::{Path, PathBuf};

use btf_guard_core::compression::{Format, decompress};
use walkdir::WalkDir;

/// How the directories of other architectures' kernels begin.
const FOREIGN: &str = "foreign-";

/// One kernel's packages, extracted.
#[derive(Debug, Clone)]
pub struct Extracted {
    /// The directory's name.
    pub name: String,
    /// `uname -r`.
    pub release: String,
    /// The image that boots.
    pub image: PathBuf,
    /// All its modules, sorted.
    pub modules: Vec<PathBuf>,
}

impl Extracted {
    /// What lies in `dir`; `None` for an image that came without modules.
    pub fn open(dir: &Path) -> Option<Self> {
        let name = dir.file_name()?.to_str()?.to_owned();
        let tree = ["usr/lib/modules", "lib/modules"]
            .iter()
            .filter_map(|place| fs::read_dir(dir.join(place)).ok()?.flatten().next())
            .map(|entry| entry.path())
            .find(|path| path.join("kernel").is_dir())?;
        let release = tree.file_name()?.to_str()?.to_owned();
        let image = [
            dir.join(format!("boot/vmlinuz-{release}")),
            dir.join(format!("boot/vmlinux-{release}")),
            tree.join("vmlinuz"),
        ]
        .into_iter()
        .find(|path| path.is_file())?;
        let is_module = |path: &Path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            [".ko", ".ko.gz", ".ko.xz", ".ko.zst"]
                .iter()
                .any(|end| name.ends_with(end))
        };
        let mut modules: Vec<_> = WalkDir::new(tree.join("kernel"))
            .into_iter()
            .map(|entry| entry.unwrap().into_path())
            .filter(|path| is_module(path))
            .collect();
        modules.sort();
        Some(Self {
            name,
            release,
            image,
            modules,
        })
    }

    /// Every kernel of this machine's architecture with modules in `dir`, by name.
    pub fn all(dir: &Path) -> Vec<Self> {
        let mut all = Self::every(dir);
        all.retain(|kernel| !kernel.name.starts_with(FOREIGN));
        all
    }

    fn every(dir: &Path) -> Vec<Self> {
        let entries =
            fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
        let mut all: Vec<_> = entries
            .filter_map(|entry| Self::open(&entry.unwrap().path()))
            .collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }
}

/// A kernel of another architecture, with a few of its modules.
#[derive(Debug, Clone)]
pub struct Foreign {
    /// What Debian calls the architecture.
    pub architecture: String,
    /// The kernel.
    pub kernel: Extracted,
    /// Whether its config says that it has BTF.
    pub has_btf: bool,
    /// The package's version, as its changelog has it.
    pub version: String,
}

impl Foreign {
    /// All of them in `dir`, by name.
    pub fn all(dir: &Path) -> Vec<Self> {
        let every = Extracted::every(dir).into_iter();
        every
            .filter_map(|kernel| {
                let rest = kernel.name.strip_prefix(FOREIGN)?;
                let architecture = rest.split('-').next()?.to_owned();
                Some(Self {
                    architecture,
                    has_btf: has_btf(&dir.join(&kernel.name), &kernel.release),
                    version: version(&dir.join(&kernel.name)),
                    kernel,
                })
            })
            .collect()
    }
}

fn has_btf(dir: &Path, release: &str) -> bool {
    let beside = dir.join(format!("boot/config-{release}"));
    let inside = dir.join(format!("usr/lib/modules/{release}/config"));
    let config = fs::read_to_string(beside).or_else(|_| fs::read_to_string(inside));
    let config = config.unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    config.lines().any(|line| line == "CONFIG_DEBUG_INFO_BTF=y")
}

/// The version in the first line of the changelog: `linux (6.12.107-1) …`.
fn version(dir: &Path) -> String {
    let mut files = WalkDir::new(dir.join("usr/share/doc"))
        .into_iter()
        .flatten();
    let file = files
        .find(|file| {
            let name = file.file_name().to_string_lossy();
            name == "changelog.gz" || name == "changelog.Debian.gz"
        })
        .unwrap_or_else(|| panic!("{}: no changelog", dir.display()));
    let packed = fs::read(file.path()).unwrap();
    let mut text = Vec::new();
    decompress(Format::Gzip, &packed, 64 << 20, &mut text).unwrap();
    let text = String::from_utf8_lossy(&text);
    let (_, rest) = text.split_once('(').unwrap();
    rest.split_once(')').unwrap().0.to_owned()
}

//! Kernels of the distribution, as `tests/setup/kernels.sh` lays them out.

use std::fs;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

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

    /// Every kernel with modules in `dir`, by name.
    pub fn all(dir: &Path) -> Vec<Self> {
        let entries =
            fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
        let mut all: Vec<_> = entries
            .filter_map(|entry| Self::open(&entry.unwrap().path()))
            .collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }
}

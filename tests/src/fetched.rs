//! The kernels that `make test` fetched, with their modules.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use btf_guard::kernel::Kernel;
use btf_guard::module::{self, Module};

/// An extracted kernel package with modules.
pub struct Fetched {
    /// The name of its directory.
    pub name: String,
    /// Its kernel.
    pub kernel: Kernel,
    /// Its modules, by path.
    pub modules: Vec<Module>,
}

impl Fetched {
    /// All of them that have modules, by name.
    pub fn all() -> Vec<Self> {
        let entries = fs::read_dir(crate::kernels()).unwrap();
        let mut dirs: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        dirs.sort();
        dirs.iter().filter_map(|dir| Self::open(dir)).collect()
    }

    fn open(dir: &Path) -> Option<Self> {
        let modules = ["usr/lib/modules", "lib/modules"]
            .iter()
            .filter_map(|place| fs::read_dir(dir.join(place)).ok()?.flatten().next())
            .map(|entry| entry.path())
            .find(|path| path.join("kernel").is_dir())?;
        let release = modules.file_name()?.to_str()?;
        let image = [
            dir.join(format!("boot/vmlinuz-{release}")),
            modules.join("vmlinuz"),
        ]
        .into_iter()
        .find(|path| path.is_file())?;
        let files: Vec<PathBuf> = walkdir::WalkDir::new(modules.join("kernel"))
            .sort_by_file_name()
            .into_iter()
            .map(|entry| entry.unwrap().into_path())
            .filter(|path| path.is_file() && path.to_str().unwrap().contains(".ko"))
            .collect();
        Some(Self {
            name: dir.file_name()?.to_str()?.to_owned(),
            kernel: Kernel::open(&image, None).unwrap(),
            modules: in_parallel(&files, |path| module::open(path).unwrap()),
        })
    }
}

/// Does the work of each item, on two threads; the results in the order of the items.
pub fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((at, item)) = {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    items.get(at).map(|item| (at, item))
                } {
                    let result = work(item);
                    done.lock().unwrap().push((at, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap();
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

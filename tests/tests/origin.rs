//! measure

#![allow(
    clippy::unwrap_used,
    unsafe_code,
    clippy::undocumented_unsafe_blocks,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use btf_guard::btf::{Comparison, Known, Split, base_strings, evidence, read_module, same_meaning};
use btf_guard::kernel::Kernel;
use btf_guard::module::{self, Module};
use btf_guard_tests::kernels;

struct Package {
    name: String,
    kernel: Kernel,
    modules: Vec<Module>,
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.to_str().unwrap().contains(".ko") {
            files.push(path);
        }
    }
}

fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let out = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(at) else { break };
                    let result = work(item);
                    out.lock().unwrap().push((at, result));
                }
            });
        }
    });
    let mut out = out.into_inner().unwrap();
    out.sort_by_key(|(at, _)| *at);
    out.into_iter().map(|(_, r)| r).collect()
}

impl Package {
    fn open(dir: &Path) -> Option<Self> {
        let name = dir.file_name()?.to_str()?.to_owned();
        let modules = ["usr/lib/modules", "lib/modules"]
            .iter()
            .filter_map(|place| fs::read_dir(dir.join(place)).ok()?.flatten().next())
            .map(|entry| entry.path())
            .find(|path| path.join("kernel").is_dir())?;
        let release = modules.file_name()?.to_str()?.to_owned();
        let image = [
            dir.join(format!("boot/vmlinuz-{release}")),
            modules.join("vmlinuz"),
        ]
        .into_iter()
        .find(|path| path.is_file())?;
        let kernel = Kernel::open(&image, None).unwrap();
        let mut files = Vec::new();
        collect(&modules.join("kernel"), &mut files);
        files.sort();
        let modules = in_parallel(&files, |path| module::open(path).unwrap());
        Some(Self {
            name,
            kernel,
            modules,
        })
    }
}

fn all() -> Vec<Package> {
    let mut dirs: Vec<PathBuf> = fs::read_dir(kernels())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    dirs.sort();
    dirs.iter().filter_map(|dir| Package::open(dir)).collect()
}

#[test]
fn measure() {
    let start = Instant::now();
    let all = all();
    println!("read {} packages in {:?}", all.len(), start.elapsed());
    if std::env::var("CAL").is_ok() {
        for c in ["8"] {
            for keep in ["none", "0", "1", "2", "3"] {
                unsafe {
                    std::env::set_var("CERTAIN", c);
                    if keep == "none" {
                        std::env::remove_var("STRIP")
                    } else {
                        std::env::set_var("STRIP", "1");
                        std::env::set_var("KEEP", keep);
                    }
                }
                let (mut e, mut u, mut w) = (0, 0, 0);
                let mut bad = Vec::new();
                for package in &all {
                    let base = &package.kernel.base;
                    for (name, s) in in_parallel(&package.modules, |module| {
                        btf_guard::btf::STRIP_AT.with(|s| s.set(base.strings_len()));
                        let split =
                            Split::parse(module.btf.as_deref().unwrap(), base.order()).unwrap();
                        (module.name.clone(), base_strings(&split))
                    }) {
                        match s {
                            None => u += 1,
                            Some(s) if s == base.strings_len() => e += 1,
                            _ => {
                                w += 1;
                                bad.push(name);
                            }
                        }
                    }
                }
                println!(
                    "CAL c={c} keep={keep} exact {e} unknown {u} wrong {w} {:?}",
                    &bad[..bad.len().min(6)]
                );
            }
        }
        return;
    }
    // Genuine.
    for package in &all {
        let start = Instant::now();
        let base = &package.kernel.base;
        let results = in_parallel(&package.modules, |module| {
            let split = read_module(
                module.btf.as_deref().unwrap(),
                None,
                base,
                &package.kernel.abilities,
                false,
            )
            .unwrap();
            (
                module.name.clone(),
                evidence(&split, base),
                base_strings(&split),
            )
        });
        let mut classes: BTreeMap<&str, (u32, String)> = BTreeMap::new();
        let (mut exact, mut unknown, mut wrong) = (0, Vec::new(), Vec::new());
        for (name, found, s) in &results {
            for e in found {
                let slot = classes
                    .entry(e.clue.class())
                    .or_insert_with(|| (0, format!("{name}: {e}")));
                slot.0 += 1;
            }
            match s {
                None => unknown.push(name.clone()),
                Some(s) if *s == base.strings_len() => exact += 1,
                Some(s) => wrong.push((name.clone(), *s)),
            }
        }
        println!(
            "{}: {} modules; S exact {exact} unknown {} {:?} wrong {wrong:?}; accused: {classes:#?} {:?}",
            package.name,
            results.len(),
            unknown.len(),
            &unknown[..unknown.len().min(12)],
            start.elapsed()
        );
    }
    if std::env::var("GENUINE").is_ok() {
        return;
    }
    // Pairs.
    for one in &all {
        for other in &all {
            if one.name == other.name {
                continue;
            }
            let start = Instant::now();
            let known = Mutex::new(Known::default());
            let base = &other.kernel.base;
            let results = in_parallel(&one.modules, |module| {
                let Ok(split) = read_module(
                    module.btf.as_deref().unwrap(),
                    None,
                    base,
                    &other.kernel.abilities,
                    false,
                ) else {
                    return None;
                };
                let found = evidence(&split, base);
                let same = same_meaning(&split, &one.kernel.base, base, &mut known.lock().unwrap());
                Some((module.name.clone(), found, same))
            });
            let accepted: Vec<_> = results.into_iter().flatten().collect();
            if accepted.is_empty() {
                continue;
            }
            let mut classes: BTreeMap<String, u32> = BTreeMap::new();
            let mut rest = Vec::new();
            for (name, found, same) in &accepted {
                let key: Vec<_> = found.iter().map(|e| e.clue.class()).collect();
                let verdict = match same {
                    Comparison::Same => "same",
                    Comparison::Different(_) => "different",
                    Comparison::Undecided => "UNDECIDED",
                };
                *classes
                    .entry(format!("{} {verdict}", key.join("+")))
                    .or_default() += 1;
                if found.is_empty() {
                    rest.push(format!("{name}: {same:?}"));
                }
            }
            println!(
                "{} on {}: {} accepted of {} {classes:?} {:?}",
                one.name,
                other.name,
                accepted.len(),
                one.modules.len(),
                start.elapsed()
            );
            for r in rest.iter().take(6) {
                println!("    {r}");
            }
        }
    }
    let _ = Split::parse;
}

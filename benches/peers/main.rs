// SPDX-License-Identifier: GPL-2.0-or-later
//! `make bench`: speed and memory, side by side with the peer that does the
//! same or less, as a ratio of CPU times in one run, each with its limit
//! (docs/performance.md). Nothing is asserted.

mod apart;
mod images;
mod libbpf;
mod measure;
mod package;
mod transactions;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use btf_guard_btf::{Base, verify_module};
use btf_guard_core::compression::{Format, decompress};
use btf_guard_btf::features::Features;
use btf_guard_core::kernel::image;
use btf_guard_core::module;
use rayon::prelude::*;

use measure::{Cost, Run, closure, pair, process};
use package::Package;

/// A kernel package as extracted: the image and the module directory.
struct Kernel {
    image: PathBuf,
    modules: PathBuf,
}

impl Kernel {
    fn of(dir: &Path) -> Result<Self> {
        let modules = ["usr/lib/modules", "lib/modules"]
            .iter()
            .filter_map(|place| fs::read_dir(dir.join(place)).ok()?.flatten().next())
            .map(|entry| entry.path())
            .find(|path| path.join("kernel").is_dir())
            .context("a kernel without modules")?;
        let release = modules.file_name().unwrap_or_default().to_string_lossy();
        let image = [
            dir.join(format!("boot/vmlinuz-{release}")),
            modules.join("vmlinuz"),
        ]
        .into_iter()
        .find(|path| path.is_file())
        .context("a kernel without an image")?;
        Ok(Self { image, modules })
    }
}

struct Bench {
    program: PathBuf,
    plugin: PathBuf,
    kernels: PathBuf,
    scratch: tempfile::TempDir,
    /// The judge's own place for its cache, where it is empty for the bench.
    cache: Option<PathBuf>,
}

fn main() -> Result<()> {
    let arguments: Vec<_> = std::env::args_os().collect();
    if let [_, flag, from, to] = &arguments[..]
        && flag == "--base"
    {
        fs::write(to, image::open(Path::new(from))?.base_btf)?;
        return Ok(());
    }
    let variable = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .with_context(|| format!("{name} is not set: run `make bench`"))
    };
    let bench = Bench {
        cache: apart::cache(),
        program: variable("BTF_GUARD_BIN")?,
        plugin: variable("BTF_GUARD_PLUGIN")?,
        kernels: variable("BTF_GUARD_KERNELS")?,
        scratch: tempfile::tempdir()?,
    };
    let only = arguments.iter().any(|argument| argument == "transactions");
    let head = || {
        println!(
            "\n| work, CPU time | ours | peer | ratio | of wall time | limit |\n|---|---|---|---|---|---|"
        )
    };
    if only {
        head();
        return bench.transactions();
    }
    // First, while this process is small: a child's peak counts its parent's
    // pages until it executes something else.
    bench.memory()?;
    head();
    bench.transactions()?;
    bench.plain_tree()?;
    bench.packed_trees()?;
    bench.many_kernels()?;
    bench.cold_images()?;
    bench.engine()
}

fn row(work: &str, ours: &Cost, peer: &Cost, ratio: f64, goal: &str) {
    let ms = |cost: &Cost| format!("{:.2} ms", cost.cpu.as_secs_f64() * 1e3);
    let wall = ours.wall.as_secs_f64() / peer.wall.as_secs_f64().max(1e-9);
    println!(
        "| {work} | {} | {} | {ratio:.2} | {wall:.2} | {goal} |",
        ms(ours),
        ms(peer)
    );
}

impl Bench {
    /// The kernels whose directory begins with `prefix` and ends with `suffix`,
    /// the newest last.
    fn kernels(&self, prefix: &str, suffix: &str) -> Result<Vec<Kernel>> {
        let mut found: Vec<PathBuf> = fs::read_dir(&self.kernels)?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                name.starts_with(prefix)
                    && name.ends_with(suffix)
                    && name.contains("cloud") == suffix.contains("cloud")
            })
            .collect();
        found.sort();
        found.iter().map(|dir| Kernel::of(dir)).collect()
    }

    /// The newest of them.
    fn kernel(&self, prefix: &str, suffix: &str) -> Result<Option<Kernel>> {
        Ok(self.kernels(prefix, suffix)?.pop())
    }

    /// The mandatory kernel of all benches: some 4,000 modules, not compressed.
    fn large(&self) -> Result<Kernel> {
        self.kernel("image-6.1.", "-amd64")?
            .context("no 6.1 kernel; run `make bench`")
    }

    /// A base and all split BTF, in memory.
    fn engine(&self) -> Result<()> {
        let kernel = self.large()?;
        let image = image::open(&kernel.image)?;
        let raw = image.base_btf;
        let release = image.release;
        let splits: Vec<Vec<u8>> = module_files(&kernel.modules)?
            .iter()
            .map(|path| Ok(module::open(path)?.btf.unwrap_or_default()))
            .collect::<Result<_>>()?;
        let bytes: usize = splits.iter().map(Vec::len).sum();

        let (ours, peer, ratio) = pair(
            51,
            Box::new(|| {
                let raw = raw.clone();
                closure(|| Base::parse(raw).map(drop).map_err(Into::into))
            }),
            Box::new(|| closure(|| libbpf::Btf::base(&raw).map(drop))),
        )?;
        let work = format!("make a base of {} bytes ready / libbpf btf__new", raw.len());
        row(&work, &ours, &peer, ratio, "≤ 0.5");

        let base = Base::parse(raw.clone())?;
        let theirs = libbpf::Btf::base(&raw)?;
        let abilities = Features::of(&base, release.as_deref());
        let (ours, peer, ratio) = pair(
            15,
            Box::new(|| {
                closure(|| {
                    for split in &splits {
                        let verdict = verify_module(split, None, &base, &abilities);
                        ensure!(verdict.is_ok(), "a module its own kernel refuses");
                    }
                    Ok(())
                })
            }),
            Box::new(|| {
                closure(|| {
                    for split in &splits {
                        libbpf::Btf::split(split, &theirs)?;
                    }
                    Ok(())
                })
            }),
        )?;
        let work = format!(
            "verify {} split BTF, {} MB / libbpf btf__new_split",
            splits.len(),
            bytes / 1_000_000
        );
        row(&work, &ours, &peer, ratio, "≤ 0.25");
        drop(splits);

        let files = module_files(&kernel.modules)?;
        let (ours, peer, ratio) = pair(
            9,
            Box::new(|| {
                closure(|| {
                    for file in &files {
                        let split = module::open(file)?.btf.unwrap_or_default();
                        let verdict = verify_module(&split, None, &base, &abilities);
                        ensure!(verdict.is_ok(), "a module its own kernel refuses");
                    }
                    Ok(())
                })
            }),
            Box::new(|| {
                closure(|| {
                    for file in &files {
                        libbpf::Btf::parse_split(file, &theirs)?;
                    }
                    Ok(())
                })
            }),
        )?;
        let work = "the same from their files / libbpf btf__parse_split";
        row(work, &ours, &peer, ratio, "");
        Ok(())
    }

    fn check(&self, kernel: &Path, tree: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("check").arg(tree).arg("--kernel").arg(kernel);
        command
    }

    /// The kernel's base BTF as a file, so that decompressing the image is not
    /// part of what is compared.
    fn raw_base(&self, kernel: &Kernel) -> Result<PathBuf> {
        let path = self.scratch.path().join("base.btf");
        // In a process of its own: what this one has ever held counts as the
        // peak of every process it starts.
        let made = Command::new(std::env::current_exe()?)
            .args([
                "--base".as_ref(),
                kernel.image.as_os_str(),
                path.as_os_str(),
            ])
            .status()?;
        ensure!(made.success(), "no base of {}", kernel.image.display());
        Ok(path)
    }

    fn plain_tree(&self) -> Result<()> {
        let kernel = self.large()?;
        let base = self.raw_base(&kernel)?;
        // depmod writes into the tree, so it gets links in a tree of its own.
        let root = self.scratch.path().join("root");
        let release = kernel.modules.file_name().context("no release")?;
        let own = root.join("lib/modules").join(release);
        fs::create_dir_all(own.parent().context("no parent")?)?;
        let copied = Command::new("cp")
            .arg("-al")
            .args([&kernel.modules, &own])
            .status()?;
        ensure!(copied.success(), "cp -al {}", kernel.modules.display());
        let release = release.to_string_lossy().into_owned();
        let (ours, peer, ratio) = pair(
            9,
            Box::new(|| process(1, &[0], || self.check(&base, &kernel.modules))),
            Box::new(|| {
                process(1, &[0], || {
                    let mut command = Command::new("depmod");
                    command.arg("-a").arg("-b").arg(&root).arg(&release);
                    command
                })
            }),
        )?;
        let count = module_files(&kernel.modules)?.len();
        let work = format!("`check` a tree of {count} plain modules / depmod -a");
        row(&work, &ours, &peer, ratio, "≤ 0.15");
        fs::remove_dir_all(&root)?;
        Ok(())
    }

    fn packed_trees(&self) -> Result<()> {
        let mut any = false;
        for (prefix, what) in [
            ("image-6.12.", "6.12"),
            ("image-6.18.", "6.18"),
            ("image-7.", "7"),
        ] {
            let Some(kernel) = self.kernel(prefix, "cloud-amd64")? else {
                continue;
            };
            any = true;
            let base = self.raw_base(&kernel)?;
            let files = module_files(&kernel.modules)?;
            let ours: Run<'_> =
                Box::new(|| process(1, &[0], || self.check(&base, &kernel.modules)));
            let peer: Run<'_> = Box::new(|| closure(|| decompress_all(&files)));
            let (ours, peer, ratio) = pair(5, ours, peer)?;
            let suffix = files
                .first()
                .and_then(|f| f.extension())
                .unwrap_or_default();
            let work = format!(
                "`check` {} compressed modules of {what} ({}) / decompressing them",
                files.len(),
                suffix.to_string_lossy()
            );
            row(&work, &ours, &peer, ratio, "≤ 1.15");
        }
        if !any {
            println!("SKIPPED: compressed trees: no kernel with compressed modules could be had");
        }
        Ok(())
    }

    fn memory(&self) -> Result<()> {
        println!("| peak memory | MiB | of it the base | limit |\n|---|---|---|---|");
        let mib = |bytes: u64| bytes as f64 / (1 << 20) as f64;
        let large = self.large()?;
        let packed = self.kernel("image-6.12.", "cloud-amd64")?;
        for (what, kernel) in [("plain", Some(&large)), ("compressed", packed.as_ref())] {
            let Some(kernel) = kernel else { continue };
            let base = self.raw_base(kernel)?;
            let size = fs::metadata(&base)?.len();
            for (given, image) in [("raw base", &base), ("vmlinuz", &kernel.image)] {
                let cost = process(1, &[0], || self.check(image, &kernel.modules))?;
                println!(
                    "| `check` a {what} tree, {given} | {:.1} | {:.1} | base + 64 |",
                    mib(cost.peak * 1024),
                    mib(size)
                );
            }
        }
        let base = self.raw_base(&large)?;
        let mut total = 0;
        let mut contents = Vec::new();
        for path in module_files(&large.modules)? {
            total += fs::metadata(&path)?.len();
            contents.push((format!("/lib/modules/x/{}.ko", contents.len()), path));
            if total > 150_000_000 {
                break;
            }
        }
        let count = contents.len();
        let package = Package::new("large", contents).build(self.scratch.path())?;
        let cost = process(1, &[0], || self.check(&base, &package))?;
        println!(
            "| `check` a package of {} MB in {} modules | {:.1} | {:.1} | 96 |",
            total / 1_000_000,
            count,
            mib(cost.peak * 1024),
            mib(fs::metadata(&base)?.len())
        );
        Ok(())
    }
}

/// Every module of a tree.
fn module_files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut dirs = vec![dir.join("kernel")];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.to_string_lossy().contains(".ko") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// What checking a compressed tree cannot do without, on as many threads.
fn decompress_all(files: &[PathBuf]) -> Result<()> {
    files.par_iter().try_for_each_init(Vec::new, |out, path| {
        let packed = fs::read(path)?;
        let format = Format::detect(&packed).context("not compressed")?;
        decompress(format, &packed, 256 << 20, out)?;
        Ok(())
    })
}

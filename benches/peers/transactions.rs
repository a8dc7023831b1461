// SPDX-License-Identifier: GPL-2.0-or-later
//! Whole transactions of the real rpm, with the plugin and without it in turn.

use std::{fs, thread};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::measure::{Cost, Run, pair, process};
use crate::package::Package;
use crate::{Bench, Kernel, module_files};

/// Transactions of one run: the least that rpm does takes some milliseconds.
const SMALL: u32 = 50;

/// After that long the judge notes which image a file was, in seconds.
const SETTLED: Duration = Duration::from_secs(5);

/// What is done to a root before each transaction.
type Prepare<'a> = &'a dyn Fn(&Path) -> Result<()>;

impl Bench {
    /// What the plugin costs each kind of transaction.
    pub fn transactions(&self) -> Result<()> {
        self.lay_out_the_plugin()?;
        self.without_modules()?;
        let large = self.large()?;
        self.one_module(&large)?;
        self.kernel_package("plain", &large)?;
        if let Some(packed) = self.kernel("image-6.12.", "cloud-amd64")? {
            self.kernel_package("compressed", &packed)?;
        }
        self.with_scriptlets(&large)
    }

    /// rpm asks its own directory for plugins, by their names.
    fn lay_out_the_plugin(&self) -> Result<()> {
        let plugins = self.plugins();
        fs::create_dir(&plugins)?;
        let plugin = fs::canonicalize(&self.plugin)?;
        std::os::unix::fs::symlink(plugin, plugins.join("btf_guard.so"))?;
        let judge = plugins.join("judge");
        if self.cache.is_some() {
            std::os::unix::fs::symlink(&self.program, judge)?;
            return Ok(());
        }
        println!("each judge is started by a shell, as no root was there to start it otherwise");
        let (program, cache) = (self.program.display(), self.cache());
        let text = format!(
            "#!/bin/sh\nexec {program} judge --cache {}\n",
            cache.display()
        );
        fs::write(&judge, text)?;
        fs::set_permissions(&judge, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        Ok(())
    }

    fn plugins(&self) -> PathBuf {
        self.scratch.path().join("plugins")
    }

    fn cache(&self) -> PathBuf {
        let place = self.cache.clone();
        place.unwrap_or_else(|| self.scratch.path().join("cache"))
    }

    fn rpm(&self, root: &Path, package: &Path, plugin: bool) -> Command {
        let mut command = Command::new("rpm");
        command
            .arg("--root")
            .arg(root)
            .args(["-U", "--nodeps", "--force"]);
        command.args(["--define", "_pkgverify_level none"]);
        if plugin {
            let dir = self.plugins();
            let dir = dir.display();
            command.arg("--define").arg(format!("__plugindir {dir}"));
            command.arg("--define").arg(format!(
                "__transaction_btf_guard {dir}/btf_guard.so --judge {dir}/judge --handoff {dir}/run"
            ));
        }
        command.arg(package);
        command
    }

    fn root(&self, name: &str) -> Result<PathBuf> {
        let root = self.scratch.path().join(name);
        fs::create_dir_all(&root)?;
        let made = Command::new("rpm")
            .arg("--root")
            .arg(&root)
            .arg("--initdb")
            .status()?;
        ensure!(made.success(), "rpm --initdb");
        Ok(root)
    }

    fn without_modules(&self) -> Result<()> {
        let readme = self.scratch.path().join("README");
        fs::write(&readme, "nothing")?;
        let files = vec![("/usr/share/doc/plain/README".to_owned(), readme)];
        let package = Package::new("plain", files).build(self.scratch.path())?;
        let root = self.root("without-modules")?;
        let run = |plugin: bool| {
            let mut command = self.rpm(&root, &package, plugin);
            command.arg("--test");
            command
        };
        let traced = run(true).env("LD_DEBUG", "files").output()?;
        let loaded = String::from_utf8_lossy(&traced.stderr).contains("btf_guard.so");
        ensure!(loaded, "rpm does not load the plugin: nothing to measure");
        let (ours, peer, _) = pair(
            9,
            Box::new(|| process(SMALL, &[0], || run(true))),
            Box::new(|| process(SMALL, &[0], || run(false))),
        )?;
        let each = |cost: Cost| Cost {
            cpu: cost.cpu / SMALL,
            wall: cost.wall / SMALL,
            ..cost
        };
        row(
            "rpm -U --test without modules",
            &each(ours),
            &each(peer),
            "≤ 1 ms more",
        );
        Ok(())
    }

    /// A package with one module, on a root with a large kernel.
    fn one_module(&self, kernel: &Kernel) -> Result<()> {
        let root = self.root("one-module")?;
        let whole = Package::new("kernel-there", contents(kernel)?).build(self.scratch.path())?;
        installed(self.rpm(&root, &whole, false))?;
        let module = kernel.modules.join("kernel/fs/xfs/xfs.ko");
        let release = release(kernel)?;
        let files = vec![(format!("/usr/lib/modules/{release}/updates/xfs.ko"), module)];
        let plain = Package::new("kmp", files.clone()).build(self.scratch.path())?;
        // It may have changed any module: all of them are looked at.
        let scripted = Package::new("scripted", files).lua_post("changed = nil");
        let scripted = scripted.build(self.scratch.path())?;
        installed(self.rpm(&root, &plain, true))?;
        thread::sleep(SETTLED);
        let count = module_files(&kernel.modules)?.len();
        let work = format!("rpm -U of one module beside {count}, images in the cache");
        let with = format!("the same with a scriptlet: {work}");
        for (work, package) in [(work, plain), (with, scripted)] {
            installed(self.rpm(&root, &package, true))?;
            let run = |plugin| process(1, &[0], || self.rpm(&root, &package, plugin));
            let (ours, peer, _) = pair(15, Box::new(|| run(true)), Box::new(|| run(false)))?;
            row(&work, &ours, &peer, "≤ 60 ms more of wall time");
        }
        fs::remove_dir_all(root)?;
        Ok(())
    }

    /// A kernel with all its modules: nothing but its files.
    fn kernel_package(&self, what: &'static str, kernel: &Kernel) -> Result<()> {
        let scratch = self.scratch.path();
        let count = module_files(&kernel.modules)?.len();
        let bare = Package::new(what, contents(kernel)?).build(scratch)?;
        let anew = |root: &Path| {
            fs::remove_dir_all(root)?;
            self.root("kernel").map(drop)
        };
        let root = self.root("kernel")?;
        let (ours, peer) = self.alternate(5, &root, &anew, &bare, &|command| command)?;
        let work = format!("rpm -U of {count} {what} modules and their kernel");
        row(&work, &ours, &peer, "");
        let again = self.again(&root, &anew, &bare)?;
        row(&format!("the same once more: {work}"), &again, &peer, "");
        Ok(())
    }

    /// A kernel as distributions install it, with depmod and a new initrd.
    fn with_scriptlets(&self, kernel: &Kernel) -> Result<()> {
        let scratch = self.scratch.path();
        let count = module_files(&kernel.modules)?.len();
        let release = release(kernel)?;
        let post = format!(
            "depmod -a {release} && dracut --quiet --force /boot/initrd-{release} {release}"
        );
        let real = Package::new("real", contents(kernel)?).post(&post);
        let real = real.build(scratch)?;
        let Some(machine) = Machine::new(&scratch.join("machine"))? else {
            println!("SKIPPED: kernels with scriptlets: no overlay file system can be mounted");
            return Ok(());
        };
        let anew = |_: &Path| machine.anew();
        let enter = |command| machine.with_root(command);
        // One takes a minute.
        let (ours, peer) = self.alternate(3, &machine.root(), &anew, &real, &enter)?;
        let work = format!("rpm -U of {count} modules and their kernel, with depmod and dracut");
        row(&work, &ours, &peer, "≤ 1.15 of wall time");
        Ok(())
    }

    /// With the plugin and without, in turn, each time on a root that was made
    /// anew, and with a cache that is empty.
    fn alternate(
        &self,
        runs: usize,
        root: &Path,
        anew: Prepare<'_>,
        package: &Path,
        enter: &dyn Fn(Command) -> Command,
    ) -> Result<(Cost, Cost)> {
        let run = |plugin| -> Run<'_> {
            Box::new(move || {
                anew(root)?;
                remove(&self.cache())?;
                process(1, &[0], || enter(self.rpm(root, package, plugin)))
            })
        };
        let (ours, peer, _) = pair(runs, run(true), run(false))?;
        Ok((ours, peer))
    }

    /// With what the last judgement has left in the cache.
    fn again(&self, root: &Path, anew: Prepare<'_>, package: &Path) -> Result<Cost> {
        anew(root)?;
        installed(self.rpm(root, package, true))?;
        let mut costs = Vec::new();
        for _ in 0..3 {
            anew(root)?;
            costs.push(process(1, &[0], || self.rpm(root, package, true))?);
        }
        Ok(crate::measure::median(&costs))
    }
}

/// This machine's own files, with a layer above them that takes what is written:
/// a root with all that scriptlets need.
struct Machine {
    dir: PathBuf,
}

impl Machine {
    /// `None` where the layer cannot be mounted.
    fn new(dir: &Path) -> Result<Option<Self>> {
        let machine = Self {
            dir: dir.to_owned(),
        };
        machine.anew()?;
        let tried = machine.with_root(Command::new("true")).output()?;
        Ok(tried.status.success().then_some(machine))
    }

    fn anew(&self) -> Result<()> {
        remove(&self.dir)?;
        for sub in ["upper", "work", "root"] {
            fs::create_dir_all(self.dir.join(sub))?;
        }
        Ok(())
    }

    fn root(&self) -> PathBuf {
        self.dir.join("root")
    }

    /// The command, where the root is mounted: in a mount namespace of its own.
    fn with_root(&self, command: Command) -> Command {
        let dir = self.dir.display();
        let mut inside = Command::new("unshare");
        inside.args(["--mount", "sh", "-ec"]).arg(format!(
            "mount -t overlay overlay -o lowerdir=/,upperdir={dir}/upper,workdir={dir}/work {dir}/root\n\
             for each in dev proc sys; do mount --rbind /$each {dir}/root/$each; done\n\
             exec \"$@\""
        ));
        inside
            .arg("sh")
            .arg(command.get_program())
            .args(command.get_args());
        inside
    }
}

fn remove(dir: &Path) -> Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

fn installed(mut command: Command) -> Result<()> {
    let output = command.output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {said}");
    ensure!(!said.contains("btf-guard:"), "{command:?}: {said}");
    Ok(())
}

fn release(kernel: &Kernel) -> Result<String> {
    let name = kernel.modules.file_name().context("no release")?;
    Ok(name.to_string_lossy().into_owned())
}

/// What a kernel's package holds, where openSUSE and Fedora have it: the image is
/// in the module directory, behind the modules.
fn contents(kernel: &Kernel) -> Result<Vec<(String, PathBuf)>> {
    let release = release(kernel)?;
    let place = format!("/usr/lib/modules/{release}");
    let mut files = Vec::new();
    for module in module_files(&kernel.modules)? {
        let below = module.strip_prefix(&kernel.modules)?;
        files.push((format!("{place}/{}", below.display()), module));
    }
    for name in [
        "modules.builtin",
        "modules.builtin.modinfo",
        "modules.order",
    ] {
        files.push((format!("{place}/{name}"), kernel.modules.join(name)));
    }
    let boot = kernel.image.with_file_name(format!("config-{release}"));
    files.push((format!("{place}/config"), boot));
    files.push((format!("{place}/vmlinuz"), kernel.image.clone()));
    files.retain(|(_, from)| from.is_file());
    Ok(files)
}

/// The row of a transaction: what counts for whoever waits is the time on the wall.
fn row(work: &str, ours: &Cost, peer: &Cost, goal: &str) {
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let more = |ours, peer| format!("{:+.1} ms", ms(ours) - ms(peer));
    let wall = ms(ours.wall) / ms(peer.wall).max(1e-9);
    println!(
        "| {work}; {} CPU, {} wall | {:.1} ms | {:.1} ms | {:.2} | {wall:.2} | {goal} |",
        more(ours.cpu, peer.cpu),
        more(ours.wall, peer.wall),
        ms(ours.cpu),
        ms(peer.cpu),
        ms(ours.cpu) / ms(peer.cpu).max(1e-9),
    );
}

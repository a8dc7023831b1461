// SPDX-License-Identifier: GPL-2.0-or-later
//! The guest: QEMU around a kernel and an initramfs.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::initramfs;
use crate::table::{self, Table};

/// A guest that says nothing for so long is dead. A single module may take its
/// init 20 s, and an emulated processor on a busy machine is slow.
const SILENCE: Duration = Duration::from_secs(120);
/// A guest that runs under KVM has booted in a second; one that does not never will.
const PROBE: Duration = Duration::from_secs(8);
/// Memory of the guest, in MiB, beside what its initramfs takes.
const MEMORY: u64 = 512;

/// How guests are run here.
#[derive(Debug, Clone)]
pub(crate) struct Vm {
    qemu: &'static str,
    init: PathBuf,
    accel: &'static str,
}

impl Vm {
    /// Finds out how guests run here, with a boot of `image`.
    pub(crate) fn probe(init: &Path, image: &Path, scratch: &Path) -> Result<Self> {
        ensure!(
            cfg!(target_arch = "x86_64"),
            "the oracle boots x86-64 kernels, and this is another machine"
        );
        let qemu = "qemu-system-x86_64";
        let version = Command::new(qemu).arg("--version").output();
        let version = version.with_context(|| format!("{qemu} cannot be run; install QEMU"))?;
        ensure!(version.status.success(), "{qemu} --version fails");
        ensure!(init.is_file(), "{}: is not there", init.display());
        let mut vm = Self {
            qemu,
            init: init.to_owned(),
            accel: "kvm",
        };
        // That /dev/kvm can be opened does not mean that a guest runs.
        let opens = File::options().read(true).write(true).open("/dev/kvm");
        let runs = opens.is_ok()
            && vm
                .boot(image, &[], scratch, PROBE)
                .is_ok_and(|run| run.table.done);
        if !runs {
            vm.accel = "tcg,thread=multi";
        }
        Ok(vm)
    }

    /// `kvm` or `tcg`.
    pub(crate) fn accel(&self) -> &str {
        self.accel.split(',').next().unwrap_or_default()
    }

    /// Boots `image` and has it load `cases`. `scratch` names files that may be overwritten.
    pub(crate) fn run(&self, image: &Path, cases: &[PathBuf], scratch: &Path) -> Result<Run> {
        self.boot(image, cases, scratch, SILENCE)
    }

    fn boot(
        &self,
        image: &Path,
        cases: &[PathBuf],
        scratch: &Path,
        silence: Duration,
    ) -> Result<Run> {
        let file = |suffix: &str| scratch.with_extension(suffix);
        let [archive, console, answers] = ["cpio", "console", "table"].map(file);
        let size = initramfs::write(&archive, &self.init, cases)?;
        File::create(&answers)?;
        // The archive, its unpacked content, and room for both at once.
        let memory = MEMORY + 3 * (size >> 20);
        let errors = File::create(file("errors"))?;
        let mut qemu = Command::new(self.qemu)
            .args([
                "-accel",
                self.accel,
                "-cpu",
                if self.accel == "kvm" { "host" } else { "max" },
            ])
            .args(["-smp", "1", "-m", &memory.to_string()])
            .args(["-nodefaults", "-display", "none", "-no-reboot"])
            .args(["-serial", &format!("file:{}", console.display())])
            .args(["-serial", &format!("file:{}", answers.display())])
            .arg("-kernel")
            .arg(image)
            .arg("-initrd")
            .arg(&archive)
            .args(["-append", ARGUMENTS])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(errors)
            .spawn()
            .with_context(|| format!("cannot run {}", self.qemu))?;
        let mut heard = (0, Instant::now());
        let status = loop {
            if let Some(status) = qemu.try_wait()? {
                break Some(status);
            }
            let said = fs::metadata(&answers)?.len();
            if said != heard.0 {
                heard = (said, Instant::now());
            }
            if heard.1.elapsed() > silence {
                qemu.kill()?;
                qemu.wait()?;
                break None;
            }
            thread::sleep(Duration::from_millis(50));
        };
        let table = table::parse(&fs::read(&answers)?);
        fs::remove_file(&archive)?;
        let words = |path: &Path| fs::read(path).map(|b| String::from_utf8_lossy(&b).into_owned());
        let console = words(&console)?;
        let errors = words(&file("errors"))?;
        ensure!(
            table.kernel.is_some() || silence == PROBE,
            "{} did not come up ({}): {}",
            image.display(),
            status.map_or("it was silent".to_owned(), |status| status.to_string()),
            last_lines(if errors.is_empty() { &console } else { &errors })
        );
        Ok(Run { table, console })
    }
}

/// `console` gets only what an emergency is; `oops=panic` and `panic=-1` end the
/// guest at once, since `-no-reboot` is given; the log must hold what a case with
/// thousands of lines says, and take a line of `/init` after each; an emulated
/// clock is not to be checked all the time.
const ARGUMENTS: &str = "console=ttyS0 loglevel=1 panic=-1 oops=panic log_buf_len=4M \
    printk.devkmsg=on tsc=reliable mitigations=off rdinit=/init";

/// What came of one boot.
pub(crate) struct Run {
    pub(crate) table: Table,
    pub(crate) console: String,
}

/// A text's end, for a report.
pub(crate) fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let from = lines.len().saturating_sub(5);
    lines.get(from..).unwrap_or_default().join(" / ")
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! The oracle: asks real kernels what btf-guard predicts, and holds the answers
//! beside the verdicts.
//!
//! For each kernel it makes cases (`cases/`), has `btf-guard check` judge them,
//! boots the kernel in QEMU with a `/init` that loads every one (`init/`), and
//! compares verdict, errno and log. It exits with 0 only if every case of every
//! kernel was asked and every answer is as we said.

mod ask;
mod carrier;
mod cases;
mod compare;
mod guard;
mod initramfs;
mod packed;
mod report;
mod table;
mod vm;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use btf_guard_core::kernel::Kernel;
use btf_guard_tests::Extracted;
use clap::{Parser, Subcommand};

use cases::Subject;
use vm::Vm;

/// Holds the verdicts of btf-guard against those of real kernels.
#[derive(Debug, Parser)]
struct Args {
    #[command(subcommand)]
    job: Job,
}

#[derive(Debug, Subcommand)]
enum Job {
    /// Ask kernels, and compare.
    Ask(Ask),
    /// Have a kernel load modules as they are: a line of file, errno, and bytes of the BTF
    /// that the kernel keeps (or -) for each.
    Load {
        /// The image that boots.
        #[arg(long)]
        image: PathBuf,
        /// The guest's first process.
        #[arg(long)]
        init: PathBuf,
        /// An existing directory for what comes up meanwhile.
        #[arg(long)]
        scratch: PathBuf,
        /// The modules; their names differ.
        modules: Vec<PathBuf>,
    },
    /// Write the base BTF of a kernel image to a file.
    Base {
        /// The image.
        image: PathBuf,
        /// The file.
        out: PathBuf,
    },
}

#[derive(Debug, clap::Args)]
struct Ask {
    /// Directory of extracted kernels.
    #[arg(long)]
    kernels: PathBuf,
    /// Ask these, by the names of their directories.
    #[arg(long = "kernel", required_unless_present = "enforcing")]
    asked: Vec<String>,
    /// Ask as well the kernel in DIR, which was built around the base of KERNEL.
    #[arg(long, value_name = "DIR=KERNEL", value_parser = enforcing)]
    enforcing: Vec<(PathBuf, String)>,
    /// The program whose verdicts are examined.
    #[arg(long)]
    program: PathBuf,
    /// The guest's first process.
    #[arg(long)]
    init: PathBuf,
    /// Where cases, answers and the report go; what is there is overwritten.
    #[arg(long)]
    out: PathBuf,
    /// About so many cases a kernel, instead of all.
    #[arg(long)]
    slice: Option<usize>,
    /// Fewer cases than that for any kernel are a failure.
    #[arg(long, default_value_t = 1)]
    at_least: usize,
    /// Guests at once.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
}

fn enforcing(pair: &str) -> Result<(PathBuf, String), String> {
    let (dir, kernel) = pair.rsplit_once('=').ok_or("not of the form DIR=KERNEL")?;
    Ok((dir.into(), kernel.to_owned()))
}

fn main() -> ExitCode {
    let done = match Args::parse().job {
        Job::Ask(args) => run(&args),
        Job::Load {
            image,
            init,
            scratch,
            modules,
        } => load(&image, &init, &scratch, &modules).map(|()| true),
        Job::Base { image, out } => base(&image, &out).map(|()| true),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn load(image: &Path, init: &Path, scratch: &Path, modules: &[PathBuf]) -> Result<()> {
    let vm = Vm::probe(init, image, &scratch.join("probe"))?;
    let run = vm.run(image, modules, &scratch.join("run"))?;
    ensure!(
        run.table.done,
        "the guest did not come to its end: {}",
        vm::last_lines(&run.console)
    );
    for (file, answer) in &run.table.answers {
        let btf = answer.btf.map_or("-".to_owned(), |bytes| bytes.to_string());
        writeln!(io::stdout(), "{file} {} {btf}", answer.errno)?;
    }
    Ok(())
}

fn base(image: &Path, out: &Path) -> Result<()> {
    let kernel = Kernel::open(image, None).with_context(|| image.display().to_string())?;
    fs::write(out, kernel.base.bytes()).with_context(|| out.display().to_string())
}

fn run(args: &Ask) -> Result<bool> {
    let all = Extracted::all(&args.kernels);
    let find = |name: &String| {
        all.iter()
            .find(|kernel| &kernel.name == name)
            .with_context(|| {
                format!(
                    "no kernel with modules in {}/{name}",
                    args.kernels.display()
                )
            })
    };
    let mut subjects = Vec::new();
    for name in &args.asked {
        subjects.push(Subject::itself(find(name)?));
    }
    for (dir, name) in &args.enforcing {
        let built =
            Extracted::open(dir).with_context(|| format!("no kernel in {}", dir.display()))?;
        subjects.push(Subject::around(built, find(name)?));
    }
    let first = subjects.first().context("no kernel to ask")?;
    fs::create_dir_all(&args.out).with_context(|| args.out.display().to_string())?;
    let vm = Vm::probe(&args.init, &first.runs.image, &args.out.join("probe"))?;
    say(&format!(
        "{} kernels, guests run by {}",
        subjects.len(),
        vm.accel()
    ));
    let mut reports = Vec::new();
    for subject in &subjects {
        let name = &subject.runs.name;
        let report = ask::ask(subject, &all, args, &vm).with_context(|| name.clone())?;
        let total = report.total();
        say(&format!(
            "{}: {} cases in {:.0} s, {} compared, {} different, {} left open",
            report.release,
            total.cases(),
            report.seconds,
            total.compared,
            report.differences.len(),
            total.open
        ));
        for difference in report.differences.iter().take(10) {
            say(difference);
        }
        reports.push(report);
        ensure!(
            total.compared >= args.at_least,
            "{name}: only {} cases were compared, not {}",
            total.compared,
            args.at_least
        );
        // As far as it came, should the next one not come to its end.
        fs::write(args.out.join("report.md"), report::markdown(&reports))?;
    }
    io::stdout().write_all(report::markdown(&reports).as_bytes())?;
    Ok(reports.iter().all(report::KernelReport::agrees))
}

pub(crate) fn say(words: &str) {
    // Whoever does not listen does not want to know.
    let _ = writeln!(io::stderr(), "oracle: {words}");
}

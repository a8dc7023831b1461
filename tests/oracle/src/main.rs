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
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use btf_guard_tests::Extracted;
use clap::Parser;

use crate::vm::Vm;

/// Holds the verdicts of btf-guard against those of real kernels.
#[derive(Debug, Parser)]
struct Args {
    /// Directory of extracted kernels.
    #[arg(long)]
    kernels: PathBuf,
    /// Ask only these, by the names of their directories.
    #[arg(long = "kernel")]
    only: Vec<String>,
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
    /// Guests at once.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(io::stderr(), "oracle: error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<bool> {
    let all = Extracted::all(&args.kernels);
    let asked: Vec<&Extracted> = all
        .iter()
        .filter(|kernel| args.only.is_empty() || args.only.contains(&kernel.name))
        .collect();
    for name in &args.only {
        let known = all.iter().any(|kernel| &kernel.name == name);
        ensure!(known, "no kernel with modules in {}/{name}", args.kernels.display());
    }
    let first = asked.first().context("no kernel to ask")?;
    fs::create_dir_all(&args.out).with_context(|| args.out.display().to_string())?;
    let vm = Vm::probe(&args.init, &first.image, &args.out.join("probe"))?;
    say(&format!("{} kernels, guests run by {}", asked.len(), vm.accel()));
    let mut reports = Vec::new();
    for kernel in asked {
        let report = ask::ask(kernel, &all, args, &vm).with_context(|| kernel.name.clone())?;
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
    }
    let text = report::markdown(&reports);
    fs::write(args.out.join("report.md"), &text)?;
    io::stdout().write_all(text.as_bytes())?;
    Ok(reports.iter().all(report::KernelReport::agrees))
}

pub(crate) fn say(words: &str) {
    // Whoever does not listen does not want to know.
    let _ = writeln!(io::stderr(), "oracle: {words}");
}

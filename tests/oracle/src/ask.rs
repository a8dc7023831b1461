// SPDX-License-Identifier: GPL-2.0-or-later
//! One kernel: its cases, our verdicts, its answers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Instant;
use std::{fs, thread};

use anyhow::{Context, Result, ensure};
use btf_guard_core::kernel::Kernel;
use btf_guard_tests::Extracted;

use crate::Ask;
use crate::carrier::Template;
use crate::cases::{self, Case, Content, Material, Subject};
use crate::compare::{self, Outcome};
use crate::guard::{self, Verdict};
use crate::report::{KernelReport, Tally};
use crate::table::Answer;
use crate::vm::Vm;

/// Cases of one boot: few enough that a crash does not cost much, many enough
/// that booting does not.
const BATCH: usize = 400;
/// Bytes of cases of one boot.
const BATCH_BYTES: u64 = 96 << 20;
/// How many cases a kernel gets that may crash it: each costs a boot.
const RISKS: usize = 12;

/// A case, as it was asked.
struct Asked {
    case: Case,
    file: PathBuf,
    name: String,
    verdict: Verdict,
}

pub(crate) fn ask(
    subject: &Subject,
    all: &[Extracted],
    args: &Ask,
    vm: &Vm,
) -> Result<KernelReport> {
    let kernel = &*subject.runs;
    let opened = Kernel::open(&kernel.image, None)?;
    let material = Material::new(subject, all, &opened)?;
    let dir = args.out.join(&kernel.name);
    let files = dir.join("cases");
    if dir.exists() {
        fs::remove_dir_all(&dir)?;
    }
    fs::create_dir_all(&files)?;
    let template = Template::of(kernel)?;
    let mut made = Vec::new();
    for (index, case) in cases::all(&material, args.slice)?.into_iter().enumerate() {
        let name = format!("{index:05}-{}-{}.ko", case.family, case.label);
        let file = files.join(&name);
        fs::write(&file, case.file(&template)?)?;
        made.push((case, file, name));
    }
    let verdicts = guard::judge(&args.program, &kernel.image, &files)?;
    let mut asked = Vec::new();
    for (case, file, name) in made {
        let verdict = verdicts.by_file.get(&name).cloned();
        let verdict = verdict.with_context(|| format!("no verdict for {name}"))?;
        asked.push(Asked {
            case,
            file,
            name,
            verdict,
        });
    }
    let begun = Instant::now();
    let answers = answers(
        &asked,
        kernel,
        &dir,
        args.jobs,
        vm,
        opened.base.bytes().len(),
    )?;
    let seconds = begun.elapsed().as_secs_f64();
    let mut report = KernelReport {
        release: verdicts.release,
        enforces: verdicts.enforces,
        families: BTreeMap::new(),
        twins: (0, 0),
        open: BTreeMap::new(),
        seconds,
        differences: Vec::new(),
    };
    fill(&mut report, &asked, &answers)?;
    fs::write(dir.join("differences.txt"), report.differences.join("\n"))?;
    if report.differences.is_empty() {
        // They are made again in seconds, and take hundreds of megabytes.
        fs::remove_dir_all(&files)?;
    }
    Ok(report)
}

/// What the kernel did with a case.
#[derive(Debug, Clone)]
enum Reply {
    Answered(Answer),
    /// The guest was gone; its last words.
    Crashed(String),
    /// Not asked, as it might crash.
    Spared,
}

/// Has the kernel answer every case, in boots of [`BATCH`].
fn answers(
    asked: &[Asked],
    kernel: &Extracted,
    dir: &Path,
    jobs: usize,
    vm: &Vm,
    base: usize,
) -> Result<BTreeMap<String, Reply>> {
    let (risky, safe): (Vec<&Asked>, Vec<&Asked>) =
        asked.iter().partition(|asked| asked.verdict.is_open());
    let mut replies = BTreeMap::new();
    for spared in risky.iter().skip(RISKS) {
        replies.insert(spared.name.clone(), Reply::Spared);
    }
    let mut batches = batches(&safe)?;
    batches.extend(risky.iter().take(RISKS).map(|risk| vec![risk.file.clone()]));
    batches.reverse();
    let count = batches.len();
    let work = Mutex::new(batches);
    let done = Mutex::new(replies);
    let results: Vec<Result<()>> = thread::scope(|scope| {
        let worker = |number: usize| {
            let (work, done) = (&work, &done);
            move || -> Result<()> {
                loop {
                    let Some(batch) = lock(work).pop() else {
                        return Ok(());
                    };
                    let left = lock(work).len();
                    crate::say(&format!(
                        "{}: boot {} of {count}, {} cases",
                        kernel.name,
                        count - left,
                        batch.len()
                    ));
                    let scratch = dir.join(format!("guest-{number}"));
                    let found = boot(&batch, kernel, &scratch, vm, base)?;
                    lock(done).extend(found);
                }
            }
        };
        let workers: Vec<_> = (0..jobs.max(1)).map(|n| scope.spawn(worker(n))).collect();
        workers
            .into_iter()
            .map(|worker| {
                worker
                    .join()
                    .unwrap_or_else(|_| Err(anyhow::anyhow!("a worker panicked")))
            })
            .collect()
    });
    results.into_iter().collect::<Result<()>>()?;
    Ok(done
        .into_inner()
        .unwrap_or_else(|poison| poison.into_inner()))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // A worker that panicked is reported when it is joined.
    mutex.lock().unwrap_or_else(|poison| poison.into_inner())
}

fn batches(asked: &[&Asked]) -> Result<Vec<Vec<PathBuf>>> {
    let mut batches: Vec<Vec<PathBuf>> = Vec::new();
    let mut bytes = 0;
    for one in asked {
        let size = fs::metadata(&one.file)?.len();
        let full = batches
            .last()
            .is_none_or(|batch| batch.len() == BATCH || bytes + size > BATCH_BYTES);
        if full {
            batches.push(Vec::new());
            bytes = 0;
        }
        bytes += size;
        if let Some(batch) = batches.last_mut() {
            batch.push(one.file.clone());
        }
    }
    Ok(batches)
}

/// Boots as often as it takes: what crashes the guest is noted, and it goes on
/// behind it.
fn boot(
    batch: &[PathBuf],
    kernel: &Extracted,
    scratch: &Path,
    vm: &Vm,
    base: usize,
) -> Result<Vec<(String, Reply)>> {
    let mut replies = Vec::new();
    let mut left = batch;
    while !left.is_empty() {
        let run = vm.run(&kernel.image, left, scratch)?;
        let booted = run
            .table
            .kernel
            .as_ref()
            .context("a guest without a kernel")?;
        ensure!(
            booted.release == kernel.release && booted.btf == Some(base as u64),
            "the guest runs {booted:?}, not {} with {base} bytes of BTF",
            kernel.release
        );
        ensure!(
            run.table
                .stuck
                .iter()
                .all(|module| !module.starts_with("ts_")),
            "the carrier could not be unloaded"
        );
        let answered = run.table.answers.len();
        for (name, answer) in run.table.answers {
            replies.push((name, Reply::Answered(answer)));
        }
        if run.table.done {
            ensure!(
                answered == left.len(),
                "{answered} answers for {} cases",
                left.len()
            );
            break;
        }
        let words = last_words(&run.console);
        let fatal = run
            .table
            .pending
            .with_context(|| format!("the guest ended: {words}"))?;
        replies.push((fatal, Reply::Crashed(words)));
        left = left.get(answered + 1..).unwrap_or_default();
    }
    Ok(replies)
}

fn last_words(console: &str) -> String {
    let panic = console.lines().find(|line| line.contains("Kernel panic"));
    panic.map_or_else(
        || crate::vm::last_lines(console),
        |line| line.trim_start_matches(|c| c != 'K').trim().to_owned(),
    )
}

fn fill(
    report: &mut KernelReport,
    asked: &[Asked],
    answers: &BTreeMap<String, Reply>,
) -> Result<()> {
    let mut before: Option<(&Asked, &Answer)> = None;
    for one in asked {
        let reply = answers
            .get(&one.name)
            .with_context(|| format!("no answer for {}", one.name))?;
        let tally = report.families.entry(one.case.family).or_default();
        let answer = match reply {
            Reply::Answered(answer) => answer,
            Reply::Crashed(words) if one.verdict.is_open() => {
                tally.open += 1;
                *report.open.entry(words.clone()).or_default() += 1;
                continue;
            }
            Reply::Crashed(words) => {
                tally.compared += 1;
                report.differences.push(format!(
                    "{}: we say {}, the kernel crashes: {words}",
                    one.file.display(),
                    said(&one.verdict)
                ));
                continue;
            }
            Reply::Spared => {
                tally.open += 1;
                *report
                    .open
                    .entry("not asked: a dozen had been".to_owned())
                    .or_default() += 1;
                continue;
            }
        };
        let carried = matches!(one.case.content, Content::Carried { .. });
        match compare::compare(&one.verdict, answer, carried, report.enforces) {
            Outcome::Compared(agreement) => {
                tally.add(Tally {
                    compared: 1,
                    same_verdict: agreement.verdict.into(),
                    same_errno: agreement.errno.into(),
                    same_log: agreement.log.into(),
                    accepted: answer.btf.is_some().into(),
                    ..Tally::default()
                });
                if !agreement.whole() {
                    report.differences.push(format!(
                        "{}: we say {}, the kernel says {}",
                        one.file.display(),
                        said(&one.verdict),
                        compare::told(answer)
                    ));
                }
                if let Some((module, as_is)) = before.filter(|_| one.case.twin) {
                    report.twins.0 += 1;
                    let alike = compare::alike(as_is, answer, report.enforces);
                    report.twins.1 += usize::from(alike);
                    if !alike {
                        report.differences.push(format!(
                            "{}: as it is {}, carried {}",
                            module.file.display(),
                            compare::told(as_is),
                            compare::told(answer)
                        ));
                    }
                }
                before = Some((one, answer)).filter(|_| !carried);
                continue;
            }
            Outcome::NotReached => tally.not_reached += 1,
            Outcome::Open => {
                tally.open += 1;
                let what = format!("errno {}", -answer.errno);
                *report.open.entry(what).or_default() += 1;
            }
            Outcome::Lost => {
                tally.compared += 1;
                let lost = format!("{}: the kernel's log was overwritten", one.file.display());
                report.differences.push(lost);
            }
        }
        before = None;
    }
    Ok(())
}

fn said(verdict: &Verdict) -> String {
    let why = verdict
        .reason
        .as_ref()
        .filter(|_| verdict.cause.is_none())
        .map(|why| format!(" ({why})"))
        .unwrap_or_default();
    format!(
        "{}{why}, errno {}, log {:?}",
        verdict.verdict,
        verdict.errno.unwrap_or(0),
        verdict.log
    )
}

//! `btf-guard status`: the findings that stand now.

mod boot;
mod kmsg;
mod recheck;
mod rescan;
mod tell;

use anyhow::{Context, bail};
use btf_guard::kernel::cache::Cache;
use btf_guard::place::process::boot_id;
use btf_guard::place::roots::Root;
use btf_guard::record::now;
use btf_guard::report::ErrorEntry;
use btf_guard::standing::{Findings, Held};

use super::args::Status;
use super::{Outcome, cached, output};

/// Who finds what stands without a transaction.
const CLIENT: &str = "btf-guard status";

pub(crate) fn run(args: &Status) -> anyhow::Result<Outcome> {
    if !rustix::process::geteuid().is_root() {
        bail!("findings are kept where only root can read them: run this as root");
    }
    let root = Root::new(&args.root).with_context(|| format!("--root {}", args.root.display()))?;
    let scene = Scene {
        root: &root,
        cache: cached::open(args.cache.as_deref()),
        boot: boot_id().ok(),
        time: now(),
    };
    let store = args.store.display();
    let mut held = Held::open(&args.store).with_context(|| store.to_string())?;
    if let Some(damaged) = &held.damaged {
        tell::warning(&format!("{store}: {damaged}"));
    }
    let before = held.findings.clone();
    if args.boot {
        for line in boot::compare(&scene, &args.kmsg, &mut held.findings)? {
            tell::warning(&line);
        }
    }
    let mut errors = Vec::new();
    let standing = std::mem::take(&mut held.findings);
    let checked = standing.checked;
    held.findings = match recheck::recheck(&scene, standing) {
        Ok(standing) if !args.rescan && checked.is_some() => standing,
        known => {
            let known = known.unwrap_or_else(|findings| findings);
            let found = rescan::rescan(&scene, known)?;
            errors = found.errors;
            found.findings
        }
    };
    if held.findings != before || held.damaged.is_some() {
        held.keep().with_context(|| store.to_string())?;
    }
    show(args, &held.findings, &scene)?;
    output::input_errors(&errors)?;
    Ok(match errors.is_empty() {
        true => Outcome::Judged(held.findings.decision()),
        false => Outcome::Incomplete,
    })
}

/// Where and when.
struct Scene<'a> {
    root: &'a Root,
    cache: Option<Cache>,
    /// Which boot runs.
    boot: Option<String>,
    /// Seconds since 1970.
    time: u64,
}

/// What a look at everything has found.
struct Found {
    findings: Findings,
    errors: Vec<ErrorEntry>,
}

fn show(args: &Status, findings: &Findings, scene: &Scene<'_>) -> anyhow::Result<()> {
    if let Some(file) = &args.motd_file {
        tell::motd_file(file, findings).with_context(|| file.display().to_string())?;
    }
    if let Some(dir) = args.textfile.as_ref().filter(|dir| dir.is_dir()) {
        tell::textfile(dir, findings).with_context(|| dir.display().to_string())?;
    }
    Ok(tell::standing(args, findings, scene.time)?)
}

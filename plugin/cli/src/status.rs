// SPDX-License-Identifier: GPL-2.0-or-later
//! `btf-guard status`: the findings that stand now.

mod outputs;

use anyhow::{Context, bail};
use btf_guard_core::status::recheck::{Rechecked, StatusContext, recheck};
use btf_guard_core::status::{Findings, Held};
use btf_guard_protocol::clock::now;
use btf_guard_protocol::procfs::boot_id;
use btf_guard_sysroot::Root;

use crate::args::Status;
use crate::outcome::Outcome;
use crate::{cache_dir, output};

/// Where findings are kept.
pub(crate) const STORE: &str = "/var/lib/btf-guard";

pub(crate) fn run(args: &Status) -> anyhow::Result<Outcome> {
    if !rustix::process::geteuid().is_root() {
        bail!("findings are kept where only root can read them: run this as root");
    }
    let root = Root::new(&args.root).with_context(|| format!("--root {}", args.root.display()))?;
    let scene = StatusContext {
        root: &root,
        cache: cache_dir::open(args.cache.as_deref()),
        config: args.config.as_deref(),
        boot: boot_id().ok(),
        time: now(),
    };
    let store = args.store.display();
    let mut held = Held::open(&args.store).with_context(|| store.to_string())?;
    if let Some(damaged) = &held.damaged {
        outputs::warning(&format!("{store}: {damaged}"));
    }
    let before = held.findings.clone();
    if args.boot {
        for line in
            btf_guard_core::status::boot_check::compare(&scene, &args.kmsg, &mut held.findings)?
        {
            outputs::warning(&line);
        }
    }
    let Rechecked {
        standing,
        pending,
        errors,
    } = recheck(&scene, std::mem::take(&mut held.findings), args.rescan)?;
    held.findings = standing.clone();
    held.findings.add_unknown(pending);
    // Whoever waits for a change of the file is not to hear that there is none.
    let is_news =
        held.findings.findings != before.findings || args.rescan || before.checked.is_none();
    if is_news || held.damaged.is_some() {
        held.keep().with_context(|| store.to_string())?;
    }
    show(args, &standing, &scene)?;
    output::input_errors(&errors)?;
    Ok(match errors.is_empty() {
        true => Outcome::Judged(standing.decision()),
        false => Outcome::Incomplete,
    })
}

fn show(args: &Status, findings: &Findings, scene: &StatusContext<'_>) -> anyhow::Result<()> {
    if let Some(file) = &args.motd_file {
        outputs::motd_file(file, findings).with_context(|| file.display().to_string())?;
    }
    if let Some(dir) = args.textfile.as_ref().filter(|dir| dir.is_dir()) {
        outputs::textfile(dir, findings).with_context(|| dir.display().to_string())?;
    }
    Ok(outputs::standing(args, findings, scene.time)?)
}

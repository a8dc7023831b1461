// SPDX-License-Identifier: GPL-2.0-or-later
//! `btf-guard status`: the findings that stand now.

use std::env;
use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, bail};
use btf_guard_core::status::recheck::{Rechecked, StatusContext, recheck};
use btf_guard_core::status::{
    Findings, Held, MetricCounts, boot_check, motd_text, prometheus_text, publish, standing_text,
    withdraw,
};
use btf_guard_protocol::clock::now;
use btf_guard_protocol::decision::Decision;
use btf_guard_protocol::procfs::boot_id;
use btf_guard_protocol::terminal::escape;
use btf_guard_sysroot::Root;
use serde::Serialize;

use crate::args::{StandingFormat, Status};
use crate::cache_dir;
use crate::output::{self, Lost, Outcome};

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
        warning(&format!("{store}: {damaged}"));
    }
    let before = held.findings.clone();
    if args.boot {
        for line in boot_check::compare(&scene, &args.kmsg, &mut held.findings)? {
            warning(&line);
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
        motd_file(file, findings).with_context(|| file.display().to_string())?;
    }
    if let Some(dir) = args.textfile.as_ref().filter(|dir| dir.is_dir()) {
        textfile(dir, findings).with_context(|| dir.display().to_string())?;
    }
    Ok(write(args, findings, scene.time)?)
}

/// The name of the metrics in node_exporter's directory.
const METRICS: &str = "btf-guard.prom";

#[derive(Serialize)]
struct StatusReport<'a> {
    #[serde(flatten)]
    findings: &'a Findings,
    decision: Decision,
}

fn write(args: &Status, findings: &Findings, now: u64) -> Result<(), Lost> {
    if args.motd {
        return output::print(&motd_text(findings));
    }
    match args.format {
        StandingFormat::Text => output::styled(args.no_color, &standing_text(findings, now)),
        StandingFormat::Json => output::json(&StatusReport {
            findings,
            decision: findings.decision(),
        }),
        StandingFormat::Prometheus => {
            output::print(&prometheus_text(&MetricCounts::of_standing(findings)))
        }
    }
}

/// Keeps the lines for those who log in.
fn motd_file(file: &Path, findings: &Findings) -> io::Result<()> {
    let name = file.file_name().and_then(OsStr::to_str);
    let (Some(dir), Some(name)) = (file.parent(), name) else {
        return Err(io::Error::other("it names no file in a directory"));
    };
    let text = motd_text(findings);
    match text.is_empty() {
        false => publish(dir, name, text.as_bytes()),
        // Where there is no directory there is no file either.
        true if dir.is_dir() => withdraw(dir, name),
        true => Ok(()),
    }
}

fn textfile(dir: &Path, findings: &Findings) -> io::Result<()> {
    let text = prometheus_text(&MetricCounts::of_standing(findings));
    publish(dir, METRICS, text.as_bytes())
}

/// Says what was not asked for; the journal takes its level in front (`sd-daemon(3)`).
fn warning(line: &str) {
    let mark = match env::var_os("JOURNAL_STREAM") {
        Some(_) => "<4>",
        None => "",
    };
    // Whoever has closed standard error does not want to know.
    let _ = writeln!(io::stderr(), "{mark}warning: btf-guard: {}", escape(line));
}

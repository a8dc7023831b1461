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
    let mut held = match Held::open(&args.store) {
        Err(error) if error.is_passing() => {
            warning(&format!("{store}: nothing can be kept: {error}"));
            Held::read_only(&args.store)
        }
        opened => opened.with_context(|| store.to_string())?,
    };
    if let Some(damaged) = &held.damaged {
        warning(&format!("{store}: {damaged}"));
    }
    let before = held.findings.clone();
    if args.boot {
        match boot_check::compare(&scene, &args.kmsg, &mut held.findings) {
            Ok(lines) => lines.iter().for_each(|line| warning(line)),
            Err(error) => warning(&format!("what the kernel has done is not known: {error:#}")),
        }
    }
    let Rechecked {
        standing,
        pending,
        errors,
    } = recheck(&scene, std::mem::take(&mut held.findings), args.rescan);
    held.findings = standing.clone();
    held.findings.add_unknown(pending);
    // Whoever waits for a change of the file is not to hear that there is none.
    let is_news = held.findings != before || args.rescan;
    if (is_news || held.damaged.is_some())
        && let Err(error) = held.keep()
    {
        warning(&format!("{store}: what stands cannot be kept: {error}"));
    }
    tell_others(args, &standing);
    write(args, &standing, scene.time)?;
    output::input_errors(&errors)?;
    Ok(Outcome::of(standing.decision(), standing.is_complete()))
}

/// Keeps it in the files that were asked for. Where that fails, whoever asks is told all
/// the same.
fn tell_others(args: &Status, findings: &Findings) {
    let told = |path: &Path, told: io::Result<()>| {
        if let Err(error) = told {
            warning(&format!("{}: {error}", path.display()));
        }
    };
    if let Some(file) = &args.motd_file {
        told(file, motd_file(file, findings));
    }
    if let Some(dir) = args.textfile.as_ref().filter(|dir| dir.is_dir()) {
        told(dir, textfile(dir, findings));
    }
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

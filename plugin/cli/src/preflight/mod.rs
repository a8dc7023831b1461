// SPDX-License-Identifier: GPL-2.0-or-later
//! `btf-guard preflight`: a client's transaction, judged before it begins.
//!
//! [`zypper`] and [`dnf`] find out what the client would do and bring the
//! packages; what is judged, and how, is the same for both, and the same as for
//! the rpm plugin.

mod dnf;
mod download_dir;
mod zypper;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;
use std::{panic, thread};

use anyhow::Context;
use btf_guard_core::evaluate::effective_policy::Governed;
use btf_guard_core::evaluate::failed;
use btf_guard_core::report::{self, ErrorEntry, Report, Ruling};
use btf_guard_core::rpm::rpmdb::{PROGRAM, Rpm};
use btf_guard_core::transaction::elements::Elements;
use btf_guard_core::verdict::Causes;
use btf_guard_protocol::decision::Decision;
use btf_guard_protocol::event::{Event, EventOutcome};
use btf_guard_protocol::override_source::{Override, OverrideSource};
use btf_guard_protocol::plan::{Action, Answer, Plan};
use btf_guard_protocol::record_client;
use btf_guard_protocol::zypp;
use btf_guard_sysroot::Root;
use serde_json::value::to_raw_value;

use crate::allow::who;
use crate::args::{Preflight, RootArgs, Way};
use crate::judge::{self, JudgedReport};
use crate::output::{self, Outcome};
use crate::record::this_program;

/// A database that answers no query in this time does not answer the client.
const QUERY_TIMEOUT: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
struct ClientPlan {
    /// What comes and goes, and what is missing from that.
    outcome: zypp::Resolution,
    /// Names of packages whose other versions go, if the client does not say which.
    replaced: BTreeSet<String>,
}

pub(crate) fn run(what: &Preflight) -> anyhow::Result<Outcome> {
    let (place, way) = match what {
        Preflight::Zypper(args) => (&args.wish.place, args.wish.way),
        Preflight::Dnf(args) => (&args.place, args.way),
    };
    let root = &place.root;
    let root = Root::new(root).with_context(|| format!("--root {}", root.display()))?;
    match what {
        Preflight::Zypper(args) => {
            let wish = zypper::ask(args, &root)?;
            conclude("libzypp", &wish, &root, place, way)
        }
        Preflight::Dnf(args) => {
            // The packages are there until the judge has seen them.
            let store = download_dir::Store::open()?;
            let wish = dnf::ask(args, &root, &store)?;
            conclude("dnf", &wish, &root, place, way)
        }
    }
}

fn conclude(
    client: &str,
    wish: &ClientPlan,
    root: &Root,
    place: &RootArgs,
    way: Way,
) -> anyhow::Result<Outcome> {
    let problems = wish.outcome.problems.iter();
    let mut errors: Vec<ErrorEntry> = problems
        .map(|problem| failed(client.to_owned(), problem))
        .collect();
    let mut report = match elements(wish, root) {
        Ok(elements) if !elements.elements.is_empty() => {
            judged(client, elements, root, place, way)?
        }
        Ok(_) => {
            let mut report = report::assemble(Vec::new(), Vec::new(), Vec::new(), way.mode);
            if errors.is_empty() {
                report.notes.push(nothing(&wish.outcome));
            }
            report
        }
        Err(incomplete) => {
            let why = format!("{incomplete:#}");
            errors.push(failed("nothing is judged".to_owned(), &why));
            report::assemble(Vec::new(), Vec::new(), Vec::new(), way.mode)
        }
    };
    report.errors.splice(0..0, errors);
    let complete = report.errors.iter().all(|error| error.harmless);
    output::report(&report, complete, &Causes::all(), way, None)?;
    Ok(Outcome::of(report.decision, complete))
}

fn elements(wish: &ClientPlan, root: &Root) -> anyhow::Result<Elements> {
    let replaced = wish.replaced.iter().map(String::as_str).collect();
    let rpm = Rpm {
        program: Path::new(PROGRAM),
        root: root.path(),
        database: None,
    };
    let mut elements = Elements::coming(&wish.outcome)?;
    elements.going(&wish.outcome, &replaced, rpm, QUERY_TIMEOUT)?;
    Ok(elements)
}

/// Judges as `btf-guard judge` does, in a thread of its own: what it gives up
/// there is still needed to clean up.
fn judged(
    client: &str,
    elements: Elements,
    root: &Root,
    place: &RootArgs,
    way: Way,
) -> anyhow::Result<Report> {
    let cache = place.machine.cache.as_deref();
    let Elements {
        elements,
        packages,
        repositories,
        ..
    } = elements;
    let governed = Governed::read(place.machine.config.as_deref(), true);
    // The update itself will not be told of this one's `--mode`.
    let (mode, source) = governed.mode(None);
    let (mode, source) = match way.mode < mode {
        true => (way.mode, None),
        false => (mode, source),
    };
    let plan = Plan {
        mode: Some(mode),
        elements,
        repositories,
        ..Plan::new(root.path().to_owned())
    };
    let judged = thread::scope(|scope| {
        let judge = scope.spawn(|| judge::judge(&plan, mode, cache, &governed, None));
        judge
            .join()
            .unwrap_or_else(|panic| panic::resume_unwind(panic))
    });
    // The plan names them by their numbers.
    drop(packages);
    let JudgedReport {
        mut report,
        packages,
        ..
    } = judged?;
    let rating = governed.rating(packages);
    let ruling = rating.ruling(&report, mode, source.map(Override::of));
    report.decision = ruling.decision;
    if let Some(origin) = &ruling.stopped_unjudged {
        report.notes.push(format!(
            "stopped for what could not be judged: on_error is \"block\" ({origin})"
        ));
    }
    for why in &ruling.overrides {
        let reason = why.reason.as_deref();
        let reason = reason.map_or_else(String::new, |reason| format!(": {reason}"));
        let held = match why.source {
            OverrideSource::OneShot => ", which it would use up",
            _ => "",
        };
        report.notes.push(format!("decided by {why}{held}{reason}"));
    }
    report.notes.extend(governed.complaints.iter().cloned());
    write_down(client, &plan, &report, ruling);
    Ok(report)
}

fn write_down(client: &str, plan: &Plan, report: &Report, ruling: Ruling) {
    if report.decision == Decision::Allow && ruling.overrides.is_empty() {
        return;
    }
    let mut findings = report.clone();
    findings.retain_findings();
    let mut answer = Answer::new(report.decision, Vec::new(), Vec::new());
    answer.overrides = ruling.overrides;
    answer.whole = to_raw_value(&findings).ok();
    let event = Event::of(
        client.to_owned(),
        plan,
        EventOutcome::Preflight,
        &answer,
        who(),
    );
    if let Err(failure) = record_client::record(&this_program(), &event) {
        log::warn!("not recorded as it should be: {failure}");
    }
}

fn nothing(outcome: &zypp::Resolution) -> String {
    let count = |action| {
        let steps = outcome.steps.iter();
        steps.filter(|step| step.action == action).count()
    };
    match (count(Action::Install), count(Action::Erase)) {
        (0, 0) => "nothing to do: no package would come or go".to_owned(),
        (come, go) => format!(
            "packages that would come: {come}, that would go: {go}; none has kernel modules or a kernel"
        ),
    }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! `btf-guard check`.

use btf_guard_core::check::{self, CheckOptions, Checked};

use crate::args::Check;
use crate::output::Outcome;
use crate::progress::Progress;
use crate::{cache_dir, output};

pub(crate) fn run(args: Check) -> anyhow::Result<Outcome> {
    let way = args.way;
    let subject = args.package.clone();
    let Checked {
        report,
        causes,
        complete,
    } = check::judge(CheckOptions {
        observer: Some(Box::new(Progress::new(!way.quiet))),
        mode: way.mode,
        cache: cache_dir::open(args.machine.cache.as_deref()),
        paths: args.paths,
        kernels: args.kernels,
        kernel_config: args.kernel_config,
        root: args.root,
        esps: args.esps,
        causes: args.causes,
        jobs: args.jobs,
        config: args.machine.config,
    })?;
    output::report(&report, &causes, way, subject.as_deref())?;
    Ok(match complete {
        true => Outcome::Judged(report.decision),
        false => Outcome::Incomplete,
    })
}

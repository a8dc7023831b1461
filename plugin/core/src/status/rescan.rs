// SPDX-License-Identifier: GPL-2.0-or-later
//! Everything, judged anew.

use std::collections::BTreeMap;
use std::path::Path;

use btf_guard_protocol::decision::Mode;
use btf_guard_sysroot::file_id::FileId;

use super::context::{CLIENT, Rescanned, StatusContext};
use super::{About, Finding, FindingOrigin, Findings, JudgedFiles};
use crate::check::{self, CheckOptions};
use crate::kernel::Target;
use crate::policy::Severity;
use crate::status;
use crate::verdict::Causes;

/// Who has found what nobody predicted.
pub(crate) const KERNEL: &str = "the kernel's log";

/// Judges all modules by all kernels; `known` tells when something was found first.
pub fn rescan(scene: &StatusContext<'_>, known: Findings) -> anyhow::Result<Rescanned> {
    let options = CheckOptions {
        paths: Vec::new(),
        kernels: vec!["all".to_owned()],
        kernel_config: None,
        root: scene.root.path().to_owned(),
        esps: Vec::new(),
        causes: Causes::all(),
        cache: scene.cache.clone(),
        mode: Mode::Block,
        jobs: None,
        config: scene.config.map(Path::to_owned),
        observer: None,
    };
    let checked = check::judge(options)?;
    let mut report = checked.report;
    report.retain_findings();
    let errors = match checked.complete {
        true => Vec::new(),
        false => std::mem::take(&mut report.errors),
    };
    let origin = FindingOrigin {
        time: scene.time,
        client: CLIENT,
        boot: scene.boot.as_deref(),
    };
    let found = status::findings(&report, origin);
    let mut known: BTreeMap<About, Finding> = known
        .findings
        .into_iter()
        .map(|finding| (finding.about(), finding))
        .collect();
    let mut findings = Findings {
        checked: Some(scene.time),
        ..Findings::default()
    };
    let mut all = Vec::new();
    for mut finding in found {
        finding.judged = stamp(&finding, scene.time);
        if let Some(old) = known.remove(&finding.about())
            && old.verdict == finding.verdict
        {
            finding.since = old.since;
            finding.client = old.client;
        }
        all.push(finding);
    }
    // What the kernel itself has shown is no matter of opinion.
    all.extend(known.into_values().filter(was_seen));
    all.retain(|finding| finding.severity >= Severity::Warn);
    findings.add(all);
    Ok(Rescanned { findings, errors })
}

/// True of what the kernel has done and nobody had predicted.
fn was_seen(finding: &Finding) -> bool {
    finding.client == KERNEL && finding.kernel.moment == Target::Running
}

/// What the files of a finding look like that was judged at `time`; `None` where they
/// may have changed since.
pub(crate) fn stamp(finding: &Finding, time: u64) -> Option<JudgedFiles> {
    let stamp = |path: &str| {
        let stamp = FileId::of(Path::new(path)).ok()?;
        (!stamp.changed_since(time)).then_some(stamp)
    };
    Some(JudgedFiles {
        module: stamp(finding.file())?,
        image: match finding.kernel.source.as_str() {
            "running" => None,
            image => Some(stamp(image)?),
        },
    })
}

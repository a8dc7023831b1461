// SPDX-License-Identifier: GPL-2.0-or-later
//! A report as findings: of a check, or of a judge's answer that a hook has passed on.

use std::path::Path;

use super::{Finding, FindingKernel};
use crate::kernel::Target;
use crate::policy::Severity;
use crate::report::Report;

/// Who found something, and when.
#[derive(Debug, Clone, Copy)]
pub struct FindingOrigin<'a> {
    /// Seconds since 1970.
    pub time: u64,
    /// Who.
    pub client: &'a str,
    /// Which boot runs.
    pub boot: Option<&'a str>,
}

/// The findings of a report at warn or above, and those that were told before: how
/// bad those are the report does not say any more. None is stamped.
///
/// By a path that is not absolute nothing is found again: such are left out.
pub fn findings(report: &Report, origin: FindingOrigin<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for module in &report.modules {
        for verdict in &module.verdicts {
            let told = verdict.severity >= Severity::Warn || verdict.preexisting;
            let Some(kernel) = report.kernels.get(verdict.kernel).filter(|_| told) else {
                continue;
            };
            if !Path::new(&module.path).is_absolute() {
                continue;
            }
            let running = kernel.moment == Target::Running;
            findings.push(Finding {
                module: module.path.clone(),
                name: module.name.clone(),
                package: module.package.clone(),
                initrd: module.initrd.clone(),
                kernel: FindingKernel {
                    release: kernel.release.clone(),
                    moment: kernel.moment,
                    source: kernel.source.clone(),
                    base: kernel.base.as_ref().map(|base| base.sha256.clone()),
                    boot: origin.boot.filter(|_| running).map(str::to_owned),
                },
                verdict: verdict.verdict,
                cause: verdict.cause,
                errno: verdict.errno,
                log: verdict.first_line(),
                severity: verdict.severity,
                used_by_host: module.used_by_host.clone(),
                since: origin.time,
                client: origin.client.to_owned(),
                judged: None,
            });
        }
    }
    findings
}

//! A report's JSON as findings: of a check, or of a judge's answer that a hook has
//! passed on.

use std::path::Path;

use serde::Deserialize;

use super::{Finding, Place};
use crate::kernel::Moment;
use crate::policy::Severity;
use crate::report::Kind;
use crate::verdict::Cause;

/// What a report says of kernels and modules; the rest of it is not read.
#[derive(Debug, Deserialize)]
pub struct Answered {
    kernels: Vec<Kernel>,
    modules: Vec<Module>,
}

#[derive(Debug, Deserialize)]
struct Kernel {
    release: Option<String>,
    moment: Moment,
    source: String,
    base: Option<Base>,
}

#[derive(Debug, Deserialize)]
struct Base {
    sha256: String,
}

#[derive(Debug, Deserialize)]
struct Module {
    path: String,
    name: String,
    package: Option<String>,
    initrd: Option<String>,
    #[serde(default)]
    needed: Vec<String>,
    verdicts: Vec<Verdict>,
}

#[derive(Debug, Deserialize)]
struct Verdict {
    kernel: usize,
    verdict: Kind,
    cause: Option<Cause>,
    errno: Option<i32>,
    #[serde(default)]
    log: Vec<String>,
    why: Option<String>,
    severity: Severity,
    #[serde(default)]
    before: bool,
}

/// Who found something, and when.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// Seconds since 1970.
    pub time: u64,
    /// Who.
    pub client: &'a str,
    /// Which boot runs.
    pub boot: Option<&'a str>,
}

impl Answered {
    /// Its findings at warn or above, and those that were told before: how bad those
    /// are the report does not say any more. None is stamped.
    ///
    /// By a path that is not absolute nothing is found again: such are left out.
    pub fn findings(self, origin: Origin<'_>) -> Vec<Finding> {
        let mut findings = Vec::new();
        for module in self.modules {
            for verdict in &module.verdicts {
                let told = verdict.severity >= Severity::Warn || verdict.before;
                let Some(kernel) = self.kernels.get(verdict.kernel).filter(|_| told) else {
                    continue;
                };
                if !Path::new(&module.path).is_absolute() {
                    continue;
                }
                let running = kernel.moment == Moment::Now;
                findings.push(Finding {
                    module: module.path.clone(),
                    name: module.name.clone(),
                    package: module.package.clone(),
                    initrd: module.initrd.clone(),
                    kernel: Place {
                        release: kernel.release.clone(),
                        moment: kernel.moment,
                        source: kernel.source.clone(),
                        base: kernel.base.as_ref().map(|base| base.sha256.clone()),
                        boot: origin.boot.filter(|_| running).map(str::to_owned),
                    },
                    verdict: verdict.verdict,
                    cause: verdict.cause,
                    errno: verdict.errno,
                    log: verdict.log.first().or(verdict.why.as_ref()).cloned(),
                    severity: verdict.severity,
                    needed: module.needed.clone(),
                    since: origin.time,
                    client: origin.client.to_owned(),
                    judged: None,
                });
            }
        }
        findings
    }
}

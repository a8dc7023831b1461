// SPDX-License-Identifier: GPL-2.0-or-later
//! Our verdicts, by the program itself.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use btf_guard_core::verdict::Reason;
use serde::Deserialize;

/// What `btf-guard` says of one module.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Verdict {
    pub(crate) verdict: String,
    pub(crate) cause: Option<String>,
    pub(crate) errno: Option<i32>,
    pub(crate) log: Vec<String>,
    pub(crate) reason: Option<Reason>,
}

impl Verdict {
    /// Does it say that nobody can say what the kernel does?
    pub(crate) fn is_open(&self) -> bool {
        self.verdict == "unknown" || self.cause.as_deref() == Some("kernel-bug")
    }
}

#[derive(Deserialize)]
struct Report {
    kernels: Vec<Kernel>,
    modules: Vec<Module>,
    errors: Vec<Unread>,
}

#[derive(Deserialize)]
struct Kernel {
    release: Option<String>,
    features: Features,
}

#[derive(Deserialize)]
struct Features {
    allow_mismatch: Option<bool>,
}

#[derive(Deserialize)]
struct Module {
    path: String,
    verdicts: Vec<Verdict>,
}

#[derive(Deserialize)]
struct Unread {
    path: String,
    error: String,
}

/// All verdicts, by file name.
pub(crate) struct Verdicts {
    pub(crate) release: String,
    /// `CONFIG_MODULE_ALLOW_BTF_MISMATCH` is not set.
    pub(crate) enforces: bool,
    pub(crate) by_file: BTreeMap<String, Verdict>,
}

/// Judges every module in `cases` before the kernel in `image`.
pub(crate) fn judge(program: &Path, image: &Path, cases: &Path) -> Result<Verdicts> {
    let output = Command::new(program)
        .args(["check", "--format", "json", "--quiet", "--kernel"])
        .args([image, cases])
        .output()
        .with_context(|| program.display().to_string())?;
    let report: Report = serde_json::from_slice(&output.stdout).with_context(|| {
        let said = String::from_utf8_lossy(&output.stderr);
        format!("{} ({}): {said}", program.display(), output.status)
    })?;
    if let Some(unread) = report.errors.first() {
        anyhow::bail!("{}: {}", unread.path, unread.error);
    }
    let kernel = report.kernels.first().context("no kernel in the report")?;
    let allows = kernel.features.allow_mismatch;
    let mut by_file = BTreeMap::new();
    for module in report.modules {
        let name = Path::new(&module.path).file_name().unwrap_or_default();
        let [verdict] = <[Verdict; 1]>::try_from(module.verdicts)
            .map_err(|all| anyhow::anyhow!("{}: {} verdicts", module.path, all.len()))?;
        by_file.insert(name.to_string_lossy().into_owned(), verdict);
    }
    ensure!(!by_file.is_empty(), "{}: no verdict", cases.display());
    Ok(Verdicts {
        release: kernel.release.clone().context("a kernel without release")?,
        enforces: !allows.with_context(|| format!("{}: no config", image.display()))?,
        by_file,
    })
}

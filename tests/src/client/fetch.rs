// SPDX-License-Identifier: GPL-2.0-or-later
//! Asking libzypp in a root by `btf-guard-zypp-fetch`.

use std::process::ExitStatus;

use btf_guard_protocol::zypp::{
    DownloadProgress, FetchFailure, Line, PackageStep, Request, Resolution,
};

use super::ClientRoot;
use crate::skip::skipped;

/// Where `make install` puts the program.
pub const FETCHER: &str = "/usr/lib/btf-guard/btf-guard-zypp-fetch";

/// Where it puts the shim around libzypp.
pub const SHIM: &str = "/usr/lib/btf-guard/libbtf_guard_zypp.so";

/// Whether the root has the part for zypper; where not, it is said.
pub fn has_fetcher(root: &ClientRoot) -> bool {
    let is_there = root.at(SHIM).exists();
    if !is_there {
        let what = format!("asking the libzypp of {}", root.suite().name());
        skipped(&what, "there is no shim for it (shims.sh)");
    }
    is_there
}

/// What the program answered.
#[derive(Debug)]
pub struct Fetched {
    /// How it ended.
    pub status: ExitStatus,
    /// The lines before the last.
    pub progress: Vec<DownloadProgress>,
    /// The last line.
    pub last: Line,
}

impl Fetched {
    /// Reads what the program wrote.
    pub fn read(status: ExitStatus, text: &str) -> Self {
        let mut lines: Vec<Line> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}")))
            .collect();
        let last = lines.pop().unwrap_or_else(|| panic!("no answer: {status}"));
        let progress = lines.into_iter().map(|line| match line {
            Line::Progress(progress) => progress,
            last => panic!("{last:?} is not the last line"),
        });
        Self {
            status,
            progress: progress.collect(),
            last,
        }
    }

    /// The answer, which there must be.
    pub fn outcome(&self) -> &Resolution {
        match &self.last {
            Line::Result(outcome) => outcome,
            other => panic!("{other:?}"),
        }
    }

    /// Why there is no answer, of which there must be none.
    pub fn failure(&self) -> &FetchFailure {
        match &self.last {
            Line::Error(failure) => failure,
            other => panic!("{other:?}"),
        }
    }

    /// The step of a package that comes.
    pub fn coming(&self, nevra: &str) -> &PackageStep {
        let mut steps = self.outcome().steps.iter();
        steps
            .find(|step| step.nevra == nevra)
            .unwrap_or_else(|| panic!("{nevra}: {self:?}"))
    }

    /// Names of the packages that come and of those that go, sorted.
    pub fn steps(&self) -> (Vec<&str>, Vec<&str>) {
        use btf_guard_protocol::plan::Action;
        let of = |action| {
            let steps = self.outcome().steps.iter();
            let mut names: Vec<_> = steps
                .filter(|step| step.action == action)
                .map(|step| step.nevra.as_str())
                .collect();
            names.sort_unstable();
            names
        };
        (of(Action::Install), of(Action::Erase))
    }
}

impl ClientRoot {
    /// Asks as root.
    pub fn fetch(&self, request: &Request) -> Fetched {
        self.fetch_by(FETCHER, request)
    }

    /// Asks by a command of the shell that ends in the program's path.
    pub fn fetch_by(&self, command: &str, request: &Request) -> Fetched {
        self.put("/tmp/request.json", serde_json::to_vec(request).unwrap());
        let asked = self.run(["sh", "-c", &format!("{command} </tmp/request.json")]);
        Fetched::read(asked.status, &asked.stdout)
    }
}

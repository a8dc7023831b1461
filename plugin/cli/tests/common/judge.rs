// SPDX-License-Identifier: GPL-2.0-or-later
//! `btf-guard judge` as a hook calls it: a plan and open packages in, an answer out.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use btf_guard_protocol::decision::Mode;
use btf_guard_protocol::plan::{Action, Element, Plan};
use rustix::io::{FdFlags, fcntl_setfd};
use serde_json::Value;

use super::{Build, Place, RELEASE, base, config, ended, module, module_path, program};

/// A transaction to be, with its package files open.
pub(crate) struct Transaction {
    pub(crate) plan: Plan,
    files: Vec<File>,
    config: PathBuf,
}

impl Transaction {
    pub(crate) fn on(root: &Place) -> Self {
        Self {
            plan: Plan::new(root.path().to_owned()),
            files: Vec::new(),
            config: NO_CONFIG.into(),
        }
    }

    /// On a machine with the configuration and the overrides below this place.
    pub(crate) fn under(mut self, place: &Place) -> Self {
        self.config = place.path().to_owned();
        self
    }

    pub(crate) fn mode(mut self, mode: Mode) -> Self {
        self.plan.mode = Some(mode);
        self
    }

    pub(crate) fn install(mut self, package: &Path) -> Self {
        let file = File::open(package).unwrap();
        fcntl_setfd(&file, FdFlags::empty()).unwrap();
        let name = package.file_stem().unwrap().to_str().unwrap();
        self.plan.elements.push(Element {
            nevra: format!("{name}-1-1.x86_64"),
            action: Action::Install,
            file: Some(file.as_raw_fd()),
            paths: Vec::new(),
        });
        self.files.push(file);
        self
    }

    pub(crate) fn erase(mut self, paths: &[String]) -> Self {
        self.plan.elements.push(Element {
            nevra: "old-1-1.x86_64".into(),
            action: Action::Erase,
            file: None,
            paths: paths.iter().map(PathBuf::from).collect(),
        });
        self
    }

    pub(crate) fn judge(self) -> Answer {
        self.judge_with(Path::new("none"))
    }

    pub(crate) fn judge_with(self, cache: &Path) -> Answer {
        let plan = serde_json::to_vec(&self.plan).unwrap();
        let (code, out, err) = judge_in(&plan, cache, &self.config);
        assert_eq!((code, err.as_str()), (0, ""), "{out}");
        Answer(serde_json::from_str(&out).expect(&out))
    }
}

/// Runs the judge with this plan.
pub(crate) fn judge(plan: &[u8]) -> (i32, String, String) {
    judge_in(plan, Path::new("none"), Path::new(NO_CONFIG))
}

/// Where nothing says what this machine's own files may say.
const NO_CONFIG: &str = "/nonexistent";

fn judge_in(plan: &[u8], cache: &Path, config: &Path) -> (i32, String, String) {
    let mut child = program()
        .args(["judge", "--cache"])
        .arg(cache)
        .arg("--config")
        .arg(config)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(plan).unwrap();
    ended(child.wait_with_output().unwrap())
}

pub(crate) struct Answer(pub(crate) Value);

impl Answer {
    pub(crate) fn decision(&self) -> &str {
        self.0["decision"].as_str().unwrap()
    }

    pub(crate) fn messages(&self) -> Vec<String> {
        let messages = self.0["messages"].as_array().unwrap().iter();
        let line = |m: &Value| {
            format!(
                "{} {}",
                m["level"].as_str().unwrap(),
                m["text"].as_str().unwrap()
            )
        };
        messages.map(line).collect()
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        let keys = self.0["keys"].as_array().unwrap().iter();
        keys.map(|key| key.as_str().unwrap().to_owned()).collect()
    }

    pub(crate) fn says(&self, what: &str) -> bool {
        self.messages().iter().any(|message| message.contains(what))
    }

    /// `module verdict severity`, for what there is something to say of.
    pub(crate) fn verdicts(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for module in self.0["modules"].as_array().unwrap() {
            for verdict in module["verdicts"].as_array().unwrap() {
                let word = |key: &str| verdict[key].as_str().unwrap().to_owned();
                let name = module["name"].as_str().unwrap();
                lines.push(format!("{name} {} {}", word("verdict"), word("severity")));
            }
        }
        lines
    }
}

pub(crate) fn kmp(place: &Place, name: &str, modules: &[(&str, Build)]) -> PathBuf {
    let file = |(name, build): &(&str, Build)| (module_path(name), module(name, *build));
    place.package(name, &modules.iter().map(file).collect::<Vec<_>>())
}

pub(crate) fn kernel(place: &Place, name: &str, build: Build) -> PathBuf {
    let files = [
        (format!("/lib/modules/{RELEASE}/vmlinuz"), base(build)),
        (
            format!("/lib/modules/{RELEASE}/config"),
            config(false).into(),
        ),
    ];
    place.package(name, &files)
}

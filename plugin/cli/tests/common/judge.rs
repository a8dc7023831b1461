// SPDX-License-Identifier: GPL-2.0-or-later
//! `btf-guard judge` as a hook calls it: a plan and open packages in, an answer out.

use std::borrow::BorrowMut;
use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use btf_guard_protocol::decision::Mode;
use btf_guard_protocol::plan::{Action, Element, Plan};
use rustix::io::{FdFlags, fcntl_setfd};
use serde_json::Value;

use super::{Build, Place, RELEASE, base, config, ended, module, module_path, program};

pub(crate) struct Transaction {
    pub(crate) plan: Plan,
    files: Vec<File>,
    config: PathBuf,
    more: Vec<String>,
}

impl Transaction {
    pub(crate) fn on(root: &Place) -> Self {
        Self {
            plan: Plan::new(root.path().to_owned()),
            files: Vec::new(),
            config: NO_CONFIG.into(),
            more: Vec::new(),
        }
    }

    /// Whoever asks waits so long.
    pub(crate) fn within(mut self, milliseconds: u64) -> Self {
        self.more.push(format!("--timeout={milliseconds}"));
        self
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
        let descriptor = Some(file.as_raw_fd());
        self.files.push(file);
        self.element(name, Action::Install, descriptor, &[])
    }

    /// The installation of a package whose file is not open.
    pub(crate) fn install_closed(self, name: &str, paths: &[&str]) -> Self {
        self.element(name, Action::Install, None, paths)
    }

    pub(crate) fn erase(self, paths: &[&str]) -> Self {
        self.element("old", Action::Erase, None, paths)
    }

    fn element(mut self, name: &str, action: Action, file: Option<i32>, paths: &[&str]) -> Self {
        self.plan.elements.push(Element {
            nevra: format!("{name}-1-1.x86_64"),
            action,
            file,
            paths: paths.iter().map(PathBuf::from).collect(),
            moved: Vec::new(),
        });
        self
    }

    pub(crate) fn judge(self) -> Answer {
        self.judge_with(Path::new("none"))
    }

    pub(crate) fn judge_with(self, cache: &Path) -> Answer {
        let (code, out, err) = self.ask(program(), cache);
        assert_eq!((code, err.as_str()), (0, ""), "{out}");
        Answer(serde_json::from_str(&out).expect(&out))
    }

    /// Asks a program that is started like this one.
    pub(crate) fn ask(&self, mut program: Command, cache: &Path) -> (i32, String, String) {
        let plan = serde_json::to_vec(&self.plan).unwrap();
        program.args(["judge", "--cache"]).arg(cache);
        program.arg("--config").arg(&self.config).args(&self.more);
        asked(program, &plan)
    }
}

/// Where nothing says what this machine's own files may say.
pub(crate) const NO_CONFIG: &str = "/nonexistent";

pub(crate) fn judge(plan: &[u8], cache: &Path, config: &Path) -> (i32, String, String) {
    let mut program = program();
    program.args(["judge", "--cache"]).arg(cache);
    asked(program.arg("--config").arg(config), plan)
}

fn asked(mut program: impl BorrowMut<Command>, plan: &[u8]) -> (i32, String, String) {
    let mut child = program
        .borrow_mut()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(plan).unwrap();
    ended(child.wait_with_output().unwrap())
}

/// What the judge says of the installation of these packages.
pub(crate) fn install(root: &Place, packages: &[&Path]) -> Answer {
    let on = Transaction::on(root);
    packages
        .iter()
        .fold(on, |all, one| all.install(one))
        .judge()
}

pub(crate) struct Answer(pub(crate) Value);

impl Answer {
    pub(crate) fn is(&self, decision: &str) -> &Self {
        assert_eq!(self.0["decision"], decision, "{:?}", self.messages());
        self
    }

    /// Asserts `module verdict severity`, for what there is something to say of.
    pub(crate) fn finds(&self, verdicts: &[&str]) -> &Self {
        let mut lines = Vec::new();
        for module in self.0["modules"].as_array().unwrap() {
            for verdict in module["verdicts"].as_array().unwrap() {
                let word = |key: &str| verdict[key].as_str().unwrap().to_owned();
                let name = module["name"].as_str().unwrap();
                lines.push(format!("{name} {} {}", word("verdict"), word("severity")));
            }
        }
        assert_eq!(lines, verdicts, "{:?}", self.messages());
        self
    }

    pub(crate) fn says(&self, what: &str) -> &Self {
        let messages = self.messages();
        assert!(messages.iter().any(|m| m.contains(what)), "{messages:?}");
        self
    }

    pub(crate) fn is_silent(&self) -> &Self {
        assert_eq!(self.messages(), [""; 0]);
        self
    }

    pub(crate) fn messages(&self) -> Vec<String> {
        let messages = self.0["messages"].as_array().unwrap().iter();
        let word = |m: &Value, key| m[key].as_str().unwrap().to_owned();
        let line = |m| format!("{} {}", word(m, "level"), word(m, "text"));
        messages.map(line).collect()
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        let keys = self.0["keys"].as_array().unwrap().iter();
        keys.map(|key| key.as_str().unwrap().to_owned()).collect()
    }
}

pub(crate) fn kmp(place: &Place, name: &str, modules: &[(&str, Build)]) -> PathBuf {
    let file = |(name, build): &(&str, Build)| (module_path(name), module(name, *build));
    place.package(name, &modules.iter().map(file).collect::<Vec<_>>())
}

/// A package whose one module, of the package's name, is of that build.
pub(crate) fn kmp_of(place: &Place, name: &str, build: Build) -> PathBuf {
    kmp(place, name, &[(name, build)])
}

pub(crate) fn kernel(place: &Place, name: &str, build: Build) -> PathBuf {
    let dir = format!("/lib/modules/{RELEASE}");
    let config = config(false).into();
    let files = [
        (format!("{dir}/vmlinuz"), base(build)),
        (format!("{dir}/config"), config),
    ];
    place.package(name, &files)
}

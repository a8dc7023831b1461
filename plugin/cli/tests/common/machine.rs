// SPDX-License-Identifier: GPL-2.0-or-later
//! A machine whose findings are kept.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Build, Place, run};

/// Longer than a stamp needs to be old to be believed.
pub(crate) const SETTLED: Duration = Duration::from_millis(3100);

/// A root of a machine that is checked, and where its findings are kept.
pub(crate) struct Machine {
    pub(crate) root: Place,
    kept: Place,
}

impl Machine {
    /// With one module that fits and one that does not.
    pub(crate) fn new() -> Self {
        let machine = Self {
            root: Place::booting(Build::New),
            kept: Place::new(),
        };
        machine.root.install("fresh", Build::New);
        machine.root.install("stale", Build::Old);
        machine
    }

    /// The same with all files old enough, once it was checked.
    pub(crate) fn settled() -> Self {
        let machine = Self::new();
        sleep(SETTLED);
        machine.stands(&["stale refused block"]);
        machine
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.kept.path().join("lib")
    }

    pub(crate) fn status(&self, more: &[&str]) -> (i32, String, String) {
        let (root, store) = (self.root.path(), self.store());
        let mut args = vec!["status", "--cache", "none", "--root"];
        args.extend([root.to_str().unwrap(), "--store", store.to_str().unwrap()]);
        args.extend(more);
        run(&args)
    }

    pub(crate) fn json(&self, more: &[&str]) -> Value {
        let (_, out, err) = self.status(&[&["--format", "json"], more].concat());
        serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{err}"))
    }

    /// Asserts `module verdict severity` of what stands.
    pub(crate) fn stands(&self, expected: &[&str]) {
        assert_eq!(standing(&self.json(&[])), expected);
    }

    pub(crate) fn kept(&self) -> Value {
        serde_json::from_slice(&fs::read(self.store().join("findings.json")).unwrap()).unwrap()
    }

    pub(crate) fn edit(&self, edit: impl FnOnce(&mut Vec<Value>)) {
        let mut kept = self.kept();
        edit(kept["findings"].as_array_mut().unwrap());
        let file = self.store().join("findings.json");
        fs::write(&file, serde_json::to_vec(&kept).unwrap()).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// A mark in what is kept that another judgement would not leave.
    pub(crate) fn mark(&self) {
        self.edit(|findings| findings[0]["log"] = json!("marked"));
    }

    pub(crate) fn is_marked(&self) -> bool {
        self.json(&[])["findings"][0]["log"] == "marked"
    }
}

pub(crate) fn standing(answer: &Value) -> Vec<String> {
    let findings = answer["findings"].as_array().unwrap().iter();
    let word = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
    let line = |f: &Value| {
        ["name", "verdict", "severity"]
            .map(|key| word(f, key))
            .join(" ")
    };
    findings.map(line).collect()
}

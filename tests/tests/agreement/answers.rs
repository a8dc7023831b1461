// SPDX-License-Identifier: GPL-2.0-or-later
//! What each command and hook says of a root, in one form.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use btf_guard_protocol::decision::Mode;
use btf_guard_protocol::plan::{Plan, Stage};
use btf_guard_tests::program;
use serde_json::Value;
use tempfile::TempDir;

/// One finding. Kinds, causes and severities are the words of the output: what a later
/// version says of its own is compared as well.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Told {
    /// The module's path inside the root, or that of what is wrong with a kernel.
    pub(crate) path: String,
    pub(crate) name: String,
    pub(crate) initrd: String,
    pub(crate) release: String,
    /// The kernel's image, and the digest of its base BTF.
    pub(crate) image: String,
    pub(crate) base: String,
    pub(crate) kind: String,
    pub(crate) cause: String,
    pub(crate) errno: String,
    pub(crate) severity: String,
}

impl Told {
    pub(crate) fn is_at_warn(&self) -> bool {
        ["warn", "block"].contains(&self.severity.as_str())
    }
}

/// What came of one caller.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The exit code.
    pub(crate) code: i32,
    /// `allow`, `warn` or `block`; empty where it does not say.
    pub(crate) decision: String,
    /// What it tells, those of no severity left out.
    pub(crate) told: BTreeSet<Told>,
    /// Every verdict, those with nothing to tell of included, as far as it lists them.
    pub(crate) verdicts: BTreeSet<Told>,
    /// The paths and words of what could not be read.
    pub(crate) errors: BTreeSet<(String, String)>,
    /// All of its output.
    pub(crate) json: Value,
}

/// Runs the program on one root, with a store, a configuration and a time of their own.
pub(crate) struct Callers<'a> {
    root: &'a Path,
    cache: &'a Path,
    aside: TempDir,
}

impl<'a> Callers<'a> {
    /// `cache` may be that of other roots, too.
    pub(crate) fn new(root: &'a Path, cache: &'a Path) -> Self {
        let aside = tempfile::tempdir().unwrap();
        fs::create_dir(aside.path().join("config")).unwrap();
        Self { root, cache, aside }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(program());
        command.args(words).arg("--cache").arg(self.cache);
        // The list of kernels depends on no policy.
        if words.first() != Some(&"kernels") {
            let config = self.aside.path().join("config");
            command.arg("--config").arg(config);
        }
        command.env_remove("BTF_GUARD");
        command
    }

    fn output(&self, words: &[&str]) -> (i32, String, String) {
        let mut command = self.command(words);
        command.arg("--root").arg(self.root);
        if words.first() == Some(&"status") {
            command.arg("--store").arg(self.aside.path().join("store"));
        }
        finish(command, "")
    }

    /// Text, with its exit code.
    pub(crate) fn text(&self, words: &[&str]) -> (i32, String) {
        let (code, text, _) = self.output(words);
        (code, text)
    }

    /// `check`, with more words.
    pub(crate) fn check(&self, more: &[&str]) -> Answer {
        let words = [&["check", "--format", "json"], more].concat();
        self.report(self.output(&words))
    }

    /// `status`, with more words.
    pub(crate) fn status(&self, more: &[&str]) -> Answer {
        let words = [&["status", "--format", "json"], more].concat();
        let (code, text, error) = self.output(&words);
        let json = parsed(&text, code, &error);
        let findings = json["findings"].as_array().cloned().unwrap_or_default();
        let told = findings.iter().map(|finding| {
            let kernel = &finding["kernel"];
            let base = &kernel["base"];
            self.told(finding, kernel, base, finding)
        });
        let told: BTreeSet<Told> = told.collect();
        Answer {
            code,
            decision: word(&json["decision"]),
            verdicts: told.clone(),
            told,
            errors: BTreeSet::new(),
            json,
        }
    }

    /// `kernels`.
    pub(crate) fn kernels(&self) -> Answer {
        self.report(self.output(&["kernels", "--format", "json"]))
    }

    /// A plan as the hooks make one, without packages.
    pub(crate) fn plan(&self, stage: Stage) -> Plan {
        Plan {
            stage,
            mode: Some(Mode::Warn),
            ..Plan::new(self.root.to_owned())
        }
    }

    /// The judge on a plan; `package` is what the plan names as descriptor 9.
    pub(crate) fn judge(&self, plan: &Plan, package: Option<&Path>) -> Answer {
        let judge = self.command(&["judge"]);
        let mut command = Command::new("sh");
        let script = match package {
            Some(_) => "package=$1; shift; exec \"$@\" 9<\"$package\"",
            None => "exec \"$@\"",
        };
        command.args(["-c", script, "sh"]).args(package);
        command.arg(judge.get_program()).args(judge.get_args());
        command.env_remove("BTF_GUARD");
        self.report(finish(command, &serde_json::to_string(plan).unwrap()))
    }

    /// A path beside the root.
    pub(crate) fn aside(&self) -> PathBuf {
        self.aside.path().to_owned()
    }

    fn report(&self, (code, text, error): (i32, String, String)) -> Answer {
        let json = parsed(&text, code, &error);
        let list = |name: &str| json[name].as_array().cloned().unwrap_or_default();
        let kernels = list("kernels");
        let mut verdicts = BTreeSet::new();
        for module in list("modules") {
            for verdict in module["verdicts"].as_array().into_iter().flatten() {
                let id = verdict["kernel"].as_u64().unwrap() as usize;
                let base = &kernels[id]["base"]["sha256"];
                verdicts.insert(self.told(&module, &kernels[id], base, verdict));
            }
        }
        let told = verdicts.iter().filter(|told| told.severity != "none");
        let told = told.cloned().collect();
        let error = |error: &Value| (self.inside(&error["path"]), self.inside(&error["error"]));
        Answer {
            code,
            decision: word(&json["decision"]),
            told,
            verdicts,
            errors: list("errors").iter().map(error).collect(),
            json,
        }
    }

    fn told(&self, module: &Value, kernel: &Value, base: &Value, verdict: &Value) -> Told {
        // As the tree has it: `/lib` is a link.
        let path = match &module["path"] {
            Value::Null => &module["module"],
            path => path,
        };
        Told {
            path: self.inside(path).replacen("/usr/lib/", "/lib/", 1),
            name: word(&module["name"]),
            initrd: self.inside(&module["initrd"]),
            release: word(&kernel["release"]),
            image: self.inside(&kernel["source"]),
            base: word(base),
            kind: word(&verdict["verdict"]),
            cause: word(&verdict["cause"]),
            errno: word(&verdict["errno"]),
            severity: word(&verdict["severity"]),
        }
    }

    /// A path or text without the directory that the root is in.
    pub(crate) fn inside(&self, value: &Value) -> String {
        let root = self.root.to_str().unwrap();
        word(value).replace(root, "")
    }
}

fn word(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The output, or nothing where the program could not begin.
fn parsed(text: &str, code: i32, error: &str) -> Value {
    match text {
        "" if code == 3 => Value::Null,
        _ => serde_json::from_str(text)
            .unwrap_or_else(|wrong| panic!("{wrong}: code {code}: {text}{error}")),
    }
}

fn finish(mut command: Command, input: &str) -> (i32, String, String) {
    command.stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let code = output.status.code().unwrap_or(-1);
    (code, text(&output.stdout), text(&output.stderr))
}

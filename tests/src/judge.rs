// SPDX-License-Identifier: GPL-2.0-or-later
//! Test doubles for the judge, as shell scripts that leave evidence.
//!
//! They stand for a judge that fails, and for one whose answer is not the
//! point; what the real judge says is tested with the real judge.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use btf_guard_protocol::event::Event;
use btf_guard_protocol::plan::Plan;
use tempfile::TempDir;

/// A shell script in the judge's place. In bash, which leaves the signal mask as
/// it was given.
pub struct Judge {
    directory: TempDir,
}

impl Judge {
    /// Runs `body` after it has noted its start. `$E` is the directory for evidence.
    /// What it is to record it keeps, and does nothing else then.
    pub fn script(body: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let draft = directory.path().join("draft");
        let evidence = directory.path().display();
        fs::write(
            &draft,
            format!(
                "#!/bin/bash\nE={evidence}\n\
                 case $1 in record) cat >> $E/recorded; echo >> $E/recorded; exit; esac\n\
                 : > $E/started\n{body}\n"
            ),
        )
        .unwrap();
        // Not written in place: a child of another test's thread may still
        // hold the file open for writing when rpm starts it ("text file busy").
        let status = Command::new("install")
            .args(["-m", "755"])
            .arg(&draft)
            .arg(directory.path().join("btf-guard"))
            .status()
            .unwrap();
        assert!(status.success());
        Self { directory }
    }

    /// Runs `body` before the first change, with the plan in `$E/plan`, and has
    /// nothing to say after the last. Keeps both plans, the last of each, and
    /// counts how often it was asked before.
    pub fn before(body: &str) -> Self {
        Self::both(
            body,
            "echo '{\"schema\":2,\"decision\":\"allow\",\"messages\":[]}'",
        )
    }

    fn both(before: &str, after: &str) -> Self {
        Self::script(&format!(
            "plan=$(cat)
             case $plan in *'\"stage\":\"post\"'*)
                 echo \"$plan\" > $E/after
                 {after}
                 exit
             esac
             echo \"$plan\" > $E/plan; echo . >> $E/asked
             {before}"
        ))
    }

    /// Answers with a decision and messages, each a level and a text, before the
    /// first change; says nothing after the last.
    pub fn answering(decision: &str, messages: &[(&str, &str)]) -> Self {
        let messages: Vec<_> = messages
            .iter()
            .map(|(level, text)| serde_json::json!({"level": level, "text": text}))
            .collect();
        // Keys of the whole report, which a hook must ignore, stand around them.
        Self::before(&say(&serde_json::json!({
            "schema": 2, "kernels": [{"id": 0}], "decision": decision, "messages": messages,
            "summary": {"modules": 1},
        })))
    }

    /// Answers one thing before the first change and another after the last,
    /// each the JSON of an answer.
    pub fn staged(before: &serde_json::Value, after: &serde_json::Value) -> Self {
        Self::both(&say(before), &say(after))
    }

    /// How often it was asked before the first change.
    pub fn times_asked(&self) -> usize {
        fs::read_to_string(self.evidence("asked")).map_or(0, |asked| asked.lines().count())
    }

    /// The plan it was given after the last change, if any.
    pub fn plan_after(&self) -> Option<Plan> {
        let plan = fs::read_to_string(self.evidence("after")).ok()?;
        Some(serde_json::from_str(&plan).unwrap())
    }

    /// What was to be recorded.
    pub fn recorded(&self) -> Vec<Event> {
        let text = fs::read_to_string(self.evidence("recorded")).unwrap_or_default();
        let lines = text.lines().filter(|line| !line.is_empty());
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// The script.
    pub fn path(&self) -> PathBuf {
        self.directory.path().join("btf-guard")
    }

    /// Has it been started?
    pub fn was_started(&self) -> bool {
        self.evidence("started").exists()
    }

    /// Where a piece of evidence lies.
    pub fn evidence(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A piece of evidence as text.
    pub fn read(&self, name: &str) -> String {
        let path: &Path = &self.evidence(name);
        fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// The plan it was given before the first change.
    pub fn plan(&self) -> Plan {
        serde_json::from_str(&self.read("plan")).unwrap()
    }
}

fn say(answer: &serde_json::Value) -> String {
    format!("cat <<'END'\n{answer}\nEND")
}

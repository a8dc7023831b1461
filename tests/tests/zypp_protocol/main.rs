// SPDX-License-Identifier: GPL-2.0-or-later
//! The commit plugin, spoken to as libzypp does: with transcripts of real
//! commits (`tests/examples/protocol.rs` has recorded them), byte by byte, cut off
//! anywhere, and with garbage. What it starts is stood for by scripts: what matters
//! here is that libzypp has its answers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod commits;
mod frames;

use std::fs::{self, File, Permissions};
use std::io::{BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use btf_guard_protocol::procfs::Process;
use btf_guard_protocol::state::trusted_dir::Private;
use btf_guard_protocol::state::zypp_commit::{CommitFiles, Handoff};
use btf_guard_tests::{Judge, Package, committer};
use tempfile::TempDir;

const ACK: &str = "ACK\n\n\0";

/// A transcript: what libzypp sent, frame by frame, its NULs written as `^@`.
fn transcript(name: &str) -> Vec<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("protocol");
    let text = fs::read_to_string(path.join(name)).unwrap();
    let frames = text.split_inclusive("^@\n");
    frames
        .map(|frame| format!("{}\0", frame.strip_suffix("^@\n").unwrap()).into_bytes())
        .collect()
}

/// libzypp 17.25 sends no lengths; the others do.
const TRANSCRIPTS: [&str; 6] = [
    "libzypp-17.25-done",
    "libzypp-17.25-failed",
    "libzypp-17.36-done",
    "libzypp-17.36-failed",
    "libzypp-17.38-done",
    "libzypp-17.38-failed",
];

/// Where the plugin finds everything that it starts and leaves.
struct Scene {
    directory: TempDir,
    judge: Judge,
    /// What asks libzypp, where it does not say what there is.
    fetch: Option<String>,
}

impl Scene {
    /// The packages that the transcripts' commits install are in the cache.
    fn new(judge: Judge) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let cache = directory.path().join("cache/repo");
        fs::create_dir_all(&cache).unwrap();
        for package in [
            Package::new("first").file("/usr/share/first", "text"),
            Package::new("demo-kmp").file("/lib/modules/6.1.0-test/extra/demo.ko", "module"),
        ] {
            let built = package.build(directory.path());
            fs::rename(&built, cache.join(built.file_name().unwrap())).unwrap();
        }
        Self {
            directory,
            judge,
            fetch: None,
        }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// What libzypp would answer.
    fn found(&self) -> String {
        let steps = [("first", false), ("demo-kmp", true)].map(|(name, is_about_kernels)| {
            let nevra = format!("{name}-1-1.noarch");
            let path = self.at(&format!("cache/repo/{nevra}.rpm"));
            serde_json::json!({"action": "install", "nevra": nevra, "name": name,
                "repository": null, "size": 0,
                "path": Some(&path).filter(|path| path.exists()), "kernel": is_about_kernels})
        });
        let result = serde_json::json!({"result": {"steps": steps, "problems": []}});
        format!("cat <<'END'\n{result}\nEND")
    }

    fn plugin(&self) -> Command {
        let fetch = self.at("fetch");
        if !fetch.exists() {
            let said = self.fetch.clone().unwrap_or_else(|| self.found());
            script(&fetch, &said);
            script(&self.at("rpm"), "case $1 in --eval) exit 0 ;; esac; exit 1");
        }
        let mut command = Command::new(committer());
        for (option, path) in [
            ("--judge", self.judge.path()),
            ("--fetch", fetch),
            ("--rpm", self.at("rpm")),
            ("--handoff", self.at("handoffs")),
            ("--solv", self.at("solv")),
            ("--repositories", self.at("repos.d")),
            ("--known", self.at("known")),
        ] {
            command.arg(option).arg(path);
        }
        command
            .env_remove("BTF_GUARD")
            .env_remove("ZYPP_PLUGIN_TIMEOUT")
            .env("ZYPP_IS_RUNNING", std::process::id().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(self.at("log")).unwrap());
        command
    }

    fn talk(&self) -> Talk {
        Talk::with(self.plugin())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.at("log")).unwrap()
    }

    /// What the rpm plugin would be handed.
    fn handoff(&self) -> Option<Handoff> {
        let dir = Private::open(&self.at("handoffs")).unwrap()?;
        let process = Process::find(std::process::id()).unwrap();
        CommitFiles::of(&dir, process).handed_over().unwrap()
    }

    /// May the rpm plugin stop a call of which nothing was handed over?
    fn is_watched(&self) -> bool {
        let dir = Private::create(&self.at("handoffs")).unwrap();
        let process = Process::find(std::process::id()).unwrap();
        CommitFiles::of(&dir, process).is_watched().unwrap()
    }

    /// Notes what the rpm plugin does when it lets a call through.
    fn let_through(&self) {
        let dir = Private::create(&self.at("handoffs")).unwrap();
        let process = Process::find(std::process::id()).unwrap();
        assert!(CommitFiles::of(&dir, process).begin().unwrap());
    }
}

fn script(path: &Path, body: &str) {
    let draft = path.with_extension("draft");
    fs::write(&draft, format!("#!/bin/sh\n{body}\n")).unwrap();
    fs::set_permissions(&draft, Permissions::from_mode(0o755)).unwrap();
    // Copied by another process: a child of another test's thread may hold the
    // draft open for writing.
    let status = Command::new("cp").arg("-p").arg(&draft).arg(path).status();
    assert!(status.unwrap().success());
}

/// A plugin that is spoken to.
struct Talk {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Talk {
    fn with(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        Self {
            input: child.stdin.take(),
            output: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    fn send(&mut self, bytes: &[u8]) {
        let input = self.input.as_mut().unwrap();
        input.write_all(bytes).unwrap();
        input.flush().unwrap();
    }

    /// One answer; empty at the end.
    fn answer(&mut self) -> String {
        let mut answer = Vec::new();
        let mut byte = [0];
        while self.output.read(&mut byte).unwrap() == 1 {
            answer.push(byte[0]);
            if byte[0] == 0 {
                break;
            }
        }
        String::from_utf8(answer).unwrap()
    }

    fn ask(&mut self, frame: &[u8]) -> String {
        self.send(frame);
        self.answer()
    }

    /// Nothing more comes from libzypp; everything that was answered by then, and
    /// how the plugin ended.
    fn end(mut self) -> (String, Option<i32>) {
        drop(self.input.take());
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).unwrap();
        (rest, self.child.wait().unwrap().code())
    }
}

fn blocking() -> Judge {
    Judge::answering("block", &[("error", "btf-guard: blocked")])
}

/// Before the commit it warns, and after it, it finds something else.
fn warning() -> Judge {
    let answer = |text, more| {
        format!(
            r#"{{"schema":2,"decision":"warn","messages":[{{"level":"warning","text":"{text}"}}],"keys":["k"]{more}}}"#
        )
    };
    let used = r#","overrides":[{"source":"one-shot","id":"0000000a","reason":"tried"}]"#;
    let (before, after) = (answer("before", used), answer("after", ""));
    Judge::script(&format!(
        "cat >$E/plan\nif grep -q '\"stage\":\"post\"' $E/plan\n\
         then mv $E/plan $E/plan-after; echo '{after}'\nelse echo '{before}'\nfi"
    ))
}

fn commit_begin() -> Vec<u8> {
    let frames = transcript("libzypp-17.38-done");
    let mut frames = frames.into_iter();
    frames
        .find(|frame| frame.starts_with(b"COMMITBEGIN"))
        .unwrap()
}

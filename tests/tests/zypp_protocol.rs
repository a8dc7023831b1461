// SPDX-License-Identifier: GPL-2.0-or-later
//! The commit plugin, spoken to as libzypp does: with transcripts of real
//! commits (`tests/examples/protocol.rs` has recorded them), byte by byte, cut off anywhere, and with garbage. What it starts is
//! stood for by scripts: what matters here is that libzypp has its answers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::fs::{self, File, Permissions};
use std::io::{BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use btf_guard_protocol::decision::{Decision, Mode};
use btf_guard_protocol::plan::{Plan, Stage};
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
    fetch: String,
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
        let fetch = "exit 1".to_owned();
        Self {
            directory,
            judge,
            fetch,
        }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn plugin(&self) -> Command {
        let fetch = self.at("fetch");
        if !fetch.exists() {
            script(&fetch, &self.fetch);
            script(&self.at("rpm"), "case $1 in --eval) exit 0 ;; esac; exit 1");
        }
        let mut command = Command::new(committer());
        for (option, path) in [
            ("--judge", self.judge.path()),
            ("--fetch", fetch),
            ("--rpm", self.at("rpm")),
            ("--handoff", self.at("handoffs")),
            ("--cache", self.at("cache")),
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
    let answer = |text| {
        format!(
            r#"{{"schema":2,"decision":"warn","messages":[{{"level":"warning","text":"{text}"}}],"keys":["k"]}}"#
        )
    };
    let (before, after) = (answer("before"), answer("after"));
    Judge::script(&format!(
        "cat >$E/plan\nif grep -q '\"stage\":\"after\"' $E/plan\n\
         then mv $E/plan $E/plan-after; echo '{after}'\nelse echo '{before}'\nfi"
    ))
}

#[test]
fn real_commits_are_answered_frame_by_frame() {
    for name in TRANSCRIPTS {
        let scene = Scene::new(blocking());
        let mut talk = scene.talk();
        let frames = transcript(name);
        let (last, frames) = frames.split_last().unwrap();
        for frame in frames {
            assert_eq!(talk.ask(frame), ACK, "{name}: {}", scene.log());
            if frame.starts_with(b"COMMITBEGIN") {
                let handoff = scene.handoff().unwrap();
                assert_eq!(handoff.decision, Decision::Block, "{name}");
                assert_eq!(handoff.messages[0].text, "btf-guard: blocked");
                assert_eq!(handoff.judged, ["demo-kmp-1-1.noarch"]);
                assert_eq!(handoff.root, Path::new("/"));
            }
        }
        assert!(scene.handoff().is_none(), "{name}");
        assert_eq!(talk.ask(last), "ACK\nexit:0\n\n\0", "{name}");
        assert_eq!(talk.end(), (String::new(), Some(0)), "{name}");
    }
}

#[test]
fn the_plan_is_that_of_the_commit_before_and_after() {
    let scene = Scene::new(warning());
    let mut talk = scene.talk();
    for frame in transcript("libzypp-17.38-done") {
        talk.ask(&frame);
        if frame.starts_with(b"COMMITBEGIN") {
            let plan = scene.judge.plan();
            assert_eq!((plan.stage, plan.mode), (Stage::Before, None));
            let [element] = &plan.elements[..] else {
                panic!("{plan:?}");
            };
            assert_eq!(element.nevra, "demo-kmp-1-1.noarch");
            assert!(element.file.is_some());
            assert_eq!(
                element.paths,
                [Path::new("/lib/modules/6.1.0-test/extra/demo.ko")]
            );
            scene.let_through();
        }
    }
    let plan: Plan = serde_json::from_str(&scene.judge.read("plan-after")).unwrap();
    assert_eq!(plan.stage, Stage::After);
    assert_eq!(plan.said, ["k"]);
    assert!(plan.since.is_some());
    assert_eq!(plan.elements.len(), 1);
    assert_eq!(plan.elements[0].file, None);
    assert_eq!(scene.log().matches("btf-guard: after\n").count(), 1);
}

#[test]
fn after_a_commit_that_failed_the_disk_is_judged_only_if_something_changed() {
    for begun in [false, true] {
        let scene = Scene::new(warning());
        let mut talk = scene.talk();
        for frame in transcript("libzypp-17.25-failed") {
            talk.ask(&frame);
            if begun && frame.starts_with(b"COMMITBEGIN") {
                scene.let_through();
            }
        }
        assert_eq!(scene.log().contains("btf-guard: after\n"), begun);
        assert_eq!(fs::read_dir(scene.at("handoffs")).unwrap().count(), 0);
    }
}

/// A user who ignores every failure: libzypp says that all is done.
#[test]
fn where_nothing_was_let_through_the_disk_is_asked_without_what_was_said() {
    let scene = Scene::new(warning());
    let mut talk = scene.talk();
    for frame in transcript("libzypp-17.38-done") {
        talk.ask(&frame);
    }
    let plan: Plan = serde_json::from_str(&scene.judge.read("plan-after")).unwrap();
    assert_eq!(plan.said, [""; 0]);
    assert!(scene.log().contains("btf-guard: after\n"));
}

/// libzypp is woken once for an answer. A socket that keeps apart what was written
/// at once stands for its pipe.
#[test]
fn an_answer_is_written_at_once() {
    let scene = Scene::new(blocking());
    let (ours, plugins) = UnixDatagram::pair().unwrap();
    ours.set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let mut command = scene.plugin();
    command.stdout(OwnedFd::from(plugins));
    let mut child = command.spawn().unwrap();
    drop(command);
    let mut input = child.stdin.take().unwrap();
    for (frame, expected) in [
        ("PLUGINBEGIN\n\n\0", ACK),
        ("_DISCONNECT\n\n\0", "ACK\nexit:0\n\n\0"),
    ] {
        input.write_all(frame.as_bytes()).unwrap();
        let mut bytes = [0; 64];
        let length = ours.recv(&mut bytes).unwrap();
        assert_eq!(String::from_utf8_lossy(&bytes[..length]), expected);
    }
    assert!(child.wait().unwrap().success());
}

#[test]
fn it_does_not_matter_how_the_bytes_come() {
    for name in TRANSCRIPTS {
        let scene = Scene::new(blocking());
        let mut talk = scene.talk();
        for frame in transcript(name) {
            for byte in frame {
                talk.send(&[byte]);
            }
        }
        let (answers, status) = talk.end();
        assert_eq!(status, Some(0), "{name}");
        assert_eq!(answers.matches("ACK\n").count(), transcript(name).len());
        assert!(scene.judge.was_started(), "{name}: {}", scene.log());
    }
}

/// libzypp is gone: the plugin ends, says nothing that is no frame, and nothing
/// is left for the rpm plugin.
#[test]
fn an_end_at_any_byte_ends_it() {
    for name in ["libzypp-17.38-failed"] {
        let scene = Scene::new(blocking());
        let frames = transcript(name);
        let stream = frames.concat();
        for end in 0..stream.len() {
            let mut talk = scene.talk();
            talk.send(&stream[..end]);
            let (answers, status) = talk.end();
            let whole = stream[..end].iter().filter(|byte| **byte == 0).count();
            assert_eq!(answers, ACK.repeat(whole), "{name}, {end}");
            let cut = stream[..end].last().is_some_and(|last| *last != 0);
            assert_eq!(
                status,
                Some(i32::from(cut)),
                "{name}, {end}: {}",
                scene.log()
            );
            assert!(scene.handoff().is_none(), "{name}, {end}");
        }
    }
}

#[test]
fn garbage_ends_it_and_is_not_answered() {
    for garbage in [
        &b"two words\n\n\0"[..],
        b"COMMITBEGIN\nno colon\n\n\0",
        b"COMMITBEGIN\ncontent-length:18446744073709551615\n\n{}\0",
        b"COMMITBEGIN\ncontent-length:1\n\n{}\0",
        b"\x7fELF\x02\x01\x01\0",
    ] {
        let scene = Scene::new(blocking());
        let mut talk = scene.talk();
        assert_eq!(talk.ask(b"PLUGINBEGIN\n\n\0"), ACK);
        talk.send(garbage);
        let (answers, status) = talk.end();
        assert_eq!((answers.as_str(), status), ("", Some(1)), "{garbage:?}");
        assert!(scene.log().contains("is not understood"), "{}", scene.log());
        assert!(!scene.judge.was_started());
    }
}

#[test]
fn a_message_that_makes_no_sense_is_answered_all_the_same() {
    let scene = Scene::new(blocking());
    let mut talk = scene.talk();
    for frame in [
        &b"COMMITEND\n\n\0"[..],
        b"PLUGINEND\n\n\0",
        b"COMMITBEGIN\n\n\0",
        b"COMMITBEGIN\n\n{\"TransactionStepList\":7}\0",
        b"COMMITBEGIN\n\n{\"TransactionStepList\":[]}\0",
        b"PLUGINBEGIN\nuserdata:a\\nb\n\n\0",
    ] {
        assert_eq!(talk.ask(frame), ACK, "{frame:?}");
    }
    assert_eq!(talk.ask(b"SOMETHING\n\n\0"), "_ENOMETHOD\n\n\0");
    assert!(!scene.judge.was_started());
    assert_eq!(talk.end().1, Some(0));
}

fn commit_begin() -> Vec<u8> {
    let frames = transcript("libzypp-17.38-done");
    let mut frames = frames.into_iter();
    frames
        .find(|frame| frame.starts_with(b"COMMITBEGIN"))
        .unwrap()
}

/// Everything hangs that can; libzypp waits four seconds.
#[test]
fn libzypp_has_its_answer_in_time_whatever_hangs() {
    let hang = "sleep 1000 & wait";
    for (fetch, judge) in [(hang, "exit 1"), ("exit 1", hang), (hang, hang)] {
        let mut scene = Scene::new(Judge::script(judge));
        scene.fetch = fetch.to_owned();
        let mut command = scene.plugin();
        command.env("ZYPP_PLUGIN_TIMEOUT", "4");
        let mut talk = Talk::with(command);
        let start = Instant::now();
        assert_eq!(talk.ask(&commit_begin()), ACK);
        let took = start.elapsed();
        assert!(took < Duration::from_secs(4), "{took:?}: {}", scene.log());
        assert!(scene.handoff().is_none());
        assert!(scene.log().contains("was stopped") || scene.log().contains("no time"));
    }
}

/// libzypp downloads for hours between two messages, and then goes on.
#[test]
fn a_silent_libzypp_is_waited_for() {
    let scene = Scene::new(blocking());
    let mut talk = scene.talk();
    let frame = commit_begin();
    let (half, rest) = frame.split_at(frame.len() / 2);
    talk.send(half);
    thread::sleep(Duration::from_secs(2));
    assert_eq!(talk.child.try_wait().unwrap(), None);
    assert_eq!(talk.ask(rest), ACK);
    thread::sleep(Duration::from_secs(2));
    assert_eq!(talk.child.try_wait().unwrap(), None);
    assert!(scene.handoff().is_some());
    talk.end();
    assert!(scene.handoff().is_none());
}

#[test]
fn where_the_judge_or_a_package_fails_there_is_no_hand_off() {
    type Spoil = fn(&Scene);
    let cases: [(&str, &str, Spoil); 4] = [
        ("exit 3", "the judge ended with exit status: 3", |_| ()),
        ("echo garbage", "is not understood", |_| ()),
        ("exit 0", "is not in the cache", |scene| {
            fs::remove_file(scene.at("cache/repo/demo-kmp-1-1.noarch.rpm")).unwrap();
        }),
        (
            "exit 0",
            "demo-kmp-1-1.noarch.rpm is first-1-1.noarch",
            |scene| {
                let cache = scene.at("cache/repo");
                fs::copy(
                    cache.join("first-1-1.noarch.rpm"),
                    cache.join("demo-kmp-1-1.noarch.rpm"),
                )
                .unwrap();
            },
        ),
    ];
    for (judge, reason, spoil) in cases {
        let scene = Scene::new(Judge::script(judge));
        spoil(&scene);
        let mut talk = scene.talk();
        assert_eq!(talk.ask(&commit_begin()), ACK);
        assert!(scene.handoff().is_none());
        assert!(scene.log().contains(reason), "{reason}: {}", scene.log());
    }
}

#[test]
fn the_fetch_program_says_what_comes_and_where_it_lies() {
    let mut scene = Scene::new(blocking());
    let path = scene.at("elsewhere.rpm");
    fs::rename(scene.at("cache/repo/demo-kmp-1-1.noarch.rpm"), &path).unwrap();
    let step = serde_json::json!({"action": "install", "nevra": "demo-kmp-1-1.noarch",
        "name": "demo-kmp", "repository": "repo", "location": "x", "size": 0, "checksum": null,
        "path": path, "kernel": true, "replaces": []});
    let result = serde_json::json!({"result": {"steps": [step], "problems": ["a problem"]}});
    let request = scene.at("request").display().to_string();
    scene.fetch = format!("cat >{request}\ncat <<'END'\n{result}\nEND");
    let mut talk = scene.talk();
    assert_eq!(talk.ask(&commit_begin()), ACK);
    assert_eq!(scene.handoff().unwrap().judged, ["demo-kmp-1-1.noarch"]);
    assert!(scene.log().contains("btf-guard: a problem\n"));
    let request: serde_json::Value =
        serde_json::from_slice(&fs::read(scene.at("request")).unwrap()).unwrap();
    assert_eq!(request["fetch"], "kernel");
    assert!(
        (5..=14).contains(&request["deadline"].as_u64().unwrap()),
        "{request}"
    );
    let steps = request["ask"]["commit"]["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 2, "{request}");
}

#[test]
fn the_admins_wish_holds() {
    for (value, expected) in [
        ("off", None),
        ("warn", Some(Mode::Warn)),
        ("block", Some(Mode::Block)),
    ] {
        let scene = Scene::new(blocking());
        let mut command = scene.plugin();
        command.env("BTF_GUARD", value);
        let mut talk = Talk::with(command);
        for frame in transcript("libzypp-17.38-done") {
            assert!(talk.ask(&frame).starts_with("ACK"));
        }
        assert_eq!(scene.judge.was_started(), expected.is_some());
        if expected.is_some() {
            assert_eq!(scene.judge.plan().mode, expected);
        }
    }
    // The macro, where the environment says nothing.
    let scene = Scene::new(blocking());
    script(&scene.at("rpm"), "echo off");
    script(&scene.at("fetch"), "exit 1");
    assert_eq!(scene.talk().ask(&commit_begin()), ACK);
    assert!(!scene.judge.was_started());
}

/// It is booted later, and mostly nobody is there to try a second time.
#[test]
fn a_transactional_update_is_no_work_on_what_runs() {
    for (value, expected) in [("", false), ("true", true)] {
        let scene = Scene::new(warning());
        let mut command = scene.plugin();
        command
            .env("TRANSACTIONAL_UPDATE", value)
            .env_remove("ZYPP_LOCKFILE_ROOT");
        let mut talk = Talk::with(command);
        assert_eq!(talk.ask(b"PLUGINBEGIN\n\n\0"), ACK);
        assert_eq!(scene.is_watched(), !expected, "{value:?}");
        assert_eq!(talk.ask(&commit_begin()), ACK);
        assert_eq!(scene.judge.plan().image, expected, "{value:?}");
        scene.let_through();
        talk.end();
        let plan: Plan = serde_json::from_str(&scene.judge.read("plan-after")).unwrap();
        assert_eq!(plan.image, expected, "{value:?}");
    }
}

#[test]
fn what_is_not_known_of_the_commit_is_not_guessed() {
    for (name, value, reason) in [
        ("ZYPP_IS_RUNNING", "", "which process commits"),
        ("ZYPP_IS_RUNNING", "4194305", "which process commits"),
    ] {
        let scene = Scene::new(blocking());
        let mut command = scene.plugin();
        command.env(name, value);
        assert_eq!(Talk::with(command).ask(&commit_begin()), ACK);
        assert!(!scene.judge.was_started());
        assert!(scene.log().contains(reason), "{}", scene.log());
    }
}

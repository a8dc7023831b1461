// SPDX-License-Identifier: GPL-2.0-or-later
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use super::*;
use crate::plan::Level;

struct Scene {
    parent: tempfile::TempDir,
    dir: Private,
    process: Process,
}

impl Scene {
    fn new() -> Self {
        let parent = tempfile::tempdir().unwrap();
        let dir = Private::create(&parent.path().join("run")).unwrap();
        let process = Process::find(std::process::id()).unwrap();
        Self {
            parent,
            dir,
            process,
        }
    }

    fn commit(&self) -> CommitFiles<'_> {
        CommitFiles::of(&self.dir, self.process)
    }

    fn path(&self) -> PathBuf {
        let name = self.commit().name("json");
        self.parent.path().join("run").join(name)
    }

    /// Hands over, changes what was written, and says what the reader makes of it.
    fn read_after(
        &self,
        change: impl FnOnce(&mut Handoff),
    ) -> Result<Option<Handoff>, HandoffError> {
        hand_over(&self.commit());
        let mut handoff: Handoff = serde_json::from_slice(&fs::read(self.path()).unwrap()).unwrap();
        change(&mut handoff);
        fs::write(self.path(), serde_json::to_vec(&handoff).unwrap()).unwrap();
        self.commit().handed_over()
    }
}

fn hand_over(commit: &CommitFiles<'_>) {
    let message = Message {
        level: Level::Error,
        text: "because".to_owned(),
    };
    let answer = Answer::new(Decision::Block, vec![message], vec!["k".to_owned()]);
    commit
        .hand_over("/".into(), &answer, vec!["a-1-1.noarch".to_owned()])
        .unwrap();
}

#[test]
fn a_decision_arrives() {
    let scene = Scene::new();
    assert!(scene.commit().handed_over().unwrap().is_none());
    hand_over(&scene.commit());
    let handoff = scene.commit().handed_over().unwrap().unwrap();
    assert_eq!(handoff.decision, Decision::Block);
    assert_eq!(handoff.messages[0].text, "because");
    assert_eq!(handoff.keys, ["k"]);
    assert_eq!(handoff.judged, ["a-1-1.noarch"]);
    assert!(handoff.has_judged("a-1-1.noarch") && handoff.has_judged("a-0:1-1.noarch"));
    assert!(!handoff.has_judged("a-1:1-1.noarch") && !handoff.has_judged("a-1-1.x86_64"));
    assert_eq!(handoff.root, Path::new("/"));
    assert!(scene.path().exists(), "it is there for the next call too");
    scene.commit().forget().unwrap();
    assert!(scene.commit().handed_over().unwrap().is_none());
}

#[test]
fn one_that_is_not_for_this_commit_is_refused_and_removed() {
    let day = 24 * 60 * 60;
    type Change = fn(&mut Handoff);
    let cases: [(Change, &str); 8] = [
        (|h| h.pid += 1, "it is for another process"),
        (|h| h.started += 1, "it is for another process"),
        (|h| h.boot.push('0'), "it is from before the last boot"),
        (|h| h.written -= 24 * 60 * 60 + 60, "it is not of today"),
        (|h| h.written += 3600, "it is not of today"),
        (|h| h.schema += 1, "it is not understood: schema 2"),
        (|h| h.messages.clear(), "it is not understood: a block"),
        (|h| h.keys = vec!["x".repeat(9 << 20)], "it is longer than"),
    ];
    for (change, expected) in cases {
        let scene = Scene::new();
        let refused = scene.read_after(change).unwrap_err().to_string();
        assert!(refused.starts_with(expected), "{expected}: {refused}");
        assert!(!scene.path().exists(), "{expected}");
        assert!(scene.commit().handed_over().unwrap().is_none());
    }
    let young = Scene::new().read_after(|h| h.written -= day - 60);
    young.unwrap().unwrap();
}

#[test]
fn garbage_and_forged_files_are_refused_and_removed() {
    let scene = Scene::new();
    for garbage in [&b""[..], b"{}", b"\xff\0", b"[]"] {
        fs::write(scene.path(), garbage).unwrap();
        let refused = scene.commit().handed_over().unwrap_err().to_string();
        assert!(refused.starts_with("it is not understood: "), "{refused}");
        assert!(!scene.path().exists());
    }
    hand_over(&scene.commit());
    let genuine = scene.parent.path().join("genuine");
    fs::rename(scene.path(), &genuine).unwrap();
    std::os::unix::fs::symlink(&genuine, scene.path()).unwrap();
    let refused = scene.commit().handed_over().unwrap_err();
    assert!(matches!(refused, HandoffError::File(_)), "{refused}");
    assert!(scene.path().symlink_metadata().is_err(), "the link is gone");
    assert!(genuine.exists(), "what it leads to is not");
}

/// A process that is no ancestor of this one.
struct Other(Child);

impl Other {
    fn start() -> Self {
        Self(Command::new("sleep").arg("60").spawn().unwrap())
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_reader_outside_the_commit_is_refused() {
    let other = Other::start();
    let scene = Scene {
        process: Process::find(other.0.id()).unwrap(),
        ..Scene::new()
    };
    hand_over(&scene.commit());
    let refused = scene.commit().handed_over().unwrap_err().to_string();
    let is_stranger = refused.starts_with("this process does not descend");
    assert!(is_stranger, "{refused}");
    assert!(!scene.path().exists());
}

#[test]
fn a_commit_begins_once_and_tells_once() {
    let scene = Scene::new();
    let commit = scene.commit();
    assert!(!commit.is_watched().unwrap());
    commit.watch().unwrap();
    commit.watch().unwrap();
    assert!(commit.is_watched().unwrap());
    assert!(!commit.has_begun().unwrap());
    assert!(commit.begin().unwrap());
    assert!(commit.has_begun().unwrap());
    assert!(!commit.begin().unwrap());
    commit.take_back().unwrap();
    assert!(!commit.has_begun().unwrap());
    assert!(commit.begin().unwrap());
    assert!(commit.mark_reported().unwrap());
    assert!(!commit.mark_reported().unwrap());
    commit.forget().unwrap();
    assert!(!commit.is_watched().unwrap());
    assert!(!commit.has_begun().unwrap());
    assert!(commit.mark_reported().unwrap());
}

#[test]
fn what_the_dead_left_is_cleaned() {
    let scene = Scene::new();
    hand_over(&scene.commit());
    scene.commit().begin().unwrap();
    let run = scene.parent.path().join("run");
    let other = Other::start();
    let Process { pid, started, .. } = Process::find(other.0.id()).unwrap();
    let left = [
        format!("zypp-{pid}-{started}.json"),
        format!("zypp-{pid}-{started}.begun"),
        format!(".zypp-{pid}-{started}.json.17"),
    ];
    for name in &left {
        fs::write(run.join(name), "").unwrap();
    }
    let foreign = ["told", "zypp-x-1.json", "zypp-1"];
    for name in foreign {
        fs::write(run.join(name), "").unwrap();
    }
    clean(&scene.dir).unwrap();
    assert!(left.iter().all(|name| run.join(name).exists()), "it lives");
    drop(other);
    clean(&scene.dir).unwrap();
    assert!(left.iter().all(|name| !run.join(name).exists()));
    assert!(foreign.iter().all(|name| run.join(name).exists()));
    assert!(scene.commit().handed_over().unwrap().is_some());
    assert!(scene.commit().has_begun().unwrap());
}

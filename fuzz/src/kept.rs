// SPDX-License-Identifier: GPL-2.0-or-later
//! What this project's own programs keep, or leave for each other.

use std::fmt::Write;
use std::time::SystemTime;

use btf_guard_btf::Base;
use btf_guard_core::kernel::cache::Cache;
use btf_guard_core::report::Report;
use btf_guard_core::status as stands;
use btf_guard_core::status::{
    FindingOrigin, Findings, Held, MetricCounts, journal_entries, motd_text, prometheus_text,
    standing_text,
};
use btf_guard_protocol::caller::Who;
use btf_guard_protocol::decision::Decision;
use btf_guard_protocol::event::{self, Event, EventOutcome};
use btf_guard_protocol::procfs::{Process, boot_id};
use btf_guard_protocol::state::last_check::ReportedState;
use btf_guard_protocol::state::trusted_dir::Private;
use btf_guard_protocol::state::zypp_commit::{self, CommitFiles, Handoff};
use btf_guard_protocol::{judge_client, plan};
use btf_guard_zypp::carrier_cache;
use sha2::{Digest, Sha256};

use super::scene::{Scene, parts};

/// Findings that stand: the file, and a report that comes on top of it.
pub(crate) fn standing(data: &[u8]) {
    let [kept, report] = parts(data);
    thread_local! {
        static SCENE: Scene = Scene::new();
    }
    SCENE.with(|scene| {
        scene.file("state/findings.json", kept);
        let mut held = Held::open(&scene.path("state")).expect("findings of our own");
        if let Ok(report) = serde_json::from_slice::<Report>(report) {
            let origin = FindingOrigin {
                time: 7,
                client: "fuzz",
                boot: Some("boot"),
            };
            let found = stands::findings(&report, origin);
            held.findings.add_unknown(found.clone());
            held.findings.add(found);
        }
        shown(&held.findings);
        held.keep().expect("findings can be kept");
        let findings = held.findings.clone();
        drop(held);
        let again = Held::open(&scene.path("state")).expect("findings of our own");
        assert!(again.damaged.is_none());
        assert_eq!(again.findings, findings);
    });
}

/// In every form; none has anything in it that moves a cursor.
fn shown(findings: &Findings) {
    let _ = findings.decision();
    let text = [
        standing_text(findings, 9),
        motd_text(findings),
        prometheus_text(&MetricCounts::of_standing(findings)),
    ]
    .concat();
    let moves = |c: char| c.is_control() && c != '\n' && c != '\u{1b}';
    assert!(!text.contains(moves), "{text:?}");
}

/// A judge's answer, and the event that a hook makes of it.
pub(crate) fn answer(data: &[u8]) {
    let mut event = serde_json::from_slice::<Event>(data).ok();
    if let Ok(answer) = judge_client::understand(data.to_vec()) {
        let outcome = EventOutcome::of(&answer);
        assert!(answer.whole.is_some());
        let _ = plan::lines_to_show(answer.messages.clone(), true);
        event = outcome.map(|outcome| Event {
            schema: event::SCHEMA,
            time: 7,
            client: "fuzz".to_owned(),
            stage: plan::Stage::Post,
            test: false,
            root: "/".into(),
            outcome,
            overrides: answer.overrides,
            who: Who::default(),
            answer: answer.whole,
            failure: None,
            undecided: None,
        });
    }
    let Some(event) = event else {
        return;
    };
    let _ = journal_entries::of(&event);
    let report = event.answer.as_ref().map(|report| report.get());
    if let Some(Ok(report)) = report.map(serde_json::from_str::<Report>) {
        let origin = FindingOrigin {
            time: event.time,
            client: &event.client,
            boot: None,
        };
        let mut findings = Findings::default();
        findings.add(stands::findings(&report, origin));
        shown(&findings);
    }
}

/// What hooks leave for each other: what was reported, a hand-off, names of files, and
/// what zypper's plugin knows of packages.
pub(crate) fn handoff(data: &[u8]) {
    let [state, handoff, names, known] = parts(data);
    thread_local! {
        static SCENE: Scene = Scene::new();
    }
    SCENE.with(|scene| {
        scene.file("run/state.json", state);
        let dir = Private::create(&scene.path("run")).expect("a directory of our own");
        let own = Process::find(std::process::id()).expect("this process");
        if let Some(state) = ReportedState::read(&dir).expect("a file of our own") {
            let _ = (state.is_of(own), state.is_pending_for_this_process());
            state.write(&dir).expect("it can be written");
            assert_eq!(ReportedState::read(&dir).expect("it is there"), Some(state));
        }
        left(scene, &dir, own, handoff);
        // What a file can be named.
        let is_name = |name: &&str| !name.is_empty() && name.len() < 250 && !name.contains('/');
        let names = String::from_utf8_lossy(names);
        let names: Vec<&str> = names.lines().filter(is_name).take(20).collect();
        for name in &names {
            let _ = dir.mark(name);
        }
        zypp_commit::clean(&dir).expect("it can be listed");
        for name in names {
            let _ = dir.remove(name);
        }
        scene.file("cache/zypp-carriers", known);
        let written = serde_json::from_slice::<serde_json::Value>(known).unwrap_or_default();
        let state = written.get("state").cloned().unwrap_or_default();
        if let Ok(state) = serde_json::from_value::<carrier_cache::RepositoryState>(state)
            && let Some(known) = carrier_cache::CarrierCache::read(&scene.path("cache"), &state)
        {
            let _ = known.may_touch("a");
            let (solv, repositories) = (&scene.path("solv"), &scene.path("repos.d"));
            let sources = carrier_cache::Sources { solv, repositories };
            known
                .keep(&scene.path("cache"), sources)
                .expect("it can be kept");
        }
    });
}

/// A hand-off as it is, and as it would be had it been left for this process now.
fn left(scene: &Scene, dir: &Private, own: Process, text: &[u8]) {
    let commit = CommitFiles::of(dir, own);
    let name = format!("run/zypp-{}-{}.json", own.pid, own.started);
    scene.file(&name, text);
    let _ = commit.handed_over();
    let Ok(mut handoff) = serde_json::from_slice::<Handoff>(text) else {
        return;
    };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    handoff.schema = zypp_commit::SCHEMA;
    (handoff.pid, handoff.started) = (own.pid, own.started);
    handoff.boot = boot_id().expect("this boot");
    handoff.written = now.expect("a time").as_secs();
    scene.file(&name, &serde_json::to_vec(&handoff).expect("JSON"));
    match commit.handed_over() {
        Ok(read) => {
            assert_eq!(read.as_ref(), Some(&handoff));
            assert!(handoff.judged.iter().all(|nevra| handoff.has_judged(nevra)));
        }
        Err(_) => assert!(handoff.decision == Decision::Block && handoff.messages.is_empty()),
    }
    commit.forget().expect("it can be removed");
}

/// An entry of the cache, without its digests: a line of JSON and a base BTF.
pub(crate) fn cache(data: &[u8]) {
    let [flag, entry @ ..] = data else {
        return;
    };
    let split = entry.iter().position(|byte| *byte == b'\n');
    let (line, base) = entry.split_at(split.map_or(entry.len(), |at| at + 1));
    let mut line = line.to_vec();
    // As it is, or with the digest that it has to have.
    if flag & 1 == 1
        && let Ok(mut words) = serde_json::from_slice::<serde_json::Value>(&line)
        && let Some(digest) = words.get_mut("base_sha256")
    {
        *digest = hex(&Sha256::digest(base)).into();
        line = serde_json::to_vec(&words).expect("JSON");
        line.push(b'\n');
    }
    thread_local! {
        static SCENE: Scene = Scene::new();
    }
    SCENE.with(|scene| {
        let image = b"no image";
        let name = format!("cache/{}.image", hex(&Sha256::digest(image)));
        scene.file(&name, &[&Sha256::digest(&line)[..], &line, base].concat());
        let cache = Cache::open(&scene.path("cache")).expect("a cache of our own");
        if let Ok(image) = cache.parse(image) {
            assert_eq!(image.base_btf, base);
            let _ = Base::parse(image.base_btf);
        }
    });
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

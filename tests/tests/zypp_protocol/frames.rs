// SPDX-License-Identifier: GPL-2.0-or-later
//! Frames in pieces, cut off, late or meaningless, and answers in time.

use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::thread;
use std::time::{Duration, Instant};

use btf_guard_tests::Judge;

use crate::{ACK, Scene, TRANSCRIPTS, Talk, blocking, commit_begin, transcript};

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

/// Everything hangs that can; libzypp waits four seconds.
#[test]
fn libzypp_has_its_answer_in_time_whatever_hangs() {
    let hang = "sleep 1000 & wait";
    for (fetch, judge) in [(Some(hang), "exit 1"), (None, hang)] {
        let mut scene = Scene::new(Judge::script(judge));
        scene.fetch = fetch.map(str::to_owned);
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

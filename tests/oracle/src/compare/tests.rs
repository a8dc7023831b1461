// SPDX-License-Identifier: GPL-2.0-or-later
#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;

fn verdict(verdict: &str, errno: Option<i32>, log: &[&str]) -> Verdict {
    Verdict {
        verdict: verdict.to_owned(),
        cause: None,
        errno,
        log: log.iter().map(|line| (*line).to_owned()).collect(),
        reason: None,
    }
}

fn answer(errno: i32, btf: Option<u64>, log: &[&str]) -> Answer {
    Answer {
        errno,
        btf,
        log: log.iter().map(|line| (*line).to_owned()).collect(),
        lost: false,
    }
}

#[track_caller]
fn agrees(verdict: &Verdict, answer: &Answer, enforces: bool, expected: [bool; 3]) {
    let Outcome::Compared(agreement) = compare(verdict, answer, true, enforces) else {
        panic!("not compared");
    };
    assert_eq!(
        [agreement.verdict, agreement.errno, agreement.log],
        expected
    );
}

const REFUSED: [&str; 6] = [
    "BPF: [114893] STRUCT aegis_block ",
    "BPF: size=392 vlen=17",
    "BPF:  ",
    "BPF: Invalid name",
    "BPF: ",
    "failed to validate module [aegis128] BTF: -22",
];
const SAID: [&str; 3] = [
    "[114893] STRUCT aegis_block",
    "size=392 vlen=17",
    "Invalid name",
];

#[test]
fn a_refusal_agrees_in_all_three() {
    let said = verdict("refused", Some(-22), &SAID);
    agrees(&said, &answer(22, None, &REFUSED), true, [true; 3]);
    // Each by itself can differ.
    agrees(
        &said,
        &answer(0, Some(9), &REFUSED),
        true,
        [false, false, true],
    );
    agrees(&said, &answer(7, None, &REFUSED), true, [true, false, true]);
    let other = REFUSED.map(|line| {
        if line.contains("name") {
            "BPF: Invalid kind:0"
        } else {
            line
        }
    });
    agrees(&said, &answer(22, None, &other), true, [true, true, false]);
    let unsaid = &REFUSED[..5];
    agrees(&said, &answer(22, None, unsaid), true, [true, false, true]);
    let another = [
        &REFUSED[..5],
        &["failed to validate module [aegis128] BTF: -7"],
    ]
    .concat();
    agrees(
        &said,
        &answer(22, None, &another),
        true,
        [true, false, true],
    );
    // A line that nobody has accounted for.
    let more = [&["something else"], &REFUSED[..]].concat();
    agrees(&said, &answer(22, None, &more), true, [true, true, false]);
}

#[test]
fn a_module_that_loads_shows_its_btf_or_does_not() {
    let loads = verdict("loads", None, &[]);
    agrees(&loads, &answer(0, Some(700), &[]), true, [true; 3]);
    agrees(&loads, &answer(0, None, &[]), true, [false, true, true]);
    let wrong = verdict("btf-wrong", None, &[]);
    agrees(&wrong, &answer(0, Some(700), &[]), true, [true; 3]);
    let none = verdict("loads-no-btf", None, &[]);
    agrees(&none, &answer(0, None, &[]), true, [true; 3]);
    agrees(&none, &answer(0, Some(700), &[]), true, [false, true, true]);
    let busy = answer(0, Some(1), &["clocksource: Switched to clocksource tsc"]);
    agrees(&loads, &busy, true, [true; 3]);
    let tainted = answer(
        0,
        Some(1),
        &["x: module verification failed: signature missing"],
    );
    agrees(&loads, &tainted, true, [true; 3]);
}

#[test]
fn discarded_btf_loads_and_may_name_its_errno() {
    let said = verdict("btf-discarded", Some(-22), &SAID);
    agrees(&said, &answer(0, None, &REFUSED), false, [true; 3]);
    let another = [
        &REFUSED[..5],
        &["failed to validate module [aegis128] BTF: -7"],
    ]
    .concat();
    agrees(
        &said,
        &answer(0, None, &another),
        false,
        [true, false, true],
    );
    let silent = verdict("btf-discarded", Some(-22), &[]);
    let once = ["Kernel module BTF mismatch detected, BTF debug info may be unavailable"];
    agrees(&silent, &answer(0, None, &once), false, [true; 3]);
}

#[test]
fn what_is_not_about_btf_is_not_compared() {
    let loads = verdict("loads", None, &[]);
    let symbol = answer(2, None, &["foo: Unknown symbol bar (err -2)"]);
    assert_eq!(compare(&loads, &symbol, false, true), Outcome::NotReached);
    let twice = answer(17, None, &[]);
    assert_eq!(compare(&loads, &twice, false, true), Outcome::NotReached);
    // Its own init failed, after its BTF had been accepted.
    let failed = answer(19, None, &["foo: no such device"]);
    let Outcome::Compared(agreement) = compare(&loads, &failed, false, true) else {
        panic!("not compared");
    };
    assert!(agreement.whole());
    // Where a refusal would not have stopped it, nobody can tell.
    assert_eq!(compare(&loads, &failed, false, false), Outcome::NotReached);
    // A carrier has no such excuse.
    agrees(&loads, &failed, true, [false, false, false]);
    let bug = Verdict {
        cause: Some("kernel-bug".to_owned()),
        ..verdict("refused", None, &[])
    };
    assert_eq!(compare(&bug, &failed, true, true), Outcome::Open);
    let lost = Answer {
        lost: true,
        ..answer(22, None, &[])
    };
    assert_eq!(compare(&loads, &lost, true, true), Outcome::Lost);
}

#[test]
fn a_long_log_is_compared_as_it_is_reported() {
    let lines: Vec<String> = (0..100).map(|n| format!("BPF: {n}")).collect();
    let reported = [
        (0..32).map(|n| n.to_string()).collect(),
        vec!["(36 lines left out)".to_owned()],
        (68..100).map(|n| n.to_string()).collect(),
    ]
    .concat();
    let said = Verdict {
        log: reported,
        ..verdict("btf-discarded", Some(-22), &[])
    };
    let told = Answer {
        log: lines,
        ..answer(0, None, &[])
    };
    agrees(&said, &told, false, [true; 3]);
}

// SPDX-License-Identifier: GPL-2.0-or-later
use super::*;

const LIMITS: Limits = Limits {
    who: "the child",
    timeout: Duration::from_secs(20),
    limit: 9,
};

fn heard(script: &str, limits: &Limits) -> (Vec<String>, Result<Output, ChildError>) {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    let mut heard = Vec::new();
    let mut each = |line: &[u8]| heard.push(String::from_utf8_lossy(line).into_owned());
    let (input, group) = (File::open("/dev/null").unwrap(), ProcessGroup::Ours);
    let ended = lines(command, input, group, limits, &mut each);
    (heard, ended)
}

#[test]
fn lines_are_heard_one_by_one_whatever_pieces_they_come_in() {
    let script = "printf 'one\n\nt'; sleep 0.2; printf 'wo\nthree'; echo why >&2; exit 3";
    let (heard, ended) = heard(script, &LIMITS);
    assert_eq!(heard, ["one", "", "two", "three"]);
    let ended = ended.unwrap();
    assert_eq!(ended.status.unwrap().code(), Some(3));
    assert_eq!(ended.stderr.text(), "why");
}

#[test]
fn a_line_is_limited_and_their_number_is_not() {
    let (heard, ended) = self::heard("yes 12345678 | head -n 9999", &LIMITS);
    assert_eq!((heard.len(), ended.is_ok()), (9999, true));
    let (heard, ended) = self::heard("echo short; tr '\\0' x </dev/zero", &LIMITS);
    assert_eq!(heard, ["short"]);
    let is_too_long = matches!(ended, Err(ChildError::TooLong { .. }));
    assert!(is_too_long, "{ended:?}");
}

#[test]
fn a_child_of_our_job_has_our_group_and_another_its_own() {
    let group = "cut -d' ' -f5 /proc/$$/stat";
    let ours = rustix::process::getpgrp().as_raw_nonzero().to_string();
    let (heard, _) = heard(group, &LIMITS);
    assert_eq!(heard, [ours.as_str()]);
    let mut command = Command::new("sh");
    command.args(["-c", group]);
    let input = File::open("/dev/null").unwrap();
    let other = run(command, input, Vec::new(), &LIMITS).unwrap().stdout;
    assert_ne!(String::from_utf8_lossy(&other).trim(), ours);
}

#[test]
fn a_patience_of_ages_is_no_overflow() {
    let limits = Limits {
        timeout: Duration::MAX,
        ..LIMITS
    };
    assert_eq!(heard("echo in time", &limits).0, ["in time"]);
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! A terminal, and somebody at it.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::Outcome;

/// A text to wait for, and what to type then.
pub(crate) type Answer<'a> = (&'a str, &'a str);

/// How long nothing is shown by a program that waits for an answer.
const SETTLED: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 300_000_000,
};

/// How long nothing is shown after an answer that was not read.
const LOST: Timespec = Timespec {
    tv_sec: 10,
    tv_nsec: 0,
};

/// Runs a command at a terminal of its own, until it ends and everything it
/// started has let go of the terminal.
pub(crate) fn talk(command: Command, answers: &[Answer<'_>]) -> Outcome {
    let (ours, theirs) = pair();
    // A session of its own, whose terminal this is: as after a login.
    let mut session = Command::new("setsid");
    session
        .args(["--ctty", "--wait"])
        .arg(command.get_program())
        .args(command.get_args())
        .stdin(Stdio::from(theirs.try_clone().unwrap()))
        .stdout(Stdio::from(theirs.try_clone().unwrap()))
        .stderr(Stdio::from(theirs));
    let mut child = session.spawn().expect("setsid starts");
    // It holds their end of the terminal, whose closing is the end of the talk.
    drop(session);
    let shown = converse(File::from(ours), answers);
    let status = child.wait().unwrap();
    let stdout = match shown {
        Ok(shown) => shown,
        Err((missing, shown)) => panic!("{missing:?} was never shown, but ({status}): {shown}"),
    };
    Outcome {
        status,
        stdout,
        stderr: String::new(),
    }
}

fn pair() -> (OwnedFd, OwnedFd) {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let name = ptsname(&ours, Vec::new()).unwrap();
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let theirs = rustix::fs::open(name, flags, Mode::empty()).unwrap();
    (ours, theirs)
}

/// What was shown until the other end was closed; the first text that was not,
/// if there is one.
///
/// zypper discards what was typed before it began to read, which is after it has
/// asked. Nobody types that fast: an answer waits until no more is shown, and is
/// typed again if nothing comes of it.
fn converse(mut terminal: File, answers: &[Answer<'_>]) -> Result<String, (String, String)> {
    let mut answers = answers.iter();
    let mut next = answers.next();
    let (mut shown, mut heard) = (Vec::new(), 0);
    let mut due = None;
    let mut typed: Option<(&str, usize)> = None;
    let mut buffer = [0; 4096];
    loop {
        let patience = match (due, typed) {
            (Some(_), _) => Some(SETTLED),
            (None, Some(_)) => Some(LOST),
            (None, None) => None,
        };
        if !is_ready(&terminal, patience) {
            if let Some(reply) = due.take().or(typed.map(|(reply, _)| reply)) {
                terminal.write_all(reply.as_bytes()).unwrap();
                typed = Some((reply, shown.len()));
            }
            continue;
        }
        // Reading fails once nobody has the other end open.
        let Ok(read @ 1..) = terminal.read(&mut buffer) else {
            break;
        };
        shown.extend_from_slice(&buffer[..read]);
        // More than the echo of it.
        typed = typed.filter(|(reply, at)| shown.len() <= at + reply.len() + 1);
        if let Some((wanted, reply)) = next
            && String::from_utf8_lossy(&shown[heard..]).contains(wanted)
        {
            heard = shown.len();
            due = Some(*reply);
            next = answers.next();
        }
    }
    let shown = String::from_utf8_lossy(&shown).replace("\r\n", "\n");
    match next {
        Some((missing, _)) => Err(((*missing).to_owned(), shown)),
        None => Ok(shown),
    }
}

/// Is there something to read, or the end, before the time is over?
fn is_ready(terminal: &File, patience: Option<Timespec>) -> bool {
    let mut wanted = [PollFd::new(terminal, PollFlags::IN)];
    poll(&mut wanted, patience.as_ref()).unwrap() > 0
}

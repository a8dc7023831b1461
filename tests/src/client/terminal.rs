//! A terminal, and somebody at it.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::Outcome;

/// How long somebody thinks about an answer.
const THOUGHT: Duration = Duration::from_millis(300);

/// A text to wait for, and what to type then.
pub(crate) type Answer<'a> = (&'a str, &'a str);

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
fn converse(mut terminal: File, answers: &[Answer<'_>]) -> Result<String, (String, String)> {
    let mut answers = answers.iter();
    let mut next = answers.next();
    let (mut shown, mut heard) = (Vec::new(), 0);
    let mut buffer = [0; 4096];
    // Reading fails once nobody has the other end open.
    while let Ok(read @ 1..) = terminal.read(&mut buffer) {
        shown.extend_from_slice(&buffer[..read]);
        while let Some((wanted, reply)) = next {
            let news = String::from_utf8_lossy(&shown[heard..]).into_owned();
            if !news.contains(wanted) {
                break;
            }
            heard = shown.len();
            // zypper discards what is typed before it reads.
            thread::sleep(THOUGHT);
            terminal.write_all(reply.as_bytes()).unwrap();
            next = answers.next();
        }
    }
    let shown = String::from_utf8_lossy(&shown).replace("\r\n", "\n");
    match next {
        Some((missing, _)) => Err(((*missing).to_owned(), shown)),
        None => Ok(shown),
    }
}

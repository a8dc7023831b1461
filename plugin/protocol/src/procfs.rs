// SPDX-License-Identifier: GPL-2.0-or-later
//! Which process is which, from `/proc`.
//!
//! A process id alone names a process only while it lives: the next one may get
//! the same number. With the time it started the pair names one for good.

use std::fs::File;
use std::io::{self, Read};

use rustix::param::clock_ticks_per_second;

/// Longer than any `/proc/PID/stat`.
const MAX_STAT: u64 = 4096;

/// Longer than nearly all of them: read at once.
const USUAL_STAT: usize = 512;

/// Longer than `/proc/stat` of a machine with a thousand processors.
const MAX_SYSTEM_STAT: u64 = 4 << 20;

/// Ancestors that are followed: far more than people nest processes.
const MAX_ANCESTORS: usize = 1024;

/// One process, of this boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// When it started, in the kernel's clock ticks since boot.
    pub started: u64,
    parent: u32,
}

impl Process {
    /// The living process of that number.
    pub fn find(pid: u32) -> io::Result<Self> {
        let mut stat = Vec::with_capacity(USUAL_STAT);
        File::open(format!("/proc/{pid}/stat"))?
            .take(MAX_STAT)
            .read_to_end(&mut stat)?;
        let understood = parse(&String::from_utf8_lossy(&stat));
        let (state, parent, started) =
            understood.ok_or_else(|| io::Error::other("/proc/PID/stat is not understood"))?;
        if matches!(state, 'Z' | 'X') {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(Self {
            pid,
            started,
            parent,
        })
    }

    /// When it started, in seconds since 1970: less than two too early, never too
    /// late.
    pub fn started_at(self) -> io::Result<u64> {
        let mut stat = String::new();
        File::open("/proc/stat")?
            .take(MAX_SYSTEM_STAT)
            .read_to_string(&mut stat)?;
        let boot = stat.lines().find_map(|line| line.strip_prefix("btime "));
        let boot: Option<u64> = boot.and_then(|seconds| seconds.trim().parse().ok());
        let boot = boot.ok_or_else(|| io::Error::other("/proc/stat has no btime"))?;
        let since_boot = self.started / clock_ticks_per_second().max(1);
        // Both are rounded down.
        Ok(boot.saturating_add(since_boot))
    }

    /// Does it live, and is it not another of the same number?
    pub fn lives(pid: u32, started: u64) -> bool {
        Self::find(pid).is_ok_and(|found| found.started == started)
    }

    /// Is it this process, or one that this process descends from?
    pub fn is_ancestor_of_mine(self) -> io::Result<bool> {
        let mut process = Self::find(std::process::id())?;
        for _ in 0..MAX_ANCESTORS {
            if process.pid == self.pid {
                return Ok(process.started == self.started);
            }
            if process.parent == 0 {
                break;
            }
            process = Self::find(process.parent)?;
        }
        Ok(false)
    }
}

/// State, parent and start time: fields 3, 4 and 22 of proc_pid_stat(5). The
/// second, the program's name in parentheses, may hold blanks and parentheses.
pub fn parse(stat: &str) -> Option<(char, u32, u64)> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    let parent = fields.next()?.parse().ok()?;
    let started = fields.nth(22 - 5)?.parse().ok()?;
    Some((state, parent, started))
}

/// What the kernel names this boot by.
pub fn boot_id() -> io::Result<String> {
    let mut id = String::new();
    File::open("/proc/sys/kernel/random/boot_id")?
        .take(64)
        .read_to_string(&mut id)?;
    Ok(id.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn the_programs_name_is_not_taken_for_fields() {
        let stat = "7 (a) S 1 (b) S 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 777 23";
        assert_eq!(parse(stat), Some(('S', 4, 777)));
        assert_eq!(parse("7 (a) S 3 4"), None);
        assert_eq!(parse(""), None);
    }

    #[test]
    fn the_living_are_told_from_the_dead() {
        let since_1970 = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let before = since_1970().unwrap().as_secs();
        let own = Process::find(std::process::id()).unwrap();
        assert!(Process::lives(own.pid, own.started));
        assert!(!Process::lives(own.pid, own.started + 1));

        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let sleeping = Process::find(child.id()).unwrap();
        assert_eq!(sleeping.parent, own.pid);
        assert!(sleeping.started >= own.started);
        assert!(!sleeping.is_ancestor_of_mine().unwrap());
        let started = sleeping.started_at().unwrap();
        let now = since_1970().unwrap().as_secs();
        assert!((before - 2..=now).contains(&started), "{before} {started}");
        child.kill().unwrap();
        // Dead, and not yet reaped.
        let dead = || !Process::lives(sleeping.pid, sleeping.started);
        let mut waits = 0;
        while !dead() && waits < 100 {
            std::thread::sleep(std::time::Duration::from_millis(20));
            waits += 1;
        }
        assert!(dead());
        child.wait().unwrap();
        assert!(dead());
    }

    #[test]
    fn ancestors_are_found() {
        let own = Process::find(std::process::id()).unwrap();
        assert!(own.is_ancestor_of_mine().unwrap());
        let parent = Process::find(own.parent).unwrap();
        assert!(parent.is_ancestor_of_mine().unwrap());
        let impostor = Process {
            started: parent.started + 1,
            ..parent
        };
        assert!(!impostor.is_ancestor_of_mine().unwrap());
        assert_eq!(boot_id().unwrap().len(), 36);
    }
}

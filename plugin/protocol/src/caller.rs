// SPDX-License-Identifier: GPL-2.0-or-later
//! Who starts a transaction: the user, and the program.

use std::fs::{self, File};
use std::io::{self, Read};

use rustix::process::getuid;
use serde::{Deserialize, Serialize};

/// What a name in `/proc` is cut to, in bytes; the kernel keeps 15.
const MAX_COMM: u64 = 64;

/// Who is behind a process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Who {
    /// The process's own user.
    pub uid: u32,
    /// The user who logged in, whatever he became since. `None` for a service.
    #[serde(default)]
    pub login_uid: Option<u32>,
    /// `SUDO_USER`. Whoever runs the process can set it.
    #[serde(default)]
    pub sudo_user: Option<String>,
    /// `SUDO_UID`, likewise.
    #[serde(default)]
    pub sudo_uid: Option<u32>,
}

impl Who {
    /// Of this process, whose environment has these variables.
    pub fn of_this_process(variable: impl Fn(&str) -> Option<String>) -> Self {
        Self {
            uid: getuid().as_raw(),
            login_uid: login_uid(),
            sudo_user: variable("SUDO_USER").filter(|name| !name.is_empty()),
            sudo_uid: variable("SUDO_UID").and_then(|uid| uid.parse().ok()),
        }
    }
}

/// The kernel writes -1 for a process that descends from no login
/// (`proc_loginuid_read()`, fs/proc/base.c).
fn login_uid() -> Option<u32> {
    let uid: u32 = first_line("/proc/self/loginuid").ok()?.parse().ok()?;
    (uid != u32::MAX).then_some(uid)
}

/// The name of a process's program; empty where `/proc` does not tell.
///
/// It is that of the file that runs: zypper names its first thread otherwise. What
/// an interpreter runs, as dnf 4, is known by the name that `ps` shows.
pub fn program(pid: u32) -> String {
    let file = fs::read_link(format!("/proc/{pid}/exe")).ok();
    let file = file.as_ref().and_then(|file| file.file_name()?.to_str());
    let file = file.map(|name| name.trim_end_matches(" (deleted)"));
    let name = match file.filter(|name| !name.starts_with("python")) {
        Some(name) => name.to_owned(),
        None => first_line(&format!("/proc/{pid}/comm")).unwrap_or_default(),
    };
    name.chars().filter(|c| !c.is_control()).collect()
}

fn first_line(path: &str) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_COMM).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_a_name() {
        let name = program(std::process::id());
        assert!(!name.is_empty() && !name.contains('\n'), "{name:?}");
        assert_eq!(program(u32::MAX), "");
    }
}

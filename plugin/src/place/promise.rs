//! The rpm plugin's promise that it will judge the disk when its transaction is
//! over, for hooks that run in the midst of it, from scriptlets.
//!
//! What such a hook sees is half done, and what it prints is a scriptlet's output,
//! which some clients hide. The plugin sees all of it, and is heard.
//!
//! A promise is a file `promise-PID-START` in [`private::RUN`](super::private::RUN),
//! named after the process whose transaction it is, by its number and start time.

use std::io;

use super::private::Private;
use super::process::Process;

/// What the names start with.
const PREFIX: &str = "promise-";

/// A promise that was given. Dropping it takes it back.
#[derive(Debug)]
pub struct Promise {
    dir: Private,
    name: String,
}

impl Promise {
    /// Gives one for this process's transaction, and takes back those of dead
    /// processes.
    ///
    /// # Errors
    /// Those of the system; then hooks will speak for themselves.
    pub fn give(dir: Private) -> io::Result<Self> {
        for name in dir.names()? {
            if given_by(&name).is_some_and(|(pid, started)| !Process::lives(pid, started)) {
                let _ = dir.remove(&name);
            }
        }
        let Process { pid, started, .. } = Process::find(std::process::id())?;
        let name = format!("{PREFIX}{pid}-{started}");
        dir.mark(&name)?;
        Ok(Self { dir, name })
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        // One that stays is void when this process has ended.
        let _ = self.dir.remove(&self.name);
    }
}

/// Does this process run in the midst of a transaction whose disk will be judged?
///
/// # Errors
/// Where the directory cannot be listed.
pub fn is_given_to_me(dir: &Private) -> io::Result<bool> {
    let names = dir.names()?;
    let mut given = names.iter().filter_map(|name| given_by(name));
    Ok(given.any(|(pid, started)| {
        Process::find(pid).is_ok_and(|process| {
            process.started == started && process.is_ancestor_of_mine().unwrap_or(false)
        })
    }))
}

/// The process that a promise is named after.
fn given_by(name: &str) -> Option<(u32, u64)> {
    let (pid, started) = name.strip_prefix(PREFIX)?.split_once('-')?;
    Some((pid.parse().ok()?, started.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_promise_holds_until_it_is_dropped() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("run");
        let dir = || Private::create(&path).unwrap();
        assert!(!is_given_to_me(&dir()).unwrap());
        let promise = Promise::give(dir()).unwrap();
        assert!(is_given_to_me(&dir()).unwrap());
        drop(promise);
        assert!(!is_given_to_me(&dir()).unwrap());
        assert_eq!(std::fs::read_dir(&path).unwrap().count(), 0);
    }

    #[test]
    fn the_promises_of_strangers_and_the_dead_are_void() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("run");
        let dir = || Private::create(&path).unwrap();
        let own = Process::find(std::process::id()).unwrap();
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let stranger = Process::find(child.id()).unwrap();
        let name = |pid: u32, started: u64| format!("promise-{pid}-{started}");
        let stranger = name(stranger.pid, stranger.started);
        let names = [
            stranger.clone(),
            name(own.pid, own.started + 1),
            "promise-x-1".to_owned(),
            "promise-1".to_owned(),
        ];
        for name in &names {
            dir().mark(name).unwrap();
        }
        assert!(!is_given_to_me(&dir()).unwrap());
        // What is no promise stays, and so does that of a living process.
        let promise = Promise::give(dir()).unwrap();
        let left = |name: &String| path.join(name).exists();
        assert_eq!(names.each_ref().map(left), [true, false, true, true]);
        drop(promise);
        child.kill().unwrap();
        child.wait().unwrap();
        let promise = Promise::give(dir()).unwrap();
        assert!(!left(&stranger));
        drop(promise);
    }
}

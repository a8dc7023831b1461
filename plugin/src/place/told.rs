//! What was told of a client's transactions, for hooks that come later: a client's
//! own plugin, which sees the disk that the rpm plugin saw, is not to tell it again.
//!
//! The file `told` in [`private::RUN`](super::private::RUN) is about the last
//! transaction whose disk was judged, whatever came of it, or of which the rpm
//! plugin has seen that there is nothing to judge. Where the plugin is off, there
//! is no file or an older one.
//!
//! The action of dnf 4 reads it too, by the shell, without a program: the keys that
//! it looks at are the first, in this order, with no blank between them.

use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::private::{Private, Refused};
use super::process::Process;

/// The version of [`Told`].
pub const SCHEMA: u32 = 1;

/// Its name in the directory.
const NAME: &str = "told";

/// The longest that is read, in bytes: tens of thousands of keys.
const MAX_TOLD: u64 = 8 << 20;

/// What was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The process that did the transaction, by its number…
    pub pid: u32,
    /// …and when it started, in the kernel's clock ticks since boot.
    pub started: u64,
    /// The root that the transaction worked on.
    pub root: PathBuf,
    /// When the disk was judged last, in seconds since 1970: what changed later
    /// has not been looked at.
    pub looked: u64,
    /// No package of the transaction has a module or a kernel, and a glance has
    /// shown that its scriptlets have changed none. Nothing was judged.
    #[serde(default)]
    pub is_idle: bool,
    /// What was told of the client's transactions, before them and after: for
    /// [`Plan::said`](super::plan::Plan::said).
    pub keys: Vec<String>,
}

impl Told {
    /// What this process has told of its transaction on `root`.
    ///
    /// # Errors
    /// Where `/proc` does not tell of this process.
    pub fn of_this_process(root: PathBuf, looked: u64, keys: Vec<String>) -> io::Result<Self> {
        let process = Process::find(std::process::id())?;
        Ok(Self::of(process, root, looked, keys))
    }

    /// That this process's transaction on `root` has changed no module and no kernel,
    /// looked at then, in seconds since 1970.
    ///
    /// # Errors
    /// Where `/proc` does not tell of this process.
    pub fn idle(root: PathBuf, looked: u64) -> io::Result<Self> {
        Ok(Self {
            is_idle: true,
            ..Self::of_this_process(root, looked, Vec::new())?
        })
    }

    /// What was told of a client's transaction on `root`.
    pub fn of(client: Process, root: PathBuf, looked: u64, keys: Vec<String>) -> Self {
        Self {
            schema: SCHEMA,
            pid: client.pid,
            started: client.started,
            root,
            looked,
            is_idle: false,
            keys,
        }
    }

    /// Leaves it, in place of what was told of an earlier transaction.
    ///
    /// # Errors
    /// Those of the system; then there is nothing new.
    pub fn leave(&self, dir: &Private) -> io::Result<()> {
        dir.write(NAME, &serde_json::to_vec(self)?)
    }

    /// What was told last. `None` where nothing was, and where
    /// it is of another version.
    ///
    /// # Errors
    /// [`Refused`] where it is not this user's own file, or is too long.
    pub fn last(dir: &Private) -> Result<Option<Self>, Refused> {
        let text = dir.read(NAME, MAX_TOLD)?;
        let told = text.and_then(|text| serde_json::from_slice::<Self>(&text).ok());
        Ok(told.filter(|told| told.schema == SCHEMA))
    }

    /// Takes it away, whatever is told there by now.
    ///
    /// # Errors
    /// Those of the system.
    pub fn forget(dir: &Private) -> io::Result<()> {
        dir.remove(NAME)
    }

    /// Is it about this process's transactions?
    pub fn is_of(&self, client: Process) -> bool {
        (self.pid, self.started) == (client.pid, client.started)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use super::*;

    #[test]
    fn what_is_left_is_found() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("run");
        let dir = Private::create(&path).unwrap();
        assert_eq!(Told::last(&dir).unwrap(), None);
        let keys = vec!["a".to_owned()];
        let told = Told::of_this_process("/".into(), 7, keys).unwrap();
        told.leave(&dir).unwrap();
        assert_eq!(Told::last(&dir).unwrap().as_ref(), Some(&told));
        assert!(told.is_of(Process::find(std::process::id()).unwrap()));

        let idle = Told::idle("/".into(), 8).unwrap();
        assert!(idle.is_idle && !told.is_idle);
        idle.leave(&dir).unwrap();
        assert_eq!(Told::last(&dir).unwrap(), Some(idle));
        Told::forget(&dir).unwrap();
        assert_eq!(Told::last(&dir).unwrap(), None);

        for text in [
            "",
            "{}",
            &serde_json::to_string(&told)
                .unwrap()
                .replace("schema\":1", "schema\":2"),
        ] {
            fs::write(path.join("told"), text).unwrap();
            assert_eq!(Told::last(&dir).unwrap(), None, "{text}");
        }
        fs::remove_file(path.join("told")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", path.join("told")).unwrap();
        assert!(Told::last(&dir).is_err());
    }

    #[test]
    fn another_client_is_told_apart() {
        let own = Process::find(std::process::id()).unwrap();
        let told = Told::of(own, "/".into(), 7, Vec::new());
        assert!(told.is_of(own));
        let earlier = Told {
            started: own.started - 1,
            ..told.clone()
        };
        assert!(!earlier.is_of(own));
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let other = Process::find(child.id()).unwrap();
        assert!(!told.is_of(other));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

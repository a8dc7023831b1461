//! What libzypp offers to the user after a commit.
//!
//! libzypp looks for files named after the packages that it has installed, as
//! `NAME-EDITION-…` (`RunUpdateMessages()`, zypp/target/TargetImpl.cc), before
//! COMMITEND. So one is left at COMMITBEGIN where there is something to tell by
//! then; zypper reads it after COMMITEND, which may have changed it.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use btf_guard::place::fetch::CommitStep;
use btf_guard::place::plan::{Level, Message};
use btf_guard::terminal::escape;

/// One file.
#[derive(Debug)]
pub(crate) struct Notice {
    path: PathBuf,
}

impl Notice {
    /// For a commit that installs `step`; `None` where nobody reads such files.
    pub(crate) fn about(directory: &Path, step: Option<&CommitStep>) -> Option<Self> {
        let name = step.map_or_else(
            || "btf-guard-notify.txt".to_owned(),
            |step| format!("{}-{}-btf-guard.txt", step.name, step.nevra().evr()),
        );
        directory.is_dir().then(|| Self {
            path: directory.join(name),
        })
    }

    /// Writes it, all or nothing.
    pub(crate) fn write(&self, messages: &[Message]) -> io::Result<()> {
        let temporary = self.path.with_extension(std::process::id().to_string());
        let written =
            write(&temporary, &text(messages)).and_then(|()| fs::rename(&temporary, &self.path));
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        written
    }

    /// Takes it back.
    pub(crate) fn remove(&self) -> io::Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(path)?;
    file.write_all(text.as_bytes())
}

fn text(messages: &[Message]) -> String {
    let mut text =
        "What btf-guard found out about the kernel modules of this update:\n\n".to_owned();
    for message in messages {
        let mark = match message.level {
            Level::Error | Level::Warning => "* ",
            Level::Notice => "  ",
        };
        text.push_str(mark);
        text.push_str(&escape(&message.text));
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use btf_guard::place::fetch::CommitAction;

    use super::*;

    fn warning(text: &str) -> Vec<Message> {
        vec![Message {
            level: Level::Warning,
            text: text.to_owned(),
        }]
    }

    fn step() -> CommitStep {
        CommitStep {
            action: CommitAction::Install,
            name: "foo-kmp".to_owned(),
            epoch: Some(2),
            version: "1.0".to_owned(),
            release: "3".to_owned(),
            arch: "x86_64".to_owned(),
        }
    }

    #[test]
    fn it_is_named_so_that_libzypp_finds_it() {
        let directory = tempfile::tempdir().unwrap();
        let notice = Notice::about(directory.path(), Some(&step())).unwrap();
        notice.write(&warning("one\u{1b}[2J")).unwrap();
        let path = directory.path().join("foo-kmp-2:1.0-3-btf-guard.txt");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.ends_with("\n\n* one\\u{1b}[2J\n"), "{text}");
        notice.write(&warning("two")).unwrap();
        assert!(fs::read_to_string(&path).unwrap().ends_with("* two\n"));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        notice.remove().unwrap();
        notice.remove().unwrap();
        assert!(!path.exists());
        assert!(Notice::about(Path::new("/nonexistent"), None).is_none());
    }

    #[test]
    fn a_link_in_its_place_is_replaced_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        let victim = directory.path().join("victim");
        fs::write(&victim, "kept").unwrap();
        symlink(&victim, directory.path().join("btf-guard-notify.txt")).unwrap();
        let notice = Notice::about(directory.path(), None).unwrap();
        notice.write(&warning("one")).unwrap();
        assert_eq!(fs::read_to_string(&victim).unwrap(), "kept");
    }
}

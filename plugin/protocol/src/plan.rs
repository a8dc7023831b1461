// SPDX-License-Identifier: GPL-2.0-or-later
//! The plan: what a hook tells `btf-guard judge` of a transaction, and the answer.
//!
//! One JSON object each way. The hook writes a [`Plan`] to the judge's standard
//! input, leaves the packages' files open as inherited descriptors, and reads an
//! [`Answer`] from its standard output.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::decision::{Decision, Mode};
use crate::override_source::{Override, OverrideSource};
use crate::terminal::escape;

/// The version of [`Plan`] and of every JSON report.
pub const SCHEMA: u32 = 2;

/// A transaction, as far as it touches modules and kernels.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Plan {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The root that the transaction works on, `/` on a running machine.
    pub root: PathBuf,
    /// Before the first change, after the last, or without any.
    #[serde(default)]
    pub stage: Stage,
    /// `rpm --test`, or a client's own test run: nothing will change.
    pub test: bool,
    /// What the environment or the rpm macro asks for, if anything.
    pub mode: Option<Mode>,
    /// Which of the two asks. `None` where the hook itself can do no more than
    /// `mode` says.
    #[serde(default)]
    pub mode_source: Option<OverrideSource>,
    /// What is changed is an image of a system, to be booted later, even if the
    /// root is `/`: the running kernel will not meet it.
    #[serde(default)]
    pub offline_image: bool,
    /// When the transaction began, in seconds since 1970: what changed later
    /// than that is its work. For [`Stage::Post`].
    #[serde(default)]
    pub since: Option<u64>,
    /// Nothing but the kernels and modules of this release.
    #[serde(default)]
    pub release: Option<String>,
    /// File systems with boot entries, besides those that every root has.
    #[serde(default)]
    pub esps: Vec<PathBuf>,
    /// What was told of this transaction already: the [`Answer::keys`] of
    /// earlier answers. It is not told again.
    #[serde(default)]
    pub reported_keys: Vec<String>,
    /// Where packages were fetched from, as far as that is known: aliases of
    /// repositories by name, epoch, version, release, architecture.
    #[serde(default)]
    pub repositories: BTreeMap<String, String>,
    /// rpm's database inside the root, as its configuration says where the transaction
    /// is.
    #[serde(default)]
    pub rpm_database: Option<PathBuf>,
    /// The transaction's elements that carry or remove module or kernel files.
    pub elements: Vec<Element>,
}

impl Plan {
    /// A transaction on `root` that does nothing yet, before its first change.
    pub fn new(root: PathBuf) -> Self {
        Self {
            schema: SCHEMA,
            root,
            ..Self::default()
        }
    }
}

/// When a plan is judged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Before the first change: the packages tell what will be, and a block is
    /// still possible.
    #[default]
    Pre,
    /// After the last change: the disk tells what is, scriptlets' work included.
    Post,
    /// The disk tells what is, whatever has changed it: there is no transaction.
    None,
}

/// One transaction element.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Element {
    /// Name, epoch, version, release, architecture.
    pub nevra: String,
    /// Does it come or go?
    pub action: Action,
    /// The package file, as a descriptor number that the judge inherits, at
    /// offset 0. `None` for erased elements and where it could not be opened.
    pub file: Option<i32>,
    /// The element's module and kernel-image files, as absolute paths inside the root.
    pub paths: Vec<PathBuf>,
    /// The files of a package that comes, as far as they may be such files, that are not
    /// installed under the path by which the package has them.
    #[serde(default)]
    pub moved: Vec<MovedFile>,
}

/// A file that its package has under another path than the root will, or that is not
/// installed: by `rpm --relocate`, `--prefix`, `--excludepath`, `%_netsharedpath`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MovedFile {
    /// The path in the package.
    pub from: PathBuf,
    /// The path inside the root; `None` for a file that is not installed.
    pub to: Option<PathBuf>,
}

/// What happens to a transaction element.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It is installed (also: the new half of an upgrade).
    Install,
    /// It is removed (also: the old half of an upgrade).
    Erase,
}

/// What the hook needs of the judge's answer. The JSON holds the whole report
/// besides; a hook ignores it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Answer {
    pub(crate) schema: u32,
    /// What to do.
    pub decision: Decision,
    /// What to tell the admin, a line each, ready to print.
    pub messages: Vec<Message>,
    /// A word for each module and kernel that the messages are about, and for
    /// each that could not be judged, the same before and after a transaction:
    /// for [`Plan::reported_keys`].
    #[serde(default)]
    pub keys: Vec<String>,
    /// What made the decision another one than the policy's files alone would.
    #[serde(default)]
    pub overrides: Vec<Override>,
    /// The overrides among them that hold for one transaction, by their ids: who
    /// follows this answer has them used up
    /// ([`settle`](crate::record_client::settle)).
    #[serde(default)]
    pub once: Vec<String>,
    /// What is to be done instead where one of those is gone by then.
    #[serde(default)]
    pub(crate) fallback: Option<Reply>,
    /// All that the judge has said, for the records.
    #[serde(skip)]
    pub whole: Option<Box<RawValue>>,
}

/// A decision alone: the record's, or one without overrides that hold for one
/// transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// What to do.
    pub decision: Decision,
    /// What to tell the admin.
    pub messages: Vec<Message>,
}

impl Answer {
    /// One that nothing else is known of.
    pub fn new(decision: Decision, messages: Vec<Message>, keys: Vec<String>) -> Self {
        Self {
            schema: SCHEMA,
            decision,
            messages,
            keys,
            overrides: Vec::new(),
            once: Vec::new(),
            fallback: None,
            whole: None,
        }
    }

    /// Makes it what it would be without the overrides that hold for one
    /// transaction: one of them is gone, or nobody knows.
    pub fn fall_back(&mut self) {
        self.once.clear();
        self.overrides
            .retain(|o| o.source != OverrideSource::OneShot);
        match self.fallback.take() {
            Some(Reply { decision, messages }) => {
                (self.decision, self.messages) = (decision, messages);
            }
            // The judge always leaves one; without, nothing stops.
            None => self.decision = self.decision.min(Decision::Warn),
        }
    }

    /// The overrides that this transaction has used up by going on. One that denies is used
    /// up by what it stops.
    pub fn used_up(&self) -> Vec<Override> {
        let is_used_up = |o: &&Override| o.source == OverrideSource::OneShot && !o.denies;
        let used = self
            .overrides
            .iter()
            .filter(|_| self.decision != Decision::Block);
        used.filter(is_used_up).cloned().collect()
    }

    /// The kernel command line says `off`: nothing was judged. It only lowers, so
    /// that what comes to nothing by it is `off`.
    pub fn is_off(&self) -> bool {
        let last = self.overrides.last();
        self.decision == Decision::Allow
            && last.is_some_and(|o| o.source == OverrideSource::CommandLine)
    }
}

/// One line for the admin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// How loud.
    pub level: Level,
    /// One line, without a line break.
    pub text: String,
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = match self.level {
            Level::Error => "error: ",
            Level::Warning => "warning: ",
            Level::Notice => "",
        };
        write!(f, "{prefix}{}", escape(&self.text))
    }
}

/// A path as a plan has it: JSON holds text only. A name that is none gets replacement
/// characters; the judge does not find it, and every other path is still judged.
pub fn text_path(path: &Path) -> PathBuf {
    PathBuf::from(path.to_string_lossy().into_owned())
}

/// The most lines of one answer that are shown. The judge groups what it found; more
/// is noise, and the rest is in `btf-guard check`.
const MAX_LINES: usize = 200;

/// The lines of one answer as they are shown, at most [`MAX_LINES`]. For a log, where
/// each line is an entry and those of others stand between them, a line that is
/// indented goes behind the one before.
pub fn lines_to_show(lines: Vec<Message>, in_log: bool) -> Vec<Message> {
    let mut shown: Vec<Message> = Vec::new();
    for line in lines {
        match (line.text.strip_prefix("  "), shown.last_mut()) {
            (Some(more), Some(first)) if in_log => {
                first.text.push_str("; ");
                first.text.push_str(more);
            }
            _ => shown.push(line),
        }
    }
    let more = shown.len().saturating_sub(MAX_LINES);
    shown.truncate(MAX_LINES);
    if more > 0 {
        let text = format!("btf-guard: {more} more lines not shown");
        let level = Level::Notice;
        shown.push(Message { level, text });
    }
    shown
}

/// Whether what this process changes is an image or snapshot that is booted later,
/// by its environment: openSUSE's transactional-update sets `TRANSACTIONAL_UPDATE`
/// for what it runs.
pub fn is_offline_image(variable: impl Fn(&str) -> Option<OsString>) -> bool {
    variable("TRANSACTIONAL_UPDATE").is_some_and(|value| !value.is_empty())
}

/// How loud a [`Message`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Belongs to a block.
    Error,
    /// Belongs to a warning.
    Warning,
    /// Worth knowing.
    Notice,
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn a_finding_becomes_one_line() {
        let line = |level, text: &str| Message {
            level,
            text: text.to_owned(),
        };
        let lines = vec![
            line(Level::Error, "blocked"),
            line(Level::Error, "  help: wait"),
            line(Level::Error, "  modules: a"),
            line(Level::Warning, "another"),
            line(Level::Notice, "third"),
            line(Level::Notice, "  note: x"),
        ];
        let expected = [
            line(Level::Error, "blocked; help: wait; modules: a"),
            line(Level::Warning, "another"),
            line(Level::Notice, "third; note: x"),
        ];
        assert_eq!(lines_to_show(lines.clone(), true), expected);
        assert_eq!(lines_to_show(lines.clone(), false), lines);
        let alone = vec![line(Level::Notice, "  set in")];
        assert_eq!(lines_to_show(alone.clone(), true), alone);
        let many = vec![line(Level::Warning, "w"); MAX_LINES + 2];
        let shown = lines_to_show(many.clone(), false);
        assert_eq!(shown.len(), MAX_LINES + 1);
        assert_eq!(shown.get(..MAX_LINES), many.get(..MAX_LINES));
        let last = shown.last().unwrap().to_string();
        assert_eq!(last, "btf-guard: 2 more lines not shown");
        let many = many.get(..MAX_LINES).unwrap().to_vec();
        assert_eq!(lines_to_show(many.clone(), true), many);
    }

    #[test]
    fn a_message_has_its_level_in_front_and_steers_no_terminal() {
        for (level, line) in [
            (Level::Error, "error: a\\u{1b}b\\u{202e}"),
            (Level::Warning, "warning: a\\u{1b}b\\u{202e}"),
            (Level::Notice, "a\\u{1b}b\\u{202e}"),
        ] {
            let text = "a\x1bb\u{202e}".to_owned();
            assert_eq!(Message { level, text }.to_string(), line);
        }
    }

    #[test]
    fn a_path_that_is_not_utf8_is_still_a_path() {
        for (path, text) in [
            (&b"/lib/m.ko"[..], "/lib/m.ko"),
            (b"/lib/\xff.ko", "/lib/\u{fffd}.ko"),
        ] {
            let path = Path::new(OsStr::from_bytes(path));
            assert_eq!(text_path(path), Path::new(text));
        }
    }

    #[test]
    fn an_empty_variable_is_none() {
        let found = |value: &'static str| {
            is_offline_image(|name| (name == "TRANSACTIONAL_UPDATE").then(|| value.into()))
        };
        assert!(found("true") && !found(""));
        assert!(!is_offline_image(|_| None));
    }
}

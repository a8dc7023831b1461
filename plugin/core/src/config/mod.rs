// SPDX-License-Identifier: GPL-2.0-or-later
//! The configuration of the machine that this runs on.
//!
//! Files are read one after another, and what a later one says wins:
//! `/usr/share/btf-guard/btf-guard.toml`, `/etc/btf-guard.toml`,
//! `/etc/btf-guard.d/*.toml` by name. One that is broken, or that somebody else
//! than root can write, is left out as a whole, and the rest counts: nothing that
//! is wrong here stops a transaction.

mod error;
mod file;
mod strict;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use btf_guard_protocol::decision::Mode;
use btf_guard_protocol::override_source::OverrideSource;
use btf_guard_protocol::state::trusted_dir::Private;

use serde::{Deserialize, Serialize};

use crate::module::source::Regular;
use crate::policy::{ConfigPaths, Policy, Set};

pub use error::ConfigProblem;

/// The longest file that is read, in bytes.
const MAX_FILE: u64 = 1 << 20;
/// Files in `/etc/btf-guard.d` that are read.
const MAX_FILES: usize = 256;
/// Rules of all files.
const MAX_RULES: usize = 1024;
/// Longer than any kernel takes its command line, in bytes.
const MAX_CMDLINE: u64 = 64 << 10;
/// Where `jsonl = true` writes to.
pub(crate) const DEFAULT_LOG: &str = "/var/log/btf-guard.jsonl";

/// What becomes of a transaction that cannot be judged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnError {
    /// It goes on, with a warning.
    #[default]
    Warn,
    /// It is stopped.
    Block,
}

/// What files say, or what is built in where they say nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Config {
    /// The most that findings may come to.
    pub mode: Set<Mode>,
    /// What becomes of a transaction that cannot be judged.
    pub on_error: Set<OnError>,
    /// How bad what is.
    pub policy: Policy,
    /// A file that gets a line for each event.
    pub jsonl: Set<Option<PathBuf>>,
}

/// A configuration, and what was left out of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Loaded {
    /// What counts.
    pub config: Config,
    /// What is wrong with files that do not.
    pub problems: Vec<ConfigProblem>,
    /// The files that count, in their order.
    pub files: Vec<PathBuf>,
}

impl Loaded {
    /// Reads all files. Those that are not there say nothing.
    pub fn read(places: &ConfigPaths) -> Self {
        let mut loaded = Self::default();
        loaded.add_file(&places.vendor);
        loaded.add_file(&places.admin);
        match Private::of_system(&places.drop_ins) {
            Ok(None) => {}
            Ok(Some(dir)) => loaded.add_all(&dir, &places.drop_ins),
            Err(refused) => loaded
                .problems
                .push(ConfigProblem::of(&places.drop_ins, &refused)),
        }
        loaded
    }

    fn add_file(&mut self, path: &Path) {
        let (Some(dir), Some(name)) = (path.parent(), path.file_name().and_then(|n| n.to_str()))
        else {
            return;
        };
        match Private::of_system(dir) {
            Ok(None) => {}
            Ok(Some(dir)) => self.add(&dir, name, path),
            Err(refused) => self.problems.push(ConfigProblem::of(path, &refused)),
        }
    }

    fn add_all(&mut self, dir: &Private, path: &Path) {
        let names = match dir.names() {
            Ok(names) => names,
            Err(error) => return self.problems.push(ConfigProblem::of(path, &error)),
        };
        let is_ours = |name: &String| name.ends_with(".toml") && !name.starts_with('.');
        let mut names: Vec<String> = names.into_iter().filter(is_ours).collect();
        names.sort_unstable();
        if names.len() > MAX_FILES {
            let what = format!("it has more than {MAX_FILES} files: the others are not read");
            self.problems.push(ConfigProblem::of(path, &what));
        }
        for name in names.iter().take(MAX_FILES) {
            self.add(dir, name, &path.join(name));
        }
    }

    fn add(&mut self, dir: &Private, name: &str, path: &Path) {
        let text = match dir.read(name, MAX_FILE) {
            Ok(None) => return,
            Ok(Some(text)) => text,
            Err(refused) => return self.problems.push(ConfigProblem::of(path, &refused)),
        };
        match parse(&self.config, path, text) {
            Ok(config) => {
                self.config = config;
                self.files.push(path.to_owned());
            }
            Err(problem) => self.problems.push(problem),
        }
    }

    /// What a transaction tells of it: one line, however much is wrong.
    pub(crate) fn complaint(&self) -> Option<String> {
        let first = self.problems.first()?;
        let more = match self.problems.len() {
            1 => String::new(),
            n => format!(", and {} more", n - 1),
        };
        Some(format!(
            "{first}{more}; a file with a mistake is not used at all; see 'btf-guard config check'"
        ))
    }
}

/// What is wrong with a file that somebody names, which may be anybody's: it is not obeyed.
pub fn mistake_in(path: &Path) -> Option<ConfigProblem> {
    let mut text = Vec::new();
    // Not a pipe, whose other end may never come.
    let opened = Regular::open(path);
    let read = opened.and_then(|found| found.file.take(MAX_FILE + 1).read_to_end(&mut text));
    match read {
        Ok(length) if length as u64 > MAX_FILE => {
            let what = format!("it is longer than {MAX_FILE} bytes");
            Some(ConfigProblem::of(path, &what))
        }
        Ok(_) => parse(&Config::default(), path, text).err(),
        Err(error) => Some(ConfigProblem::of(path, &error)),
    }
}

/// The configuration with what one file's text says on top of it; of a file with a
/// mistake nothing counts.
pub fn parse(config: &Config, path: &Path, text: Vec<u8>) -> Result<Config, ConfigProblem> {
    let text = String::from_utf8(text).map_err(|_| ConfigProblem::of(path, &"it is not UTF-8"))?;
    file::read(config, path, &text)
}

/// A value of an enumeration as files have it.
pub fn word(value: &impl Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

/// The mode that `btf_guard=` on the kernel command line names: `off` or `warn`.
/// Of several the last counts. An error is a line for the admin.
pub fn command_line(file: &Path) -> Result<Option<Mode>, String> {
    let mut line = Vec::new();
    let read = File::open(file).and_then(|file| file.take(MAX_CMDLINE).read_to_end(&mut line));
    // Without /proc there is nothing to obey.
    if read.is_err() {
        return Ok(None);
    }
    cmdline_mode(&String::from_utf8_lossy(&line))
}

fn cmdline_mode(line: &str) -> Result<Option<Mode>, String> {
    // What stands behind `--` is for the first process.
    let words = line.split_whitespace().take_while(|word| *word != "--");
    let value = words.filter_map(|word| word.strip_prefix("btf_guard="));
    match value.last() {
        None => Ok(None),
        Some("off") => Ok(Some(Mode::Off)),
        Some("warn") => Ok(Some(Mode::Warn)),
        Some(other) => Err(format!(
            "the kernel command line's btf_guard is {other:?}, not off or warn: ignored"
        )),
    }
}

/// The mode of a transaction, and where it comes from: the environment's goes
/// before all; the kernel command line lowers what the macro and the files say,
/// and never raises it: it is there for a boot that is to rescue a machine.
pub fn mode(
    config: &Config,
    wished: Option<(Mode, Option<OverrideSource>)>,
    command_line: Option<Mode>,
) -> (Mode, Option<OverrideSource>) {
    let (mode, source) = match wished {
        Some((mode, Some(OverrideSource::Environment))) => {
            return (mode, Some(OverrideSource::Environment));
        }
        Some((mode, Some(source))) => (mode, Some(source)),
        // The hook's own: it can only warn.
        Some((mode, None)) if mode <= config.mode.value => (mode, None),
        Some((_, None)) | None => {
            let source = config.mode.origin.as_ref();
            let source = source.map(|_| OverrideSource::Configuration);
            (config.mode.value, source)
        }
    };
    match command_line.filter(|most| *most < mode) {
        Some(most) => (most, Some(OverrideSource::CommandLine)),
        None => (mode, source),
    }
}

#[cfg(test)]
mod tests;

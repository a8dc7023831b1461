// SPDX-License-Identifier: GPL-2.0-or-later
//! What an admin decides over the policy's head: `btf-guard allow` and `deny`.
//!
//! An override for one transaction is a file `ID.json` in `/run/btf-guard/allow`,
//! a standing one in `/var/lib/btf-guard/overrides`; both directories are root's
//! alone ([`Private`]), so that neither the caller's environment nor another user
//! matters. One for one transaction is used up by removing it: of
//! several transactions that would use it, the one that removes it may.

mod until;

use std::io;
use std::path::{Path, PathBuf};

use btf_guard_protocol::caller::Who;
use btf_guard_protocol::override_source::{Override, OverrideSource};
use btf_guard_protocol::plan::Answer;
use btf_guard_protocol::procfs;
use btf_guard_protocol::state::trusted_dir::{NotTrusted, Private, ReadError};
use rustix::rand::{GetRandomFlags, getrandom};
use serde::{Deserialize, Serialize};

use super::{ConfigPaths, Effect, Rule, lets_pass_unjudged, pattern};

pub use until::When;

/// The version of [`Token`].
pub const SCHEMA: u32 = 1;

/// Bytes of an id; it is written with two digits each.
const ID_LEN: usize = 4;

/// The longest file that is read, in bytes.
const MAX_TOKEN: u64 = 64 << 10;
/// Overrides of each kind that count.
const MAX_TOKENS: usize = 64;
/// How far a clock may have been set back since an override was made, in seconds.
const SLACK: u64 = 600;

/// What an admin wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenKind {
    /// What would be stopped goes on.
    Allow,
    /// What would only be warned of is stopped.
    Deny,
}

/// One override.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Its name.
    pub id: String,
    /// What is wanted.
    pub wish: TokenKind,
    /// A pattern of package names; `None` for whatever package.
    pub package: Option<String>,
    /// Why, in the admin's words.
    pub reason: String,
    /// When it was made, in seconds since 1970.
    pub written: u64,
    /// And how many nanoseconds later: of two of one second, the later one is the nearer.
    #[serde(default)]
    pub nanoseconds: u32,
    /// When it ends, likewise.
    pub until: Option<u64>,
    /// The boot that it holds for; `None` for any.
    pub boot: Option<String>,
    /// Who made it.
    pub by: Who,
}

impl Token {
    /// True if it counts at this time, in seconds since 1970, in this boot. One from
    /// the future does not: with the clock back where it was, it might never end.
    pub(crate) fn counts(&self, now: u64, boot: Option<&str>) -> bool {
        self.written <= now.saturating_add(SLACK)
            && self.until.is_none_or(|until| now < until)
            && self.boot.as_deref().is_none_or(|own| boot == Some(own))
    }

    /// As a rule. A pattern that is none was not written here, and means nothing.
    pub(crate) fn rule(&self, source: OverrideSource) -> Rule {
        let effect = match self.wish {
            TokenKind::Allow => Effect::Allow,
            TokenKind::Deny => Effect::Deny,
        };
        let source = Override {
            source,
            id: Some(self.id.clone()),
            reason: Some(self.reason.clone()),
            denies: effect == Effect::Deny,
        };
        let pattern = |text: &String| {
            let nothing = || glob::Pattern::new("").unwrap_or_default();
            pattern(text, false).unwrap_or_else(|_| nothing())
        };
        Rule::of_packages(source, self.package.iter().map(pattern).collect(), effect)
    }
}

/// A name that none has; an error is that of the system's random numbers.
pub fn new_id() -> io::Result<String> {
    let mut bytes = [0_u8; ID_LEN];
    getrandom(&mut bytes, GetRandomFlags::empty())?;
    Ok(hex::encode(bytes))
}

/// True of a name of ours. It becomes part of a path.
pub(crate) fn is_id(text: &str) -> bool {
    let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.len() == 2 * ID_LEN && text.bytes().all(digit)
}

/// The overrides that count now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// The standing ones, then those for one transaction; the oldest of each first.
    pub active: Vec<(OverrideSource, Token)>,
    /// What is there and is not believed: a path and a reason each.
    pub refused: Vec<(PathBuf, String)>,
}

impl Overrides {
    /// Reads those that count at `now`, in seconds since 1970. Where this user may
    /// not look, there are none.
    pub fn read(places: &ConfigPaths, now: u64) -> Self {
        let mut all = Self::default();
        let boot = procfs::boot_id().ok();
        for source in [OverrideSource::Standing, OverrideSource::OneShot] {
            let path = path(places, source);
            match directory(places, source) {
                Ok(None) => {}
                Ok(Some(dir)) => {
                    let tokens = all.tokens(&dir, &path, now, boot.as_deref());
                    all.active
                        .extend(tokens.into_iter().map(|token| (source, token)));
                }
                Err(NotTrusted::System(error))
                    if error.kind() == io::ErrorKind::PermissionDenied => {}
                Err(refused) => all.refused.push((path, refused.to_string())),
            }
        }
        all
    }

    fn tokens(&mut self, dir: &Private, path: &Path, now: u64, boot: Option<&str>) -> Vec<Token> {
        let mut tokens = Vec::new();
        let names = dir.names().unwrap_or_default();
        let ids = names.iter().filter_map(|name| name.strip_suffix(".json"));
        for id in ids.filter(|id| is_id(id)) {
            match read(dir, id) {
                Ok(Some(token)) if token.counts(now, boot) => tokens.push(token),
                Ok(_) => {}
                Err(why) => self.refused.push((path.join(name(id)), why.to_string())),
            }
        }
        let made = |token: &Token| (token.written, token.nanoseconds, token.id.clone());
        tokens.sort_by_cached_key(made);
        // The newest ones are what an admin has in mind.
        let surplus = tokens.len().saturating_sub(MAX_TOKENS);
        tokens.drain(..surplus);
        tokens
    }

    /// As rules, those for one transaction last: the nearest to what is done now.
    pub fn rules(&self) -> impl Iterator<Item = Rule> {
        self.active
            .iter()
            .map(|(source, token)| token.rule(*source))
    }

    /// What a transaction tells of what is not believed: one line.
    pub fn complaint(&self) -> Option<String> {
        let (path, why) = self.refused.first()?;
        Some(format!("{}: {why}: ignored", path.display()))
    }

    /// What lets pass a transaction that cannot be judged: the nearest override that
    /// is for whatever package, if it allows.
    pub fn for_everything(&self) -> Option<Override> {
        let rules = Vec::from_iter(self.rules());
        lets_pass_unjudged(rules.iter().rev()).map(|rule| rule.source.clone())
    }
}

/// Keeps a new override, in a directory that is this user's alone.
pub fn issue(
    places: &ConfigPaths,
    token: &Token,
    source: OverrideSource,
) -> Result<(), NotTrusted> {
    let path = path(places, source);
    path.parent().map(Private::create).transpose()?;
    let dir = Private::create(&path)?;
    forget_the_ended(&dir);
    let text = serde_json::to_vec(token).map_err(io::Error::from)?;
    Ok(dir.write(&name(&token.id), &text)?)
}

/// Takes an override for one transaction: `true` for the one who may use it. Where that
/// cannot be known, nobody may. It lies aside until it ends: the transaction may not be
/// done in the end.
pub(crate) fn consume(places: &ConfigPaths, id: &str) -> Result<bool, NotTrusted> {
    rename(places, id, name, used_name)
}

/// Puts back what was taken for a transaction that was not done; `false` where it is gone.
pub fn give_back(places: &ConfigPaths, id: &str) -> Result<bool, NotTrusted> {
    rename(places, id, used_name, name)
}

fn rename(
    places: &ConfigPaths,
    id: &str,
    from: fn(&str) -> String,
    to: fn(&str) -> String,
) -> Result<bool, NotTrusted> {
    match directory(places, OverrideSource::OneShot)?.filter(|_| is_id(id)) {
        Some(dir) => Ok(dir.rename(&from(id), &to(id))?),
        None => Ok(false),
    }
}

/// Uses up what an answer says holds for one transaction. If another transaction was
/// faster, the answer becomes what it would be without.
pub fn settle(places: &ConfigPaths, mut answer: Answer) -> Answer {
    let mut is_ours = true;
    for id in std::mem::take(&mut answer.once) {
        is_ours = is_ours && consume(places, &id).unwrap_or(false);
    }
    if !is_ours {
        answer.fall_back();
    }
    answer
}

/// Takes back an override of either kind; `false` where there is none of that id.
pub fn revoke(places: &ConfigPaths, id: &str) -> Result<bool, NotTrusted> {
    let was_standing = take(places, id, OverrideSource::Standing)?;
    Ok(take(places, id, OverrideSource::OneShot)? || was_standing)
}

fn take(places: &ConfigPaths, id: &str, source: OverrideSource) -> Result<bool, NotTrusted> {
    if !is_id(id) {
        return Ok(false);
    }
    match directory(places, source)? {
        Some(dir) => Ok(dir.take(&name(id))?),
        None => Ok(false),
    }
}

/// The directory, if everything on the way to it is this user's alone.
fn directory(places: &ConfigPaths, source: OverrideSource) -> Result<Option<Private>, NotTrusted> {
    let path = path(places, source);
    match path.parent().map(Private::open).transpose()?.flatten() {
        Some(_) => Private::open(&path),
        None => Ok(None),
    }
}

fn path(places: &ConfigPaths, source: OverrideSource) -> PathBuf {
    match source {
        OverrideSource::OneShot => places.run.join("allow"),
        _ => places.state.join("overrides"),
    }
}

fn name(id: &str) -> String {
    format!("{id}.json")
}

/// The name of one that is used up.
fn used_name(id: &str) -> String {
    format!("{id}.used")
}

/// A token as it was written. `None` where there is none any more.
fn read(dir: &Private, id: &str) -> Result<Option<Token>, ReadError> {
    read_named(dir, &name(id), id)
}

fn read_named(dir: &Private, name: &str, id: &str) -> Result<Option<Token>, ReadError> {
    let Some(text) = dir.read(name, MAX_TOKEN)? else {
        return Ok(None);
    };
    let token: Token = serde_json::from_slice(&text)?;
    match (token.schema, token.id == id) {
        (SCHEMA, true) => Ok(Some(token)),
        (SCHEMA, false) => Err(ReadError::Name),
        (other, _) => Err(ReadError::Schema(other)),
    }
}

fn forget_the_ended(dir: &Private) {
    let (now, boot) = (btf_guard_protocol::clock::now(), procfs::boot_id().ok());
    for name in dir.names().unwrap_or_default() {
        let id = [".json", ".used"]
            .iter()
            .find_map(|end| name.strip_suffix(end));
        let Some(id) = id.filter(|id| is_id(id)) else {
            continue;
        };
        let ended = |token: Token| !token.counts(now, boot.as_deref());
        if read_named(dir, &name, id).ok().flatten().is_some_and(ended) {
            let _ = dir.remove(&name);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;

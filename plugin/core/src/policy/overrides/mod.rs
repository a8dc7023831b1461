// SPDX-License-Identifier: GPL-2.0-or-later
//! What an admin decides over the policy's head: `btf-guard allow` and `deny`.
//!
//! An override for one transaction is a file `ID.json` in `/run/btf-guard/allow`,
//! a standing one in `/var/lib/btf-guard/overrides`; both directories are root's
//! alone (`protocol`'s [`trusted_dir`](btf_guard_protocol::state::trusted_dir)), so that neither the caller's environment nor
//! another user matters. One for one transaction is used up by removing it: of
//! several transactions that would use it, the one that removes it may.

mod token;
mod until;

use std::io;
use std::path::{Path, PathBuf};

use btf_guard_protocol::override_source::{Override, OverrideSource};
use btf_guard_protocol::plan::Answer;
use btf_guard_protocol::procfs;
use btf_guard_protocol::state::trusted_dir::{Private, ReadError, Refused};

use super::{ConfigPaths, Rule};

pub use token::{SCHEMA, Token, TokenKind, new_id};
pub use until::When;

/// The longest file that is read, in bytes.
const MAX_TOKEN: u64 = 64 << 10;
/// Overrides of each kind that count.
const MAX_TOKENS: usize = 64;
/// How far a clock may have been set back since an override was made, in seconds.
const SLACK: u64 = 600;

/// The overrides that count now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Those that stand until they end or are revoked, then those for one
    /// transaction; the oldest of each first.
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
                Err(Refused::System(error)) if error.kind() == io::ErrorKind::PermissionDenied => {}
                Err(refused) => all.refused.push((path, refused.to_string())),
            }
        }
        all
    }

    fn tokens(&mut self, dir: &Private, path: &Path, now: u64, boot: Option<&str>) -> Vec<Token> {
        let mut tokens = Vec::new();
        let names = dir.names().unwrap_or_default();
        let ids = names.iter().filter_map(|name| name.strip_suffix(".json"));
        for id in ids.filter(|id| token::is_id(id)) {
            match read(dir, id) {
                Ok(Some(token)) if token.counts(now, boot) => tokens.push(token),
                Ok(_) => {}
                Err(why) => self.refused.push((path.join(name(id)), why.to_string())),
            }
        }
        tokens.sort_by(|a, b| (a.written, &a.id).cmp(&(b.written, &b.id)));
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
        let mut nearest = self.active.iter().rev();
        let (source, nearest) = nearest.find(|(_, token)| token.package.is_none())?;
        (nearest.wish == TokenKind::Allow).then(|| nearest.rule(*source).source)
    }
}

/// Keeps a new override.
///
/// # Errors
/// [`Refused`] where its directory cannot be made, or is not this user's alone.
pub fn issue(places: &ConfigPaths, token: &Token, source: OverrideSource) -> Result<(), Refused> {
    let path = path(places, source);
    path.parent().map(Private::create).transpose()?;
    let dir = Private::create(&path)?;
    forget_the_ended(&dir);
    let text = serde_json::to_vec(token).map_err(io::Error::from)?;
    Ok(dir.write(&name(&token.id), &text)?)
}

/// Takes an override for one transaction: `true` for the one who may use it.
///
/// # Errors
/// [`Refused`] where that cannot be known; then nobody may.
pub(crate) fn consume(places: &ConfigPaths, id: &str) -> Result<bool, Refused> {
    take(places, id, OverrideSource::OneShot)
}

/// Uses up what an answer says holds for one transaction. Where some of it is
/// gone, because another transaction was faster, the answer becomes what it would
/// be without.
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
///
/// # Errors
/// [`Refused`] where that cannot be done.
pub fn revoke(places: &ConfigPaths, id: &str) -> Result<bool, Refused> {
    let was_standing = take(places, id, OverrideSource::Standing)?;
    Ok(take(places, id, OverrideSource::OneShot)? || was_standing)
}

fn take(places: &ConfigPaths, id: &str, source: OverrideSource) -> Result<bool, Refused> {
    if !token::is_id(id) {
        return Ok(false);
    }
    match directory(places, source)? {
        Some(dir) => Ok(dir.take(&name(id))?),
        None => Ok(false),
    }
}

/// The directory, if everything on the way to it is this user's alone.
fn directory(places: &ConfigPaths, source: OverrideSource) -> Result<Option<Private>, Refused> {
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

/// A token as it was written. `None` where there is none any more.
fn read(dir: &Private, id: &str) -> Result<Option<Token>, ReadError> {
    let Some(text) = dir.read(&name(id), MAX_TOKEN)? else {
        return Ok(None);
    };
    let token: Token = serde_json::from_slice(&text)?;
    match (token.schema, token.id == id) {
        (SCHEMA, true) => Ok(Some(token)),
        (SCHEMA, false) => Err(ReadError::Name),
        (other, _) => Err(ReadError::Schema(other)),
    }
}

/// Removes what counts no more.
fn forget_the_ended(dir: &Private) {
    let (now, boot) = (btf_guard_protocol::clock::now(), procfs::boot_id().ok());
    for name in dir.names().unwrap_or_default() {
        let Some(id) = name.strip_suffix(".json").filter(|id| token::is_id(id)) else {
            continue;
        };
        let ended = |token: Token| !token.counts(now, boot.as_deref());
        if read(dir, id).ok().flatten().is_some_and(ended) {
            let _ = dir.remove(&name);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;

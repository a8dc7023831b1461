// SPDX-License-Identifier: GPL-2.0-or-later
//! One override, as a file.

use std::io;

use btf_guard_protocol::caller::Who;
use btf_guard_protocol::override_source::{Override, OverrideSource};
use rustix::rand::{GetRandomFlags, getrandom};
use serde::{Deserialize, Serialize};

use super::SLACK;
use crate::policy::{Effect, Patterns, Rule, pattern};

/// The version of [`Token`].
pub const SCHEMA: u32 = 1;

/// Bytes of an id; it is written with two digits each.
const ID_LEN: usize = 4;

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
        };
        let mut rule = Rule::new(source, effect);
        if let Some(package) = &self.package {
            let nothing = || glob::Pattern::new("").unwrap_or_default();
            let pattern = pattern(package, false).unwrap_or_else(|_| nothing());
            rule.package = Patterns(vec![pattern]);
        }
        rule
    }
}

/// A name that none has.
///
/// # Errors
/// Where the system has no random numbers.
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

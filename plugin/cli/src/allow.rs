// SPDX-License-Identifier: GPL-2.0-or-later
//! `btf-guard allow` and `btf-guard deny`.

use std::env;
use std::io::{self, Write};

use anyhow::{Context, bail, ensure};
use btf_guard_core::policy::overrides::{self, Overrides, SCHEMA, Token, TokenKind, When, new_id};
use btf_guard_core::policy::{ConfigPaths, pattern};
use btf_guard_protocol::caller::Who;
use btf_guard_protocol::override_source::OverrideSource;
use btf_guard_protocol::procfs::boot_id;
use btf_guard_protocol::terminal::escape;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime};
use serde::Serialize;

use crate::args::{ListFormat, OverrideArgs};
use crate::output::{self, Outcome};

/// How long an override for one transaction waits for it, in seconds.
const PATIENCE: u64 = 60 * 60;

/// Bytes of a reason: it is shown in one line.
const MAX_REASON: usize = 500;

pub(crate) fn run(wanted: &OverrideArgs, wish: TokenKind) -> anyhow::Result<Outcome> {
    let places = wanted.place.places();
    if wanted.list {
        return list(&places, wanted.format);
    }
    if !rustix::process::geteuid().is_root() {
        bail!("only root may override what btf-guard decides");
    }
    match &wanted.revoke {
        Some(id) => revoke(&places, id),
        None => issue(&places, wanted, wish),
    }
}

fn issue(places: &ConfigPaths, wanted: &OverrideArgs, wish: TokenKind) -> anyhow::Result<Outcome> {
    let reason = wanted.reason.as_deref().unwrap_or_default().trim();
    ensure!(!reason.is_empty(), "--reason is empty: say why");
    ensure!(
        reason.len() <= MAX_REASON,
        "--reason is longer than {MAX_REASON} bytes"
    );
    if let Some(package) = &wanted.package {
        pattern(package, false).context("--package")?;
    }
    let (written, nanoseconds) = btf_guard_protocol::clock::now_to_the_nanosecond();
    let until = wanted.until.as_deref();
    let until = until.map(|text| When::parse(text, &ZonedDateTime::now()).context("--until"));
    let (until, boot) = match until.transpose()? {
        Some(When::At(end)) => (Some(end), None),
        Some(When::NextBoot) => (None, Some(boot_id()?)),
        None => (wanted.next.then_some(written + PATIENCE), None),
    };
    // What is below /run is gone with this boot, but not from a container's snapshot.
    let boot = match boot {
        None if wanted.next => boot_id().ok(),
        boot => boot,
    };
    let source = match wanted.next {
        true => OverrideSource::OneShot,
        false => OverrideSource::Standing,
    };
    let token = Token {
        schema: SCHEMA,
        id: new_id()?,
        wish,
        package: wanted.package.clone(),
        reason: reason.to_owned(),
        written,
        nanoseconds,
        until,
        boot,
        by: who(),
    };
    overrides::issue(places, &token, source).context("the override is not kept")?;
    output::plain(|out| line(out, source, &token))?;
    Ok(Outcome::Done)
}

fn revoke(places: &ConfigPaths, id: &str) -> anyhow::Result<Outcome> {
    let revoked = overrides::revoke(places, id).context("it is not revoked")?;
    ensure!(revoked, "no active override '{id}'");
    Ok(Outcome::Done)
}

#[derive(Serialize)]
struct OverrideEntry<'t> {
    source: OverrideSource,
    #[serde(flatten)]
    token: &'t Token,
}

fn list(places: &ConfigPaths, format: ListFormat) -> anyhow::Result<Outcome> {
    ensure!(
        rustix::process::geteuid().is_root(),
        "only root may see the overrides"
    );
    let all = Overrides::read(places, btf_guard_protocol::clock::now());
    let active = all.active.iter();
    match format {
        ListFormat::Json => {
            let entries = active.map(|&(source, ref token)| OverrideEntry { source, token });
            output::json(&entries.collect::<Vec<_>>())?;
        }
        ListFormat::Text => output::plain(|out| {
            let mut active = active;
            active.try_for_each(|(source, token)| line(out, *source, token))
        })?,
    }
    if let Some(complaint) = all.complaint() {
        let _ = writeln!(io::stderr(), "warning: {}", escape(&complaint));
    }
    Ok(Outcome::Done)
}

fn line(out: &mut impl Write, source: OverrideSource, token: &Token) -> io::Result<()> {
    let wish = match token.wish {
        TokenKind::Allow => "allow",
        TokenKind::Deny => "deny",
    };
    let what = match source {
        OverrideSource::OneShot => "the next transaction",
        _ => "every transaction",
    };
    let package = token.package.as_deref();
    let package = package.map_or_else(String::new, |glob| format!(" with packages '{glob}'"));
    let until = match (token.until.and_then(time), &token.boot) {
        (Some(end), _) => format!(" until {end}"),
        (None, Some(_)) => " until the next boot".to_owned(),
        (None, None) => " until it is revoked".to_owned(),
    };
    let by = match (&token.by.sudo_user, token.by.login_uid) {
        (Some(user), _) => format!(" (by {user})"),
        (None, Some(uid)) => format!(" (by user {uid})"),
        (None, None) => String::new(),
    };
    let text = format!(
        "{} {wish} {what}{package}{until}: {}{by}",
        token.id, token.reason
    );
    writeln!(out, "{}", escape(&text))
}

fn time(seconds: u64) -> Option<String> {
    let at = Timestamp::from_second(i64::try_from(seconds).ok()?).ok()?;
    let at = at.to_zoned_datetime(TimeZone::system());
    Some(at.strftime("%Y-%m-%d %H:%M:%S %Z").to_string())
}

pub(crate) fn who() -> Who {
    Who::of_this_process(|name| env::var(name).ok())
}

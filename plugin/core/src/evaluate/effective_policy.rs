// SPDX-License-Identifier: GPL-2.0-or-later
//! The policy of the machine that this runs on: files, and what the admin decided
//! over their heads.

use std::collections::BTreeMap;
use std::path::Path;

use btf_guard_protocol::decision::Mode;
use btf_guard_protocol::override_source::OverrideSource;

use crate::config::{self, Config, Loaded, OnError};
use crate::policy::overrides::Overrides;
use crate::policy::{ConfigPaths, Policy};
use crate::report::{PackageOrigin, Rating};

/// What says how bad findings are, and how far they may go.
pub struct Governed {
    /// What files say, and the admin's overrides behind their rules.
    pub(crate) policy: Policy,
    /// Seconds since 1970.
    pub(crate) now: u64,
    /// A line for the admin each.
    pub complaints: Vec<String>,
    config: Config,
    command_line: Option<Mode>,
}

impl Governed {
    /// Reads the files below `dir` instead of `/`, where one is given. Overrides for
    /// one transaction are for `transactions` alone.
    pub fn read(dir: Option<&Path>, transactions: bool) -> Self {
        let places = dir.map_or_else(ConfigPaths::default, ConfigPaths::below);
        let now = btf_guard_protocol::clock::now();
        let loaded = Loaded::read(&places);
        let mut overrides = Overrides::read(&places, now);
        if !transactions {
            (overrides.active).retain(|(source, _)| *source != OverrideSource::OneShot);
        }
        let mut complaints: Vec<String> = loaded.complaint().into_iter().collect();
        complaints.extend(overrides.complaint());
        let command_line = config::command_line(&places.command_line).unwrap_or_else(|complaint| {
            complaints.push(complaint);
            None
        });
        let mut policy = loaded.config.policy.clone();
        policy.rules.extend(overrides.rules());
        Self {
            policy,
            now,
            complaints,
            config: loaded.config,
            command_line,
        }
    }

    /// Rates by it, with what is known of packages.
    pub fn rating(&self, packages: BTreeMap<String, PackageOrigin>) -> Rating<'_> {
        let on_error = &self.config.on_error;
        let origin = on_error.origin.as_deref().unwrap_or_default();
        Rating {
            policy: &self.policy,
            now: self.now,
            packages,
            on_error: (on_error.value == OnError::Block).then_some(origin),
        }
    }

    /// The mode of a transaction for which the environment or the macro, or the
    /// hook by itself, asks this.
    pub fn mode(
        &self,
        wished: Option<(Mode, Option<OverrideSource>)>,
    ) -> (Mode, Option<OverrideSource>) {
        config::mode(&self.config, wished, self.command_line)
    }
}

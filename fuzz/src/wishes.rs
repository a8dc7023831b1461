// SPDX-License-Identifier: GPL-2.0-or-later
//! What an admin asks for: configuration, overrides.

use std::path::Path;

use btf_guard_core::config::{self, Config};
use btf_guard_core::kernel::Target;
use btf_guard_core::policy::overrides::{self, Overrides, When};
use btf_guard_core::policy::{ConfigPaths, Expiry, Policy, Provenance, Rule, Severity, Subject};
use btf_guard_core::verdict::{Causes, Kind};
use btf_guard_protocol::nevra::name_of;
use btf_guard_protocol::override_source::OverrideSource;
use btf_guard_protocol::plan::Answer;
use btf_guard_protocol::requested_mode;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::scene::{Scene, parts};

/// 2026-11-25, in seconds since 1970.
const NOW: u64 = 1_795_600_000;

/// The configuration: two files, the second on top of the first; the kernel command
/// line; what the environment asks for; and what is held against the rules.
pub(crate) fn config(data: &[u8]) {
    let [first, second, line, wished, subject] = parts(data);
    let path = Path::new("/etc/btf-guard.toml");
    let mut config = Config::default();
    for text in [first, second] {
        match config::parse(&config, path, text.to_vec()) {
            Ok(parsed) => config = parsed,
            Err(problem) => {
                let lines = text.iter().filter(|byte| **byte == b'\n').count() + 1;
                assert!(problem.place.is_none_or(|(line, _)| line <= lines));
                let _ = problem.to_string();
            }
        }
    }
    thread_local! {
        static SCENE: Scene = Scene::new();
    }
    let most = SCENE.with(|scene| {
        scene.read_only("cmdline", line);
        config::command_line(&scene.path("cmdline"))
    });
    let wished = String::from_utf8_lossy(wished);
    let wish = requested_mode::wish(Some(&wished), || wished.to_string());
    let (mode, _) = config::mode(&config, wish.asked(), most.ok().flatten());
    let _ = (wished.parse::<Causes>(), wished.parse::<Expiry>(), mode);
    hold_against(&config.policy, &String::from_utf8_lossy(subject));
}

/// Every verdict on a module of a package, both named by one word.
fn hold_against(policy: &Policy, word: &str) {
    let origins = [Provenance {
        package: name_of(word),
        vendor: Some(word),
        repository: None,
    }];
    for (verdict, guess) in Kind::ALL.into_iter().zip([true, false].into_iter().cycle()) {
        for moment in [Target::Running, Target::NextBoot] {
            let subject = Subject {
                origins: &origins,
                module: word,
                release: Some(word),
                moment,
                verdict,
                guess,
                needed: !guess,
            };
            let (severity, changed_by) = policy.severity_by(&subject, NOW, &|_| true);
            assert!(!guess || severity <= Severity::Warn);
            // By no rule, and by no overrides, but by all that is left.
            let no_rule = policy.severity_by(&subject, NOW, &|_| false);
            assert!(!changed_by.is_empty() || no_rule.0 == severity);
            let _ = policy.severity_by(&subject, NOW, &|index| !policy.rules[index].is_one_shot());
        }
    }
}

/// Overrides: when one ends, as an admin says it; one as it is kept; an answer that
/// rests on it.
pub(crate) fn overrides(data: &[u8]) {
    const ID: &str = "01234abc";
    let [when, token, answer] = parts(data);
    let now = Timestamp::from_second(NOW as i64).expect("a time");
    let now = now.to_zoned_datetime(TimeZone::UTC);
    if let Ok(When::At(end)) = When::parse(&String::from_utf8_lossy(when), &now) {
        assert!(end >= NOW);
    }
    thread_local! {
        static SCENE: Scene = Scene::new();
    }
    SCENE.with(|scene| {
        let places = ConfigPaths::below(scene.root());
        for dir in ["run/btf-guard/allow", "var/lib/btf-guard/overrides"] {
            scene.file(&format!("{dir}/{ID}.json"), token);
        }
        let all = Overrides::read(&places, NOW);
        assert_eq!(all.active.len() % 2, 0);
        assert_eq!(all.refused.len() % 2, 0);
        let _ = (all.complaint(), all.for_everything());
        let policy = Policy {
            rules: all.rules().collect(),
            ..Policy::default()
        };
        assert!(
            policy
                .rules
                .iter()
                .filter(|rule: &&Rule| rule.is_one_shot())
                .count()
                <= 1
        );
        hold_against(&policy, &String::from_utf8_lossy(when));
        if let Ok(answer) = serde_json::from_slice::<Answer>(answer) {
            let used: Vec<String> = answer.once.clone();
            let settled = overrides::settle(&places, answer);
            assert!(settled.once.is_empty());
            let is_its_own = used.iter().all(|id| id == ID) && used.len() <= 1;
            let one_shot = |o: &btf_guard_protocol::override_source::Override| {
                o.source == OverrideSource::OneShot
            };
            assert!(is_its_own || !settled.overrides.iter().any(one_shot));
        }
    });
}

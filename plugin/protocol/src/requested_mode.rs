// SPDX-License-Identifier: GPL-2.0-or-later
//! What the admin asked for: the environment and the rpm macro.

use crate::decision::Mode;
use crate::override_source::OverrideSource;

/// The mode asked for, and what could not be understood.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct RequestedMode {
    /// `None` leaves the choice to the judge's configuration.
    pub mode: Option<Mode>,
    /// Which of the two asks for it.
    pub source: Option<OverrideSource>,
    /// A line for the admin each.
    pub complaints: Vec<String>,
}

/// The environment's `BTF_GUARD` goes before the macro `%_btf_guard`. A value
/// that means nothing is complained of and counts as absent.
pub fn wish(environment: Option<&str>, expand_macro: impl FnOnce() -> String) -> RequestedMode {
    let mut wish = RequestedMode::default();
    if let Some(value) = environment {
        wish.take(OverrideSource::Environment, value);
    }
    if wish.mode.is_none() {
        wish.take(OverrideSource::Macro, &expand_macro());
    }
    wish
}

impl RequestedMode {
    fn take(&mut self, source: OverrideSource, value: &str) {
        let mode = match value.trim().to_ascii_lowercase().as_str() {
            "" => return,
            "off" => Mode::Off,
            "warn" => Mode::Warn,
            "block" => Mode::Block,
            _ => {
                let source = source.name();
                return self.complaints.push(format!(
                    "{source} is {value:?}, not off, warn or block: ignored"
                ));
            }
        };
        (self.mode, self.source) = (Some(mode), Some(source));
    }

    /// The mode and who has asked for it, for the configuration to weigh.
    pub fn asked(&self) -> Option<(Mode, Option<OverrideSource>)> {
        self.mode.map(|mode| (mode, self.source))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]

    use super::*;

    fn mode(environment: Option<&str>, expanded: &str) -> (Option<Mode>, usize) {
        let wish = wish(environment, || expanded.to_owned());
        (wish.mode, wish.complaints.len())
    }

    #[test]
    fn the_environment_goes_before_the_macro_and_nonsense_is_ignored_aloud() {
        assert_eq!(mode(None, ""), (None, 0));
        assert_eq!(mode(None, "warn"), (Some(Mode::Warn), 0));
        assert_eq!(mode(Some("off"), "block"), (Some(Mode::Off), 0));
        assert_eq!(mode(Some(" Block\n"), "off"), (Some(Mode::Block), 0));
        assert_eq!(mode(Some(""), "off"), (Some(Mode::Off), 0));
        assert_eq!(mode(Some("no"), "off"), (Some(Mode::Off), 1));
        assert_eq!(mode(Some("no"), "yes"), (None, 2));
        let wish = wish(Some("of"), String::new);
        assert_eq!(
            wish.complaints[0],
            "the environment's BTF_GUARD is \"of\", not off, warn or block: ignored"
        );
    }
}

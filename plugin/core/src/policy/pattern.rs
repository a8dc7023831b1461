// SPDX-License-Identifier: GPL-2.0-or-later
//! Patterns of the names that a rule means.

use anyhow::{anyhow, ensure};
use glob::Pattern;

use crate::module::same_name;

/// Bytes of a pattern. The longest names of packages have some hundred.
const MAX_PATTERN: usize = 512;

/// A pattern of names.
///
/// # Errors
/// Why it is none.
pub fn pattern(text: &str, of_modules: bool) -> anyhow::Result<Pattern> {
    let length = 1..=MAX_PATTERN;
    ensure!(
        length.contains(&text.len()),
        "a pattern has 1 to {MAX_PATTERN} bytes"
    );
    // Inside brackets it is a range.
    let text = match of_modules && !text.contains('[') {
        true => same_name(text),
        false => text.to_owned(),
    };
    Pattern::new(&text).map_err(|error| anyhow!("'{text}' is no pattern: {}", error.msg))
}

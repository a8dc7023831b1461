// SPDX-License-Identifier: GPL-2.0-or-later
//! Patterns of the names that a rule means.

use glob::Pattern;

use crate::module::same_name;

/// Bytes of a pattern. The longest names of packages have some hundred.
const MAX_PATTERN: usize = 512;

/// Why a text is no pattern of names.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoPattern {
    /// It is empty, or too long.
    #[error("a pattern has 1 to {MAX_PATTERN} bytes")]
    Length,
    /// The text, and what is wrong with it.
    #[error("'{0}' is no pattern: {1}")]
    Syntax(String, &'static str),
}

/// A pattern of names.
///
/// # Errors
/// Why it is none.
pub fn pattern(text: &str, of_modules: bool) -> Result<Pattern, NoPattern> {
    if text.is_empty() || text.len() > MAX_PATTERN {
        return Err(NoPattern::Length);
    }
    // Inside brackets it is a range.
    let plain = of_modules && !text.contains('[');
    let text = match plain {
        true => same_name(text),
        false => text.to_owned(),
    };
    Pattern::new(&text).map_err(|error| NoPattern::Syntax(text, error.msg))
}

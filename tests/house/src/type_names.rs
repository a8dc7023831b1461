// SPDX-License-Identifier: GPL-2.0-or-later
//! The names of types that a file declares.

use crate::tokens::{behind_group, is_at, is_word, text, tokens};

/// The names of structs, enums, unions, traits and type aliases, with their lines.
/// Associated types, generated names and what is for tests are left out.
///
/// # Errors
/// `source` is no Rust.
pub fn type_names(source: &str) -> Result<Vec<(String, usize)>, String> {
    let tokens = tokens(source)?;
    let mut names = Vec::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let is_declared = is_word(&tokens, at + 1)
            && match token.text.as_str() {
                "struct" | "enum" | "trait" | "type" => true,
                // A name like any other elsewhere.
                "union" => is_at(&tokens, at + 2, &["{"]) || is_at(&tokens, at + 2, &["<"]),
                _ => false,
            };
        if is_declared {
            names.push((text(&tokens, at + 1).to_owned(), token.line));
        }
        let is_block = match token.text.as_str() {
            "trait" => true,
            // Not `-> impl Trait` and the like, which stand in front of a body as well.
            "impl" => begins_item(&tokens, at),
            _ => false,
        };
        at += 1;
        if is_block {
            while at < tokens.len() && !matches!(text(&tokens, at), "{" | ";") {
                at += 1;
            }
            at = behind_group(&tokens, at);
        }
    }
    Ok(names)
}

/// Whether the word at `at` is the first of an item, or behind `unsafe`.
fn begins_item(tokens: &[crate::tokens::Token], at: usize) -> bool {
    at == 0 || matches!(text(tokens, at - 1), "}" | ";" | "]" | "{" | "unsafe")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declared_types_are_found() {
        let source = "struct A;\npub(crate) enum B<T> { C(T) }\ntype D = A;\nunion E { a: u8 }\n\
                      trait F { type G; }\nimpl F for A { type G = u8; }\n\
                      fn h() -> impl F { struct I; union(1); A }\n\
                      #[cfg(test)] mod tests { struct J; }\n\
                      macro_rules! k { ($name:ident) => { struct $name; } }";
        let names = type_names(source).unwrap();
        let words: Vec<_> = names.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(words, ["A", "B", "D", "E", "F", "I"]);
        assert_eq!(names.get(3), Some(&("E".to_owned(), 4)));
    }
}

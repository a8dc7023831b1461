// SPDX-License-Identifier: GPL-2.0-or-later
//! A file's tokens in one flat list, without comments and without test code.

use std::str::FromStr;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A word, a literal, or one character of punctuation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// As it is written.
    pub text: String,
    /// Its line, from 1.
    pub line: usize,
}

/// The tokens of `source` but those of items under `#[cfg(test)]`.
///
/// # Errors
/// `source` is no sequence of Rust's tokens.
pub fn tokens(source: &str) -> Result<Vec<Token>, String> {
    // A byte-order mark or `#!` line would not be taken; the sources have neither.
    let stream = TokenStream::from_str(source).map_err(|error| error.to_string())?;
    let mut all = Vec::new();
    flatten(stream, &mut all);
    Ok(without_tests(&all))
}

fn flatten(stream: TokenStream, into: &mut Vec<Token>) {
    for tree in stream {
        let line = tree.span().start().line;
        let mut push = |text: String, line| into.push(Token { text, line });
        match tree {
            TokenTree::Ident(ident) => push(ident.to_string(), line),
            TokenTree::Punct(punct) => push(punct.as_char().to_string(), line),
            TokenTree::Literal(literal) => push(literal.to_string(), line),
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                push(open.to_owned(), line);
                flatten(group.stream(), into);
                let line = group.span_close().start().line;
                into.push(Token {
                    text: close.to_owned(),
                    line,
                });
            }
        }
    }
}

/// The text of the token at `at`, empty behind the end.
#[must_use]
pub fn text(tokens: &[Token], at: usize) -> &str {
    tokens.get(at).map_or("", |token| &token.text)
}

/// Whether the tokens from `at` on are these.
#[must_use]
pub fn is_at(tokens: &[Token], at: usize, expected: &[&str]) -> bool {
    (at..)
        .zip(expected)
        .all(|(at, expected)| text(tokens, at) == *expected)
}

/// Whether the token at `at` is a word: a name or a keyword.
#[must_use]
pub fn is_word(tokens: &[Token], at: usize) -> bool {
    text(tokens, at).starts_with(|first: char| first.is_alphabetic() || first == '_')
        // A literal with a prefix: b"…", r"…", b'…'.
        && !text(tokens, at).contains(['"', '\''])
}

/// The place behind the bracket that closes the one at `open`.
#[must_use]
pub fn behind_group(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0_usize;
    let mut at = open;
    while let Some(token) = tokens.get(at) {
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
        if depth == 0 {
            break;
        }
    }
    at
}

fn without_tests(all: &[Token]) -> Vec<Token> {
    if is_at(all, 0, &["#", "!", "[", "cfg", "(", "test", ")", "]"]) {
        return Vec::new();
    }
    let mut kept = Vec::new();
    let mut at = 0;
    while let Some(token) = all.get(at) {
        if is_at(all, at, &["#", "[", "cfg", "(", "test", ")", "]"])
            || is_at(all, at, &["#", "[", "cfg", "(", "all", "(", "test", ","])
        {
            at = behind_item(all, at);
        } else {
            kept.push(token.clone());
            at += 1;
        }
    }
    kept
}

/// The place behind the item whose attributes begin at `at`.
fn behind_item(all: &[Token], mut at: usize) -> usize {
    while is_at(all, at, &["#", "["]) {
        at = behind_group(all, at + 1);
    }
    let words = all.get(at..).unwrap_or_default().iter().take(8);
    // These end with a semicolon only, whatever braces they have.
    let is_statement = words
        .take_while(|token| !matches!(token.text.as_str(), "{" | "=" | ";"))
        .fold((false, false), |(statement, function), token| {
            match token.text.as_str() {
                "use" | "const" | "static" | "type" | "let" => (true, function),
                "fn" | "impl" | "mod" | "struct" | "enum" | "trait" => (statement, true),
                _ => (statement, function),
            }
        })
        == (true, false);
    while let Some(token) = all.get(at) {
        match token.text.as_str() {
            ";" => return at + 1,
            "{" if !is_statement => return behind_group(all, at),
            "(" | "[" | "{" => at = behind_group(all, at),
            _ => at += 1,
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(source: &str) -> String {
        let texts: Vec<_> = tokens(source)
            .unwrap()
            .into_iter()
            .map(|t| t.text)
            .collect();
        texts.join(" ")
    }

    #[test]
    fn comments_go_and_strings_stay_literals() {
        assert_eq!(
            words("// use a::b;\n/* use c; */ let x = \"use d;\";"),
            "let x = \"use d;\" ;"
        );
    }

    #[test]
    fn what_is_under_cfg_test_goes() {
        let source = "#[cfg(test)] mod tests; a; #[cfg(test)] #[x] use b::{c}; d; \
                      #[cfg(test)] pub(crate) fn e() { f } g; #[cfg(all(test, unix))] mod h { i } j; \
                      #[cfg(test)] const fn k() {} l; #[cfg(not(test))] m;";
        assert_eq!(
            words(source),
            "a ; d ; g ; j ; l ; # [ cfg ( not ( test ) ) ] m ;"
        );
        assert_eq!(words("#![cfg(test)]\nuse a;"), "");
    }

    #[test]
    fn lines_are_those_of_the_file() {
        let all = tokens("a\n\nb { c\n}").unwrap();
        let lines: Vec<_> = all.iter().map(|token| token.line).collect();
        assert_eq!(lines, [1, 3, 3, 3, 4]);
    }
}

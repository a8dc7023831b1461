// SPDX-License-Identifier: GPL-2.0-or-later
//! Reading the request.

use std::io::Read;

use btf_guard_protocol::zypp::{Ask, FetchFailure, MAX_REQUEST, Request, SCHEMA, Verb};

use crate::error::plain;

pub(crate) fn read(input: impl Read) -> Result<Request, FetchFailure> {
    let mut text = Vec::new();
    let length = input
        .take(MAX_REQUEST + 1)
        .read_to_end(&mut text)
        .map_err(|error| plain(format!("the request cannot be read: {error}")))?;
    if length as u64 > MAX_REQUEST {
        return Err(plain(format!(
            "the request is longer than {MAX_REQUEST} bytes"
        )));
    }
    let request: Request = serde_json::from_slice(&text)
        .map_err(|error| plain(format!("the request cannot be understood: {error}")))?;
    sense(&request)?;
    Ok(request)
}

fn sense(request: &Request) -> Result<(), FetchFailure> {
    if request.schema != SCHEMA {
        return Err(plain(format!(
            "the request has schema {}, not {SCHEMA}",
            request.schema
        )));
    }
    for path in std::iter::once(&request.root).chain(&request.shim) {
        if !path.is_absolute() {
            return Err(plain(format!("{} is no absolute path", path.display())));
        }
    }
    let Ask::Resolve(resolve) = &request.ask else {
        return Ok(());
    };
    match (resolve.verb, resolve.packages.as_slice()) {
        (Verb::In, []) => Err(plain("'in' needs the names of packages")),
        (Verb::In, packages) => packages.iter().try_for_each(|package| named(package)),
        (_, []) => Ok(()),
        _ => Err(plain("only 'in' takes the names of packages")),
    }
}

/// zypper also takes package files and addresses; libzypp itself does not.
fn named(package: &str) -> Result<(), FetchFailure> {
    if package.is_empty() {
        return Err(plain("a package without a name"));
    }
    if package.contains('/') && package.ends_with(".rpm") {
        return Err(plain(format!(
            "{package} is a package file; `btf-guard check` judges it as it is"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_sense_is_taken_and_else_refused_with_the_reason() {
        let up = r#""schema":1,"root":"/","ask":{"resolve":{"verb":"up"}}"#;
        let ask = |ask: &str| format!(r#""schema":1,"root":"/","ask":{ask}"#);
        let install = |names: &str| ask(&format!(r#"{{"resolve":{{"verb":"in"{names}}}}}"#));
        for (text, expected) in [
            (up.to_owned(), None),
            (
                install(r#","packages":["kernel-default","/bin/sh","a = 1"]"#),
                None,
            ),
            (ask(r#"{"commit":{"steps":[]}}"#), None),
            (String::new(), Some("cannot be understood")),
            (up.replace('1', "2"), Some("schema 2")),
            (up.replace('/', "r"), Some("r is no absolute path")),
            (
                format!(r#""shim":"x.so",{up}"#),
                Some("x.so is no absolute path"),
            ),
            (install(""), Some("needs the names")),
            (install(r#","packages":[""]"#), Some("without a name")),
            (
                install(r#","packages":["./a.rpm"]"#),
                Some("is a package file"),
            ),
            (
                up.replace(r#""up""#, r#""dup","packages":["a"]"#),
                Some("only 'in'"),
            ),
        ] {
            let refusal = read(format!("{{{text}}}").as_bytes()).err();
            let refusal = refusal.map(|refusal| refusal.what);
            let as_expected = match (&refusal, expected) {
                (Some(refusal), Some(expected)) => refusal.contains(expected),
                (refusal, expected) => refusal.is_none() && expected.is_none(),
            };
            assert!(as_expected, "{text}: {refusal:?}");
        }
        let endless = read(std::io::repeat(b' ')).unwrap_err().what;
        assert!(endless.contains("longer than"), "{endless}");
    }
}

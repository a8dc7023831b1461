// SPDX-License-Identifier: GPL-2.0-or-later
//! Reading the request.

use std::io::Read;

use btf_guard_protocol::zypp::{Ask, FetchFailure, MAX_REQUEST, Request, SCHEMA, Verb};

use crate::error::plain;

/// The request on `input`, if it makes sense.
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

    fn refusal(text: &str) -> String {
        read(text.as_bytes()).unwrap_err().what
    }

    #[test]
    fn what_makes_sense_is_taken() {
        for ask in [
            r#"{"resolve":{"verb":"up"}}"#,
            r#"{"resolve":{"verb":"in","packages":["kernel-default","/bin/sh","a = 1"]}}"#,
            r#"{"commit":{"steps":[]}}"#,
        ] {
            let text = format!(r#"{{"schema":1,"root":"/","ask":{ask}}}"#);
            assert!(read(text.as_bytes()).is_ok(), "{ask}");
        }
    }

    #[test]
    fn what_makes_none_is_refused_with_the_reason() {
        let up = r#"{"resolve":{"verb":"up"}}"#;
        for (text, reason) in [
            (String::new(), "cannot be understood"),
            (
                format!(r#"{{"schema":2,"root":"/","ask":{up}}}"#),
                "schema 2",
            ),
            (
                format!(r#"{{"schema":1,"root":"r","ask":{up}}}"#),
                "r is no absolute path",
            ),
            (
                format!(r#"{{"schema":1,"root":"/","shim":"x.so","ask":{up}}}"#),
                "x.so is no absolute path",
            ),
            (
                r#"{"schema":1,"root":"/","ask":{"resolve":{"verb":"in"}}}"#.to_owned(),
                "needs the names",
            ),
            (
                r#"{"schema":1,"root":"/","ask":{"resolve":{"verb":"in","packages":[""]}}}"#
                    .to_owned(),
                "without a name",
            ),
            (
                r#"{"schema":1,"root":"/","ask":{"resolve":{"verb":"in","packages":["./a.rpm"]}}}"#
                    .to_owned(),
                "is a package file",
            ),
            (
                r#"{"schema":1,"root":"/","ask":{"resolve":{"verb":"dup","packages":["a"]}}}"#
                    .to_owned(),
                "only 'in'",
            ),
        ] {
            let refusal = refusal(&text);
            assert!(refusal.contains(reason), "{text}: {refusal}");
        }
    }

    #[test]
    fn an_endless_request_is_not_read_to_its_end() {
        let endless = std::io::repeat(b' ');
        let refusal = read(endless).unwrap_err().what;
        assert!(refusal.contains("longer than"), "{refusal}");
    }
}

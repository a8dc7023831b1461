// SPDX-License-Identifier: GPL-2.0-or-later
//! What a commit does, as COMMITBEGIN and COMMITEND tell it.

use btf_guard_protocol::zypp::{CommitAction, CommitStep};
use serde::Deserialize;

#[derive(Deserialize)]
struct CommitBody {
    #[serde(rename = "TransactionStepList")]
    steps: Vec<RawStep>,
}

#[derive(Deserialize)]
struct RawStep {
    #[serde(rename = "type")]
    kind: Option<String>,
    stage: Option<String>,
    solvable: Solvable,
}

#[derive(Deserialize)]
struct Solvable {
    #[serde(rename = "n")]
    name: String,
    #[serde(rename = "e")]
    epoch: Option<u32>,
    #[serde(rename = "v")]
    version: String,
    #[serde(rename = "r", default)]
    release: String,
    #[serde(rename = "a")]
    arch: String,
}

/// The steps that install or remove packages.
///
/// Patterns, products and patches, whose names have their kind and a colon in
/// front, and source packages change nothing that a kernel sees.
pub fn parse(body: &[u8]) -> serde_json::Result<Vec<CommitStep>> {
    let body: CommitBody = serde_json::from_slice(body)?;
    Ok(body.steps.into_iter().filter_map(package).collect())
}

/// True if libzypp has done any of these steps. What is not understood is no step.
pub(crate) fn is_any_done(body: &[u8]) -> bool {
    let body: Option<CommitBody> = serde_json::from_slice(body).ok();
    let steps = body.map(|body| body.steps).unwrap_or_default();
    let done = |step: &RawStep| step.stage.as_deref() == Some("ok");
    steps.iter().any(done)
}

fn package(step: RawStep) -> Option<CommitStep> {
    let Solvable {
        name,
        epoch,
        version,
        release,
        arch,
    } = step.solvable;
    let action: CommitAction = serde_json::from_value(step.kind?.into()).ok()?;
    let is_package = is_plain(&name) && is_plain(&version) && is_plain(&release) && is_plain(&arch);
    (is_package && !matches!(arch.as_str(), "src" | "nosrc")).then_some(CommitStep {
        action,
        name,
        epoch,
        version,
        release,
        arch,
    })
}

/// True of the characters that names and versions of packages are made of, which become
/// arguments of rpm's.
fn is_plain(word: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._+~^-".contains(&byte);
    !word.starts_with('-') && word.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_read() {
        let steps = parse(
            br#"{"TransactionStepList":[
            {"type":"+","solvable":{"n":"a","v":"1","r":"2","a":"noarch"}},
            {"type":"-","stage":"ok","solvable":{"n":"b","e":3,"v":"1","r":"2","a":"x86_64"}},
            {"type":"M","solvable":{"n":"kernel-default","v":"6.4.0~rc1","r":"1.1","a":"x86_64"}},
            {"type":"+","solvable":{"n":"pattern:base","v":"1","r":"0","a":"noarch"}},
            {"type":"+","solvable":{"n":"s","v":"1","r":"0","a":"src"}},
            {"type":"?","solvable":{"n":"q","v":"1","r":"0","a":"noarch"}},
            {"solvable":{"n":"obsoleted","v":"1","r":"0","a":"noarch"}}]}"#,
        )
        .unwrap();
        let names: Vec<String> = steps.iter().map(|step| step.nevra().to_string()).collect();
        let expected = "a-1-2.noarch b-3:1-2.x86_64 kernel-default-6.4.0~rc1-1.1.x86_64";
        assert_eq!(names.join(" "), expected);
        assert_eq!(steps[1].action, CommitAction::Erase);
        assert_eq!(steps[2].action, CommitAction::Multi);
    }

    #[test]
    fn a_step_that_was_done_is_seen() {
        let body = |stage: &str| {
            format!(
                r#"{{"TransactionStepList":[{{"type":"+",{stage}
                "solvable":{{"n":"a","v":"1","r":"2","a":"noarch"}}}}]}}"#
            )
        };
        assert!(is_any_done(body(r#""stage":"ok","#).as_bytes()));
        assert!(!is_any_done(body(r#""stage":"err","#).as_bytes()));
        assert!(!is_any_done(body("").as_bytes()) && !is_any_done(b"garbage"));
    }

    #[test]
    fn names_that_no_package_has_are_left_out() {
        for name in ["-rf", "a b", "../x", "a*", "a\\u0000", "/bin/sh", "ä"] {
            let body = format!(
                r#"{{"TransactionStepList":[{{"type":"+",
                "solvable":{{"n":"{name}","v":"1","r":"2","a":"noarch"}}}}]}}"#
            );
            assert!(parse(body.as_bytes()).unwrap().is_empty(), "{name}");
        }
    }

    #[test]
    fn what_is_no_list_of_steps_is_an_error() {
        for body in ["", "{}", "[]", r#"{"TransactionStepList":[{"type":"+"}]}"#] {
            assert!(parse(body.as_bytes()).is_err(), "{body}");
        }
        let deep = "[".repeat(1 << 20);
        assert!(parse(deep.as_bytes()).is_err());
    }
}

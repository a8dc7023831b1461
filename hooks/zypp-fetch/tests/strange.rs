// SPDX-License-Identifier: GPL-2.0-or-later
//! A shim that does not fit, and prints: one line of answer, and nothing else.
#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::process::{Command, Stdio};

use btf_guard_protocol::zypp::Line;

#[test]
fn a_shim_of_another_version_is_refused_and_what_it_prints_is_no_answer() {
    let directory = tempfile::tempdir().unwrap();
    let shim = directory.path().join("strange.so");
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .arg(&shim)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/strange.c"))
        .status()
        .unwrap();
    assert!(built.success());

    let mut fetcher = Command::new(env!("CARGO_BIN_EXE_btf-guard-zypp-fetch"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let request = format!(
        r#"{{"schema":1,"root":"/","shim":"{}","ask":{{"resolve":{{"verb":"up"}}}}}}"#,
        shim.display()
    );
    let mut input = fetcher.stdin.take().unwrap();
    input.write_all(request.as_bytes()).unwrap();
    drop(input);
    let output = fetcher.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(output.stderr, b"noise\n");
    let Line::Error(failure) = serde_json::from_slice(&output.stdout).unwrap() else {
        unreachable!("{output:?}");
    };
    let why = "speaks version 999 of the shim's interface, not 2";
    assert!(failure.what.contains(why), "{failure:?}");
}

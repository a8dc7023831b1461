// SPDX-License-Identifier: GPL-2.0-or-later
//! Our metrics, read by Prometheus's own tool.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::io::Write;
use std::process::{Command, Stdio};

use btf_guard_tests::skip::skipped;
use btf_guard_tests::{Extracted, borrowed, kernels, program};

/// Modules that are judged by another kernel than their own.
const MODULES: usize = 20;

#[test]
fn prometheus_understands_our_metrics() {
    let Some(promtool) = borrowed::program(&["promtool"]) else {
        return skipped("metrics, read by promtool", "there is no promtool");
    };
    let kernels = Extracted::all(&kernels());
    let [own, .., other] = kernels.as_slice() else {
        return skipped("metrics, read by promtool", "there are no two kernels");
    };
    let output = Command::new(program())
        .args([
            "check",
            "--cache",
            "none",
            "--format",
            "prometheus",
            "--kernel",
        ])
        .arg(&other.image)
        .args(own.modules.iter().take(MODULES))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("\nbtf_guard_findings{release="), "{text}");
    let check = |text: &str| {
        let mut tool = Command::new(&promtool)
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        tool.stdin
            .take()
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        tool.wait_with_output().unwrap()
    };
    let checked = check(&text);
    assert!(checked.status.success(), "{text}{checked:?}");
    // promtool also says what is unusual.
    assert_eq!(String::from_utf8_lossy(&checked.stderr), "");
    let broken = text.replace("release=\"", "release=\"\\x");
    assert!(!check(&broken).status.success(), "{broken}");
}

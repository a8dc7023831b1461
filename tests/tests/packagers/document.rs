// SPDX-License-Identifier: GPL-2.0-or-later
//! `docs/packagers.md`: its examples, taken out to be run.

use std::fs;

use btf_guard_tests::client::repository;

/// The blocks of the page in this language, in order.
pub(crate) fn blocks(language: &str) -> Vec<String> {
    let page = fs::read_to_string(repository().join("docs/packagers.md")).unwrap();
    let mut blocks = Vec::new();
    let mut inside: Option<(bool, String)> = None;
    for line in page.lines() {
        match (&mut inside, line.strip_prefix("```")) {
            (None, Some(name)) => inside = Some((name == language, String::new())),
            (Some((wanted, block)), Some(_)) => {
                if *wanted {
                    blocks.push(std::mem::take(block));
                }
                inside = None;
            }
            (Some((_, block)), None) => {
                block.push_str(line);
                block.push('\n');
            }
            (None, None) => {}
        }
    }
    blocks
}

/// The spec file of the page.
pub(crate) fn spec() -> String {
    let [spec] = blocks("spec").try_into().expect("one spec file");
    spec
}

/// The one line that begins so in the block of this language, without its begin.
pub(crate) fn line_of(language: &str, begin: &str) -> String {
    let [block] = blocks(language).try_into().expect("one block");
    let mut lines = block.lines().filter_map(|line| {
        let line = line.trim().strip_prefix(begin)?;
        line.starts_with("btf-guard ").then(|| line.to_owned())
    });
    let line = lines.next().expect("a line of btf-guard's");
    assert_eq!(lines.next(), None);
    line
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! What packages, images and the disk name may not steer a terminal.

use super::*;

/// Clears the screen, starts a line, and reverses what follows.
const HOSTILE: &str = "\x1b[2J\n\u{202e}";

/// A report in which whatever comes from outside is hostile.
fn hostile() -> Report {
    let (mut kernels, mut modules) = bad_day(Target::NextBoot);
    let text = || format!("a{HOSTILE}b");
    for kernel in &mut kernels {
        kernel.release = Some(text());
        kernel.build = Some(text());
        kernel.source = format!("/boot/{}", text());
        kernel.config = Some(text());
        kernel.same_kernel_paths = vec![text()];
    }
    for (number, module) in modules.iter_mut().enumerate() {
        module.path = format!("/lib/modules/{}/{number}.ko", text());
        module.name = text();
        module.package = (number % 2 == 0).then(text);
        module.used_by_host = vec![text()];
        module.release = Some(text());
        for verdict in &mut module.verdicts {
            verdict.evidence = vec![text()];
            if !verdict.log.is_empty() {
                verdict.log = vec![text()];
            }
        }
    }
    let errors = vec![ErrorEntry {
        path: text(),
        error: text(),
        harmless: false,
    }];
    let mut report = assemble(kernels, modules, errors, Mode::Block);
    report.notes = vec![text()];
    report
}

fn assert_is_harmless(what: &str, text: &str) {
    assert!(
        text.contains("a\\u{1b}[2J\\u{a}\\u{202e}b"),
        "{what}: {text}"
    );
    let steers = |c: char| c == '\u{202e}' || c.is_control() && c != '\n';
    assert!(!text.contains(steers), "{what}: {text:?}");
    assert!(
        !text.lines().any(|line| line.starts_with('b')),
        "{what}: {text}"
    );
}

#[test]
fn no_output_for_people_lets_input_through() {
    let report = hostile();
    for detail in [Detail::Findings, Detail::Everything] {
        assert_is_harmless("text", &text(&report, detail));
    }
    for stage in [Stage::Before, Stage::After, Stage::Now] {
        for message in messages(&report, Mode::Block, stage) {
            assert!(!message.text.contains(char::is_control), "{message:?}");
        }
    }
    let all = lines(&report, Mode::Block).join("\n");
    assert_is_harmless("messages", &all);
    for report in [hostile(), as_built(hostile(), Mode::Block)] {
        let mut out = Vec::new();
        write_rpmlint(&report, None, &mut out).unwrap();
        assert_is_harmless("rpmlint", std::str::from_utf8(&out).unwrap());
        assert_is_harmless("text of a build", &text(&report, Detail::Everything));
    }
}

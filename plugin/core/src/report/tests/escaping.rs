// SPDX-License-Identifier: GPL-2.0-or-later
//! What packages, images and the disk name may not steer a terminal.

use super::*;

/// It clears the screen, starts a line, and reverses what follows.
fn hostile() -> String {
    "a\x1b[2J\n\u{202e}b".to_owned()
}

/// A report in which whatever comes from outside is hostile.
fn hostile_report() -> Report {
    let (mut kernels, mut modules) = bad_day(Target::NextBoot);
    for kernel in &mut kernels {
        kernel.release = Some(hostile());
        kernel.build = Some(hostile());
        kernel.source = format!("/boot/{}", hostile());
        kernel.config = Some(hostile());
        kernel.same_kernel_paths = vec![hostile()];
    }
    for (number, module) in modules.iter_mut().enumerate() {
        module.path = format!("/lib/modules/{}/{number}.ko", hostile());
        module.name = hostile();
        module.package = (number % 2 == 0).then(hostile);
        module.used_by_host = vec![hostile()];
        module.release = Some(hostile());
        for verdict in &mut module.verdicts {
            verdict.evidence = vec![hostile()];
            if !verdict.log.is_empty() {
                verdict.log = vec![hostile()];
            }
        }
    }
    let mut report = report(kernels, modules);
    report.errors = vec![failed(hostile(), &hostile())];
    report.notes = vec![hostile()];
    report
}

#[test]
fn no_output_for_people_lets_input_through() {
    let (report, built) = (hostile_report(), as_built(hostile_report(), Mode::Block));
    let mut outputs = vec![
        text(&report, Detail::Findings),
        text(&report, Detail::Everything),
        text(&built, Detail::Everything),
        rpmlint_text(&report, None),
        rpmlint_text(&built, None),
    ];
    for stage in [Stage::Pre, Stage::Post, Stage::None] {
        let messages = messages(&report, Mode::Block, stage);
        assert!(
            !messages.iter().any(|m| m.text.contains('\n')),
            "{messages:?}"
        );
        let texts: Vec<String> = messages.iter().map(|m| format!("- {}", m.text)).collect();
        outputs.push(texts.join("\n"));
    }
    for text in outputs {
        assert!(text.contains("a\\u{1b}[2J\\u{a}\\u{202e}b"), "{text}");
        let steers = |c: char| c == '\u{202e}' || c.is_control() && c != '\n';
        assert!(!text.contains(steers), "{text:?}");
        assert!(!text.lines().any(|line| line.starts_with('b')), "{text}");
    }
}

#[test]
fn no_line_of_a_transaction_is_as_long_as_a_package_wants() {
    let (kernels, mut modules) = bad_day(Target::NextBoot);
    for verdict in modules.iter_mut().flat_map(|module| &mut module.verdicts) {
        verdict.log = vec!["x".repeat(100_000)];
    }
    let mut report = report(kernels, modules);
    report.errors = vec![failed("y".repeat(100_000), &"no module")];
    let messages = messages(&report, Mode::Block, Stage::Pre);
    let longest = messages.iter().map(|m| m.text.chars().count()).max();
    assert_eq!(longest, Some(1025));
}

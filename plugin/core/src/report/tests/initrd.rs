// SPDX-License-Identifier: GPL-2.0-or-later
//! What reports say of modules inside initrds.

use super::*;

const INITRD: &str = "/boot/initrd.img-6.18.15-cloud";

/// A bad day, two of whose modules, the bad `asix` and the good `ahci`, lie in an
/// initrd.
fn report(fix: Option<&str>) -> Report {
    let (kernels, mut modules) = bad_day(Target::NextBoot);
    for module in &mut modules {
        if matches!(module.name.as_str(), "asix" | "ahci") {
            module.path = format!("{INITRD}!usr{}", module.path);
            module.initrd = Some(INITRD.into());
        }
    }
    let mut report = assemble(kernels, modules, Vec::new(), Mode::Block);
    report.initrds = vec![InitrdEntry {
        path: INITRD.into(),
        kernels: vec![0],
        fix_command: fix.map(str::to_owned),
    }];
    report
}

#[test]
fn they_are_a_finding_of_their_own() {
    let mut report = report(Some("update-initramfs -u -k 6.18.15-cloud"));
    report.notes = vec!["modules were not looked at: \u{1b}[2J".into()];
    let text = text(&report, Detail::Findings);
    let heads: Vec<_> = text
        .lines()
        .filter(|line| !line.starts_with([' ', '|']) && !line.is_empty())
        .collect();
    assert_eq!(
        heads,
        [
            "error: 2 of 3 modules will not load on kernel 6.18.15-cloud \
             (/boot/vmlinuz-6.18.15-cloud): their BTF was built for another build of it",
            "help: bring kernel 6.18.15-cloud and its modules from one build: reinstall its \
             package, or rebuild the modules against it, before it is booted",
            "--> /lib/modules/6.18.15-cloud/kernel",
            "error: 1 of 2 modules in initrd /boot/initrd.img-6.18.15-cloud will not load on \
             kernel 6.18.15-cloud (/boot/vmlinuz-6.18.15-cloud): its BTF was built for another \
             build of it",
            "help: make the initrd anew before it is booted: update-initramfs -u -k 6.18.15-cloud",
            "--> /boot/initrd.img-6.18.15-cloud!usr/lib/modules/6.18.15-cloud/kernel",
            "5 modules, kernel 6.18.15-cloud (/boot/vmlinuz-6.18.15-cloud): 1 load, 1 load \
             without BTF, 3 refused",
            "note: modules were not looked at: \\u{1b}[2J",
        ]
    );
}

#[test]
fn where_no_tool_is_known_none_is_named() {
    let text = text(&report(None), Detail::Findings);
    let help = "help: make the initrd anew before it is booted, with the tool that made it";
    assert!(text.lines().any(|line| line == help), "{text}");
}

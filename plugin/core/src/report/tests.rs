// SPDX-License-Identifier: GPL-2.0-or-later
#![allow(clippy::unwrap_used)]

mod escaping;
mod json;
mod messages;
mod origin;
mod ruling;

use btf_guard_protocol::decision::Decision;
use btf_guard_protocol::plan::{Level, Stage};

use super::fixtures::*;
use super::*;
use crate::verdict::{Assumption, Causes, Judgement, NoBtf, Unknown, Verdict};

const KERNEL: &str = "kernel 6.18.15-cloud (/boot/vmlinuz-6.18.15-cloud)";
const INITRD: &str = "/boot/initrd.img-6.18.15-cloud";

fn text(report: &Report, detail: Detail) -> String {
    anstream::adapter::strip_str(&report_text(report, detail, &Causes::all())).to_string()
}

fn head(report: &Report, lines: usize) -> String {
    let text = text(report, Detail::Findings);
    text.lines().take(lines).collect::<Vec<_>>().join("\n")
}

fn lines(report: &Report, mode: Mode) -> Vec<String> {
    let prefix = |level| match level {
        Level::Error => "E ",
        Level::Warning => "W ",
        Level::Notice => "N ",
    };
    let messages = messages(report, mode, Stage::Pre).into_iter();
    messages
        .map(|m| prefix(m.level).to_owned() + &m.text)
        .collect()
}

#[test]
fn a_bad_day_in_text() {
    let (kernels, modules) = bad_day(Target::NextBoot);
    let report = report(kernels, modules);
    assert_eq!(
        text(&report, Detail::Findings),
        "\
error: 3 of 5 modules will not load on kernel 6.18.15-cloud (/boot/vmlinuz-6.18.15-cloud): their BTF was built for another build of it
help: bring kernel 6.18.15-cloud and its modules from one build: reinstall its package, or rebuild the modules against it, before it is booted
--> /lib/modules/6.18.15-cloud/kernel
  | 2 modules: aegis128, asix
  |   BPF: [114893] STRUCT aegis_block
  |   BPF: size=392 vlen=17
  |   BPF: Invalid name
  |   failed to validate module [aegis128] BTF: -22
  | 1 module: quiet
  |   failed to validate module [quiet] BTF: -22

5 modules, kernel 6.18.15-cloud (/boot/vmlinuz-6.18.15-cloud): 1 load, 1 load without BTF, 3 refused
"
    );
    assert_eq!(report.decision, Decision::Block);
    assert_eq!(text(&report, Detail::Decision), "block\n");
}

#[test]
fn the_running_kernel_is_told_which_installed_one_takes_its_modules() {
    let (mut kernels, mut modules) = bad_day(Target::Running);
    kernels.push(kernel(1, Target::NextBoot));
    let running = "warning: 3 of 5 modules will not load on the running kernel 6.18.15-cloud";
    let why = "their BTF was built for another build of it";
    assert_eq!(
        head(&report(kernels.clone(), modules.clone()), 2),
        format!(
            "{running}: {why}\nhelp: reboot into the kernel that they were built with; until \
             then they cannot be loaded"
        )
    );
    for module in &mut modules {
        module.verdicts.push(judged(&kernels[1], Verdict::Loads));
    }
    let reboot = report(kernels, modules);
    assert_eq!(
        head(&reboot, 2),
        format!(
            "{running} until you reboot: {why}\nhelp: reboot: after it all of them load, on \
             {KERNEL}"
        )
    );
    assert_eq!(reboot.decision, Decision::Warn);
    // Now and later are told apart.
    let last = format!(
        "now: 5 modules, the running kernel 6.18.15-cloud: 1 load, 1 load without BTF, 3 refused\n\
         ok: after a reboot: all 5 modules load on {KERNEL}\n"
    );
    let text = text(&reboot, Detail::Findings);
    assert!(text.ends_with(&last), "{text}");
    for (target, counts, decision) in [
        (Target::Running, (3, 1), Decision::Warn),
        (Target::NextBoot, (0, 5), Decision::Allow),
    ] {
        let Tally {
            summary,
            decision: found,
        } = reboot.by_target[&target];
        assert_eq!((summary.refused, summary.loads), counts);
        assert_eq!(found, decision);
    }
}

#[test]
fn good_health_is_one_line() {
    let kernel = kernel(0, Target::Running);
    let entry = |name, verdict| module(name, vec![judged(&kernel, verdict)]);
    let loads = || entry("ahci", Verdict::Loads);
    let healthy = report(vec![kernel.clone()], vec![loads(), loads()]);
    assert_eq!(
        text(&healthy, Detail::Findings),
        "ok: all 2 modules load on the running kernel 6.18.15-cloud\n"
    );
    let no_btf = entry("brd", Verdict::LoadsNoBtf { why: NoBtf::Absent });
    let discarded = entry("x", Verdict::BtfDiscarded(misfit("x")));
    let typeless = report(vec![kernel.clone()], vec![loads(), no_btf, discarded]);
    assert_eq!(
        text(&typeless, Detail::Findings),
        "\
note: 1 of 3 modules loads on the running kernel 6.18.15-cloud without types: its BTF was built for another build of it
help: where BPF programs need these types, install kernel and modules from one build

ok: all 3 modules load on the running kernel 6.18.15-cloud (2 without types)
"
    );
    assert_eq!(typeless.decision, Decision::Allow);
}

#[test]
fn verbose_text_says_what_is_not_known_and_not_checked() {
    let mut kernel = KernelEntry {
        release: None,
        build: None,
        source: "base.btf".into(),
        config: None,
        names_machine: false,
        ..kernel(0, Target::NextBoot)
    };
    kernel.features.distilled_base = false;
    kernel.features.allow_mismatch = None;
    let guess = Judgement {
        assumed: vec![Assumption::AllowMismatch],
        ..Verdict::Refused(misfit("x")).into()
    };
    let why = Unknown::NoBaseBtf;
    let no_btf = Verdict::LoadsNoBtf { why: NoBtf::Absent };
    let mut report = report(
        vec![kernel.clone()],
        vec![
            module("x", vec![judged(&kernel, guess)]),
            module("y", vec![judged(&kernel, Verdict::Unknown { why })]),
            module("z", vec![judged(&kernel, no_btf)]),
        ],
    );
    let error = "at offset 0x0: expected an ELF header";
    report.errors.push(failed("bad.ko".into(), &error));
    assert_eq!(
        text(&report, Detail::Everything),
        format!(
            "\
warning: 1 of 3 modules will not load on the kernel of base.btf: its BTF does not fit it
help: install the modules that were built for this kernel, or use them with 6.18.15-cloud
--> /lib/modules/6.18.15-cloud/kernel
  | 1 module: x
  |   BPF: [114893] STRUCT x_block
  |   BPF: size=392 vlen=17
  |   BPF: Invalid name
  |   failed to validate module [x] BTF: -22
 = note: no config of this kernel was found: CONFIG_MODULE_ALLOW_BTF_MISMATCH is taken to be unset, as by default (--kernel-config FILE tells better)

note: 1 of 3 modules cannot be judged for the kernel of base.btf
--> /lib/modules/6.18.15-cloud/kernel
  | 1 module: y
  |   no base BTF was found in this kernel

error: bad.ko: at offset 0x0: expected an ELF header
3 modules, the kernel of base.btf: 1 load without BTF, 1 refused, 1 unknown

the kernel of base.btf
  base BTF: 114822 types, 2092587 bytes of strings, sha256 {}
  20 BTF kinds, ignores .BTF.base, a mismatch is refused (assumed)
  config: not found
  loads without types: /lib/modules/6.18.15-cloud/kernel/z.ko.xz (the module has no BTF)
not checked: signature, version magic, symbols and their CRCs (not in this version)
not checked: architecture, for the kernel of base.btf: it does not say
",
            "5".repeat(64)
        )
    );
    assert_eq!(report.decision, Decision::Warn, "a guess does not block");
}

/// A bad day, two of whose modules, the bad `asix` and the good `ahci`, lie in an
/// initrd: what is said of them, with and without a tool that makes it anew.
#[test]
fn modules_inside_initrds_are_a_finding_of_their_own() {
    let (kernels, mut modules) = bad_day(Target::NextBoot);
    for module in &mut modules {
        if matches!(module.name.as_str(), "asix" | "ahci") {
            module.path = format!("{INITRD}!usr{}", module.path);
            module.initrd = Some(INITRD.into());
        }
    }
    let mut report = report(kernels, modules);
    for (fix_command, help) in [
        (Some("update-initramfs -u"), ": update-initramfs -u"),
        (None, ", with the tool that made it"),
    ] {
        report.initrds = vec![InitrdEntry {
            path: INITRD.into(),
            kernels: vec![0],
            fix_command: fix_command.map(str::to_owned),
        }];
        let text = text(&report, Detail::Findings);
        let heads = text
            .lines()
            .filter(|line| !line.starts_with([' ', '|']) && !line.is_empty());
        assert_eq!(
            heads.collect::<Vec<_>>(),
            [
                &format!(
                    "error: 2 of 3 modules will not load on {KERNEL}: their BTF was built for \
                     another build of it"
                ),
                "help: bring kernel 6.18.15-cloud and its modules from one build: reinstall its \
                 package, or rebuild the modules against it, before it is booted",
                "--> /lib/modules/6.18.15-cloud/kernel",
                &format!(
                    "error: 1 of 2 modules in initrd {INITRD} will not load on {KERNEL}: its BTF \
                     was built for another build of it"
                ),
                &format!("help: make the initrd anew before it is booted{help}"),
                &format!("--> {INITRD}!usr/lib/modules/6.18.15-cloud/kernel"),
                &format!("5 modules, {KERNEL}: 1 load, 1 load without BTF, 3 refused"),
            ]
        );
    }
}

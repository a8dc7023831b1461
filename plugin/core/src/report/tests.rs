// SPDX-License-Identifier: GPL-2.0-or-later
#![allow(clippy::unwrap_used)]

mod escaping;
mod initrd;
mod json;
mod messages;
mod origin;

use btf_guard_protocol::decision::Decision;
use btf_guard_protocol::plan::{Level, Stage};

use super::fixtures::*;
use super::*;
use crate::verdict::{Assumption, Causes, Judgement, NoBtf, Unknown, Verdict};

fn text(report: &Report, detail: Detail) -> String {
    let mut out = Vec::new();
    write_text(report, detail, &Causes::all(), &mut out).unwrap();
    anstream::adapter::strip_str(std::str::from_utf8(&out).unwrap()).to_string()
}

fn lines(report: &Report, mode: Mode) -> Vec<String> {
    let prefix = |level| match level {
        Level::Error => "E ",
        Level::Warning => "W ",
        Level::Notice => "N ",
    };
    let messages = messages(report, mode, Stage::Before).into_iter();
    messages
        .map(|m| prefix(m.level).to_owned() + &m.text)
        .collect()
}

#[test]
fn a_bad_day_in_text() {
    let (kernels, modules) = bad_day(Target::NextBoot);
    let report = assemble(kernels, modules, Vec::new(), Mode::Block);
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
    let report = |kernels: &[_], modules: &[_]| {
        assemble(kernels.to_vec(), modules.to_vec(), Vec::new(), Mode::Block)
    };
    let head = |report: &Report| {
        let text = text(report, Detail::Findings);
        text.lines().take(2).collect::<Vec<_>>().join("\n")
    };
    let headline = "warning: 3 of 5 modules will not load on the running kernel 6.18.15-cloud: \
                    their BTF was built for another build of it";
    assert_eq!(
        head(&report(&kernels, &modules)),
        format!(
            "{headline}\nhelp: reboot into the kernel that they were built with; until then they \
             cannot be loaded"
        )
    );
    for module in &mut modules {
        module.verdicts.push(judged(&kernels[1], Verdict::Loads));
    }
    let reboot = report(&kernels, &modules);
    assert_eq!(
        head(&reboot),
        "warning: 3 of 5 modules will not load on the running kernel 6.18.15-cloud until you \
         reboot: their BTF was built for another build of it\n\
         help: reboot: after it all of them load, on kernel 6.18.15-cloud \
         (/boot/vmlinuz-6.18.15-cloud)"
    );
    assert_eq!(reboot.decision, Decision::Warn);
    // Now and later are told apart.
    let text = text(&reboot, Detail::Findings);
    let last: Vec<&str> = text.lines().rev().take(2).collect();
    assert_eq!(
        last,
        [
            "ok: after a reboot: all 5 modules load on kernel 6.18.15-cloud \
             (/boot/vmlinuz-6.18.15-cloud)",
            "now: 5 modules, the running kernel 6.18.15-cloud: 1 load, 1 load without BTF, \
             3 refused",
        ]
    );
    let of = |moment| reboot.by_target[&moment];
    let now = of(Target::Running);
    assert_eq!((now.summary.refused, now.summary.loads), (3, 1));
    assert_eq!(now.decision, Decision::Warn);
    let boot = of(Target::NextBoot);
    assert_eq!((boot.summary.refused, boot.summary.loads), (0, 5));
    assert_eq!(boot.decision, Decision::Allow);
}

#[test]
fn good_health_is_one_line() {
    let kernel = kernel(0, Target::Running);
    let loads = |name| module(name, vec![judged(&kernel, Verdict::Loads)]);
    let healthy = assemble(
        vec![kernel.clone()],
        vec![loads("ahci"), loads("brd")],
        Vec::new(),
        Mode::Block,
    );
    assert_eq!(
        text(&healthy, Detail::Findings),
        "ok: all 2 modules load on the running kernel 6.18.15-cloud\n"
    );

    let no_btf = judged(&kernel, Verdict::LoadsNoBtf { why: NoBtf::Absent });
    let discarded = judged(&kernel, Verdict::BtfDiscarded(misfit("x")));
    let typeless = assemble(
        vec![kernel.clone()],
        vec![
            loads("ahci"),
            module("brd", vec![no_btf]),
            module("x", vec![discarded]),
        ],
        Vec::new(),
        Mode::Block,
    );
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
    let kernel = KernelEntry {
        release: None,
        build: None,
        source: "base.btf".into(),
        config: None,
        names_machine: false,
        abilities: FeaturesEntry {
            kinds: 20,
            distilled_base: false,
            module_btf: true,
            allow_mismatch: None,
        },
        ..kernel(0, Target::NextBoot)
    };
    let guess = Judgement {
        assumed: vec![Assumption::AllowMismatch],
        ..Verdict::Refused(misfit("x")).into()
    };
    let unknown = Verdict::Unknown {
        why: Unknown::NoBaseBtf,
    };
    let no_btf = judged(&kernel, Verdict::LoadsNoBtf { why: NoBtf::Absent });
    let report = assemble(
        vec![kernel.clone()],
        vec![
            module("x", vec![judged(&kernel, guess)]),
            module("y", vec![judged(&kernel, unknown)]),
            module("z", vec![no_btf]),
        ],
        vec![ErrorEntry {
            harmless: false,
            path: "bad\u{1b}[2J.ko".into(),
            error: "at offset 0x0: expected an ELF header".into(),
        }],
        Mode::Block,
    );
    let shown = text(&report, Detail::Everything);
    assert_eq!(
        shown,
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

error: bad\\u{{1b}}[2J.ko: at offset 0x0: expected an ELF header
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

// SPDX-License-Identifier: GPL-2.0-or-later
//! The lines of a report in a package manager's output.

use btf_guard_btf::BtfRule;

use super::*;
use crate::verdict::{ElfError, Refusal};

#[test]
fn a_block_in_a_package_managers_output() {
    let (kernels, mut modules) = bad_day(Target::NextBoot);
    for module in &mut modules {
        module.package = Some("kmp-1-1.x86_64".into());
    }
    let mut report = assemble(kernels, modules, Vec::new(), Mode::Block);
    report.retain_findings();
    assert_eq!(report.modules.len(), 3);
    let rest = [
        "  help: bring kernel 6.18.15-cloud and its modules from one build: reinstall its package, \
         or rebuild the modules against it, before it is booted",
        "  modules: aegis128, asix, quiet (in kmp-1-1.x86_64)",
        "  the kernel would log: BPF: [114893] STRUCT aegis_block | BPF: size=392 vlen=17 | BPF: \
         Invalid name | failed to validate module [aegis128] BTF: -22",
    ];
    let headline = "after this transaction, 3 of 5 modules will not load on kernel 6.18.15-cloud \
                    (/boot/vmlinuz-6.18.15-cloud): their BTF was built for another build of it";
    let expected = |level: &str, first: &str| {
        let first = format!("{level} btf-guard: {first}: {headline}");
        let rest = rest.iter().map(|line| format!("{level} {line}"));
        std::iter::once(first).chain(rest).collect::<Vec<_>>()
    };
    let mut blocked = expected("E", "blocked");
    blocked.push(
        "E btf-guard: nothing was changed; to go on all the same: BTF_GUARD=warn in the \
         environment, or rpm -D '_btf_guard warn'"
            .into(),
    );
    for help in [
        "every time: sudo btf-guard allow --package 'kmp'",
        "one time: sudo btf-guard allow --next",
    ] {
        blocked.push(format!("E   help: for {help} --reason '...'"));
    }
    assert_eq!(lines(&report, Mode::Block), blocked);

    report.decision = Decision::Warn;
    assert_eq!(
        lines(&report, Mode::Warn),
        expected("W", "would have blocked")
    );
    assert!(lines(&report, Mode::Off).is_empty());
}

#[test]
fn what_set_preexisting_is_a_notice() {
    let (kernels, mut modules) = bad_day(Target::NextBoot);
    for verdict in modules.iter_mut().flat_map(|m| &mut m.verdicts) {
        if verdict.severity == Severity::Block {
            verdict.set_preexisting();
        }
    }
    let errors = vec![ErrorEntry {
        harmless: false,
        path: "kmp-2-1.x86_64".into(),
        error: "the payload does not decompress: corrupt".into(),
    }];
    let report = assemble(kernels, modules, errors, Mode::Block);
    assert_eq!(report.decision, Decision::Allow);
    assert_eq!(
        lines(&report, Mode::Block),
        [
            "N btf-guard: as before this transaction, 3 of 5 modules will not load on kernel \
             6.18.15-cloud (/boot/vmlinuz-6.18.15-cloud): their BTF was built for another build \
             of it",
            "W btf-guard: kmp-2-1.x86_64: the payload does not decompress: corrupt; it was not \
             judged",
        ]
    );
}

#[test]
fn findings_speak_of_what_they_are() {
    let running = kernel(0, Target::Running);
    let headline = |verdict: Verdict| {
        let judgement = Judgement::from(verdict);
        let entry = module("x", vec![judged(&running, judgement)]);
        let report = assemble(vec![running.clone()], vec![entry], Vec::new(), Mode::Block);
        text(&report, Detail::Findings)
            .lines()
            .next()
            .unwrap()
            .to_owned()
    };
    let on = "the running kernel 6.18.15-cloud";
    let bug = || refusal(BtfRule::EmbeddedEndless { id: 7 }, None);
    assert_eq!(
        headline(Verdict::Refused(Refusal::Elf(ElfError::InvalidMachine {
            machine: 183
        }))),
        format!("warning: the module will not load on {on}: it was built for another machine")
    );
    assert_eq!(
        headline(Verdict::Refused(bug())),
        format!("warning: the module may crash {on}: it mishandles its BTF")
    );
    let bug = serde_json::to_value(judged(&running, Verdict::Refused(bug()))).unwrap();
    assert_eq!(bug["errno"], serde_json::Value::Null);
    assert_eq!(bug["cause"], "kernel-bug");
    assert_eq!(
        headline(Verdict::BtfWrong {
            evidence: Vec::new()
        }),
        format!(
            "warning: the module loads on {on}, but BPF programs will read wrong types: its BTF \
             was built for another build of it"
        )
    );
    let gone = missing_modules("/lib/modules/6.18.15-cloud".into(), &running);
    let report = assemble(vec![running.clone()], vec![gone], Vec::new(), Mode::Block);
    assert_eq!(
        text(&report, Detail::Findings),
        format!(
            "warning: {on} has no modules: /lib/modules/6.18.15-cloud\n\
             help: reboot into an installed kernel; until then no module can be loaded\n\n"
        )
    );
    assert_eq!(report.summary.missing, 1);
    assert_eq!(report.summary.modules, 0);
}

#[test]
fn modules_for_another_release_are_called_so() {
    let kernel = kernel(0, Target::NextBoot);
    let entry = ModuleEntry {
        release: Some("6.18.12-cloud".into()),
        ..module("x", vec![judged(&kernel, Verdict::Refused(misfit("x")))])
    };
    let report = assemble(vec![kernel], vec![entry], Vec::new(), Mode::Block);
    let text = text(&report, Detail::Findings);
    let head: Vec<_> = text.lines().take(2).collect();
    assert_eq!(
        head,
        [
            "error: the module will not load on kernel 6.18.15-cloud \
             (/boot/vmlinuz-6.18.15-cloud): its BTF was built for 6.18.12-cloud",
            "help: install the modules that were built for 6.18.15-cloud, or use them with \
             6.18.12-cloud",
        ]
    );
}

#[test]
fn nothing_is_made_up_where_neither_side_names_a_release() {
    let kernel = KernelEntry {
        release: None,
        source: "base.btf".into(),
        ..kernel(0, Target::NextBoot)
    };
    let entry = ModuleEntry {
        release: None,
        ..module("x", vec![judged(&kernel, Verdict::Refused(misfit("x")))])
    };
    let report = assemble(vec![kernel], vec![entry], Vec::new(), Mode::Block);
    let text = text(&report, Detail::Findings);
    let head: Vec<_> = text.lines().take(2).collect();
    assert_eq!(
        head,
        [
            "error: the module will not load on the kernel of base.btf: its BTF does not fit it",
            "help: bring this kernel and its modules from one build: reinstall its package, or \
             rebuild the modules against it, before it is booted",
        ]
    );
}

#[test]
fn a_kernel_in_a_package_is_named_by_it() {
    let entry = KernelEntry {
        package: Some("kernel-6.18.15-1.x86_64".into()),
        ..kernel(0, Target::NextBoot)
    };
    assert_eq!(
        crate::report::wording::kernel(&entry),
        "kernel 6.18.15-cloud (in kernel-6.18.15-1.x86_64)"
    );
}

#[test]
fn what_this_machine_needs_comes_first() {
    let (kernels, mut modules) = bad_day(Target::NextBoot);
    for (name, why) in [("quiet", "root file system"), ("asix", "loaded")] {
        let module = modules.iter_mut().find(|module| module.name == name);
        module.unwrap().used_by_host.push(why.into());
    }
    let report = assemble(kernels, modules, Vec::new(), Mode::Block);
    let shown = text(&report, Detail::Findings);
    let from = shown.lines().skip(2).collect::<Vec<_>>().join("\n");
    assert!(
        from.starts_with(
            " = needed by this machine: asix (loaded), quiet (root file system)
--> /lib/modules/6.18.15-cloud/kernel
  | 2 modules: asix, aegis128
"
        ),
        "{shown}"
    );
    let lines = lines(&report, Mode::Block);
    assert_eq!(
        lines[2..4],
        [
            "E   modules: asix, aegis128, quiet",
            "E   needed by this machine: asix (loaded), quiet (root file system)",
        ]
    );
    let json = serde_json::to_value(&report).unwrap();
    let used = |index: usize| &json["modules"][index]["used_by_host"];
    assert_eq!(used(2), &serde_json::json!(["loaded"]));
    assert_eq!(used(0), &serde_json::json!([]));
}

#[test]
fn of_two_findings_as_bad_that_with_needed_modules_is_first() {
    let (one, other) = (kernel(0, Target::NextBoot), kernel(1, Target::NextBoot));
    let refused = |kernel, name| {
        let verdict = Verdict::Refused(misfit(name));
        module(name, vec![judged(kernel, verdict)])
    };
    let (plain, mut needed) = (refused(&one, "plain"), refused(&other, "needed"));
    needed.used_by_host.push("loaded".into());
    let modules = vec![plain, needed];
    let report = assemble(vec![one, other], modules, Vec::new(), Mode::Block);
    let names: Vec<_> = lines(&report, Mode::Block)
        .into_iter()
        .filter(|line| line.contains("modules: "))
        .collect();
    assert_eq!(names, ["E   modules: needed", "E   modules: plain"]);
}

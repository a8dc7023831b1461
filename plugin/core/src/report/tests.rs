// SPDX-License-Identifier: GPL-2.0-or-later
#![allow(clippy::unwrap_used)]

mod escaping;
mod initrd;
mod origin;

use btf_guard_btf::{
    BtfRule, BtfSection, Element, Evidence, Mismatch, Parameter, TypeInfo, VerifyError,
};
use btf_guard_protocol::decision::Decision;
use btf_guard_protocol::plan::{Level, Stage};

use super::fixtures::*;
use super::*;
use crate::module::Module;
use crate::verdict::{
    Assumption, Causes, ElfError, Judgement, NoBtf, Reason, Refusal, Unknown, Verdict,
};

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
    let (kernels, modules) = bad_day(Moment::Boot);
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
    let (mut kernels, mut modules) = bad_day(Moment::Now);
    kernels.push(kernel(1, Moment::Boot));
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
    let now = of(Moment::Now);
    assert_eq!((now.summary.refused, now.summary.loads), (3, 1));
    assert_eq!(now.decision, Decision::Warn);
    let boot = of(Moment::Boot);
    assert_eq!((boot.summary.refused, boot.summary.loads), (0, 5));
    assert_eq!(boot.decision, Decision::Allow);
}

#[test]
fn good_health_is_one_line() {
    let kernel = kernel(0, Moment::Now);
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
        ..kernel(0, Moment::Boot)
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

#[test]
fn the_schema_of_the_json() {
    let (kernels, mut modules) = bad_day(Moment::Boot);
    modules.truncate(2);
    let report = assemble(kernels, modules, Vec::new(), Mode::Block);
    let json: serde_json::Value = serde_json::to_value(&report).unwrap();
    let path = |name: &str| format!("/lib/modules/6.18.15-cloud/kernel/{name}.ko.xz");
    let btf = serde_json::json!(
        {"present": true, "distilled": false, "bytes": 5210, "built_for": null});
    let summary = serde_json::json!(
        {"modules": 2, "loads": 1, "loads-no-btf": 0, "btf-discarded": 0,
         "btf-wrong": 0, "refused": 1, "missing": 0, "unknown": 0});
    let subject = serde_json::json!(
        {"id": 114893, "kind": "STRUCT", "name": "aegis_block", "size_or_type": 392,
         "vlen": 17, "kind_flag": false, "words": [], "parameters": []});
    assert_eq!(
        json,
        serde_json::json!({
            "schema": 2,
            "kernels": [{
                "id": 0, "release": "6.18.15-cloud", "build": "#1 SMP 2026-03-01",
                "moment": "boot", "source": "/boot/vmlinuz-6.18.15-cloud", "default": false,
                "stale": null, "same_kernel_paths": [], "package": null,
                "base": {"types": 114822, "strings": 2092587, "sha256": "5".repeat(64)},
                "abilities": {"kinds": 20, "distilled_base": true,
                              "module_btf": true, "allow_mismatch": false},
                "config": "/boot/config-6.18.15-cloud", "modules_checked": 2,
                "names_machine": true,
            }],
            "modules": [
                {"path": path("aegis128"), "name": "aegis128", "package": null, "initrd": null,
                 "release": "6.18.15-cloud", "in_tree": true, "used_by_host": [], "btf": btf,
                 "names_machine": true,
                 "verdicts": [{
                     "kernel": 0, "verdict": "refused", "cause": "btf", "errno": -22,
                     "reason": {"rule": "invalid-name", "section": ".BTF", "type": subject,
                                "element": null},
                     "log": ["[114893] STRUCT aegis_block", "size=392 vlen=17", "Invalid name"],
                     "evidence": [], "assumed": [], "notes": [], "severity": "block",
                     "max_severity": "block", "rule": null, "preexisting": false}]},
                {"path": path("ahci"), "name": "ahci", "package": null, "initrd": null,
                 "release": "6.18.15-cloud", "in_tree": true, "used_by_host": [], "btf": btf,
                 "names_machine": true,
                 "verdicts": [{
                     "kernel": 0, "verdict": "loads", "cause": null, "errno": null,
                     "reason": null, "log": [], "evidence": [], "assumed": [], "notes": [],
                     "severity": "none", "max_severity": "block", "rule": null,
                     "preexisting": false}]},
            ],
            "errors": [],
            "summary": summary,
            "by_target": {"boot": {"summary": summary, "decision": "block"}},
            "decision": "block",
            "initrds": [],
            "problems": null,
            "notes": [],
        })
    );
    assert_eq!(serde_json::from_value::<Report>(json).unwrap(), report);
}

/// Each form that a reason takes survives the way through JSON.
#[test]
fn reasons_are_read_back() {
    let subject = TypeInfo {
        parameters: vec![Parameter {
            name: r"a\x09".into(),
            type_id: 3,
        }],
        words: vec![1, 2, 3],
        ..subject("x")
    };
    let error = |rule, element| VerifyError {
        rule,
        section: BtfSection::Base,
        subject: Some(Box::new(subject.clone())),
        element,
    };
    let member = Element::Member {
        index: 1,
        name: "m".into(),
        type_id: 2,
        offset: 3,
    };
    let ambiguous = BtfRule::DistilledAmbiguous {
        id: 1,
        name: "s".into(),
        size: 8,
        base_ids: [7, 9],
    };
    let others = vec!["6.1 (/boot/vmlinuz)".to_owned()];
    for reason in [
        Reason::Btf(error(ambiguous, Some(member))),
        Reason::Btf(error(
            BtfRule::CutType {
                left: 1,
                needed: 12,
            },
            None,
        )),
        Reason::Elf(ElfError::InvalidMachine { machine: 183 }),
        Reason::NoBtf(NoBtf::Unsupported),
        Reason::OtherBase(Evidence {
            clue: Mismatch::Length {
                built_for: 1,
                here: 2,
            },
            count: 3,
        }),
        Reason::Unknown(Unknown::NoBaseBtf),
        Reason::Unknown(Unknown::AmbiguousBase {
            others,
            difference: None,
        }),
    ] {
        let json = serde_json::to_value(&reason).unwrap();
        assert!(json["rule"].is_string(), "{json}");
        assert_eq!(
            serde_json::from_value::<Reason>(json.clone()).unwrap(),
            reason,
            "{json}"
        );
    }
}

#[test]
fn a_module_and_a_kernel_become_entries() {
    let module = Module {
        vermagic: Some("6.18.15-cloud SMP preempt mod_unload modversions ".into()),
        btf_base: Some(Vec::new()),
        ..Module::from_raw_btf("x_y", vec![1; 24])
    };
    let entry = module_entry("/x-y.ko".into(), Some("kmp-1-1.x86_64".into()), &module);
    assert_eq!(entry.release.as_deref(), Some("6.18.15-cloud"));
    assert_eq!(entry.severity(), Severity::None);
    assert!(entry.btf.present && entry.btf.distilled && !entry.names_machine);
    assert_eq!((entry.btf.bytes, entry.name.as_str()), (24, "x_y"));
}

#[test]
fn a_block_in_a_package_managers_output() {
    let (kernels, mut modules) = bad_day(Moment::Boot);
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
    let (kernels, mut modules) = bad_day(Moment::Boot);
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
    let running = kernel(0, Moment::Now);
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
    let kernel = kernel(0, Moment::Boot);
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
        ..kernel(0, Moment::Boot)
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
        ..kernel(0, Moment::Boot)
    };
    assert_eq!(
        super::wording::kernel(&entry),
        "kernel 6.18.15-cloud (in kernel-6.18.15-1.x86_64)"
    );
}

#[test]
fn what_this_machine_needs_comes_first() {
    let (kernels, mut modules) = bad_day(Moment::Boot);
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
    let (one, other) = (kernel(0, Moment::Boot), kernel(1, Moment::Boot));
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

// SPDX-License-Identifier: GPL-2.0-or-later
//! The lines of a report in a package manager's output, and headlines.

use btf_guard_btf::BtfRule;
use btf_guard_protocol::override_source::{Override, OverrideSource};

use super::*;
use crate::policy::{Effect, Policy, Rule, pattern};
use crate::verdict::{ElfError, Refusal};

#[test]
fn a_block_in_a_package_managers_output() {
    let (kernels, mut modules) = bad_day(Target::NextBoot);
    for module in &mut modules {
        module.package = Some("kmp-1-1.x86_64".into());
    }
    let mut report = report(kernels, modules);
    report.retain_findings();
    assert_eq!(report.modules.len(), 3);
    let expected = |level: &str, first: &str, last: &[&str]| -> Vec<String> {
        let headline = format!(
            "btf-guard: {first}: after this transaction, 3 of 5 modules will not load on \
             {KERNEL}: their BTF was built for another build of it"
        );
        let lines = [
            headline.as_str(),
            "  help: bring kernel 6.18.15-cloud and its modules from one build: reinstall its \
             package, or rebuild the modules against it, before it is booted",
            "  modules: aegis128, asix, quiet (in kmp-1-1.x86_64)",
            "  the kernel would log: BPF: [114893] STRUCT aegis_block | BPF: size=392 vlen=17 | \
             BPF: Invalid name | failed to validate module [aegis128] BTF: -22",
        ];
        let lines = lines.iter().chain(last);
        lines.map(|line| format!("{level} {line}")).collect()
    };
    let last = [
        "btf-guard: nothing was changed; to go on all the same: BTF_GUARD=warn in the \
         environment, or rpm -D '_btf_guard warn'",
        "  help: for every time: sudo btf-guard allow --package 'kmp' --reason '...'",
        "  help: for one time: sudo btf-guard allow --next --reason '...'",
    ];
    assert_eq!(lines(&report, Mode::Block), expected("E", "blocked", &last));
    report.decision = Decision::Warn;
    let warned = expected("W", "would have blocked", &[]);
    assert_eq!(lines(&report, Mode::Warn), warned);
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
    let mut report = report(kernels, modules);
    let error = "the payload does not decompress: corrupt";
    report.errors.push(failed("kmp-2-1.x86_64".into(), &error));
    assert_eq!(report.decision, Decision::Allow);
    assert_eq!(
        lines(&report, Mode::Block),
        [
            &format!(
                "N btf-guard: as before this transaction, 3 of 5 modules will not load on \
                 {KERNEL}: their BTF was built for another build of it"
            ),
            "W btf-guard: kmp-2-1.x86_64: the payload does not decompress: corrupt; it was not \
             judged",
        ]
    );
}

#[test]
fn findings_speak_of_what_they_are() {
    let running = kernel(0, Target::Running);
    let on = "the running kernel 6.18.15-cloud";
    let bug = || refusal(BtfRule::EmbeddedEndless { id: 7 }, None);
    let machine = ElfError::InvalidMachine { machine: 183 };
    let evidence = Vec::new();
    for (verdict, expected) in [
        (
            Verdict::Refused(Refusal::Elf(machine)),
            format!("the module will not load on {on}: it was built for another machine"),
        ),
        (
            Verdict::Refused(bug()),
            format!("the module may crash {on}: it mishandles its BTF"),
        ),
        (
            Verdict::BtfWrong { evidence },
            format!(
                "the module loads on {on}, but BPF programs will read wrong types: its BTF was \
                 built for another build of it"
            ),
        ),
    ] {
        let entry = module("x", vec![judged(&running, verdict)]);
        let report = report(vec![running.clone()], vec![entry]);
        assert_eq!(head(&report, 1), format!("warning: {expected}"));
    }
    let bug = serde_json::to_value(judged(&running, Verdict::Refused(bug()))).unwrap();
    assert_eq!(bug["errno"], serde_json::Value::Null);
    assert_eq!(bug["cause"], "kernel-bug");
    let gone = kernel_finding(
        Kind::NoModules,
        "/lib/modules/6.18.15-cloud".into(),
        &running,
    );
    let report = report(vec![running.clone()], vec![gone]);
    assert_eq!(
        text(&report, Detail::Findings),
        format!(
            "warning: {on} has no modules: /lib/modules/6.18.15-cloud\n\
             help: reboot into an installed kernel; until then no module can be loaded\n\n"
        )
    );
    assert_eq!((report.summary.no_modules, report.summary.modules), (1, 0));
}

#[test]
fn a_lost_driver_is_told_with_what_it_is_used_for_and_what_to_install() {
    let kernel = KernelEntry {
        package: Some("kernel-core-7.0-1.x86_64".into()),
        ..kernel(0, Target::NextBoot)
    };
    let lost = |name: &str, owner: Option<&str>| {
        let path = format!("/usr/lib/modules/6.17-cloud/kernel/{name}.ko");
        let used = (vec!["loaded".to_owned()], owner.map(str::to_owned));
        lost_driver((name.to_owned(), path), used, true, &kernel)
    };
    let extra = "kernel-modules-extra-6.17-1.x86_64";
    for (owners, first, packages) in [
        (
            [Some(extra); 2],
            "install kernel-modules-extra for 6.18.15-cloud, if that is not there, or keep \
             booting 6.17-cloud",
            " (in kernel-modules-extra-6.17-1.x86_64)",
        ),
        (
            [Some("kernel-core-6.17-1.x86_64"); 2],
            "keep booting 6.17-cloud, or use another driver: 6.18.15-cloud comes without it",
            " (in kernel-core-6.17-1.x86_64)",
        ),
        (
            [None; 2],
            "install what has them for 6.18.15-cloud, or keep booting 6.17-cloud",
            "",
        ),
    ] {
        let [sctp, nic] = [("sctp", owners[0]), ("nic", owners[1])].map(|(n, o)| lost(n, o));
        let fits = module("fits", vec![judged(&kernel, Verdict::Loads)]);
        let report = report(vec![kernel.clone()], vec![sctp, nic, fits]);
        let told = lines(&report, Mode::Block);
        let headline = "W btf-guard: after this transaction, kernel 6.18.15-cloud (in \
             kernel-core-7.0-1.x86_64) lacks 2 modules that this machine uses with 6.17-cloud";
        assert_eq!(told[0], headline);
        assert_eq!(told[1], format!("W   help: {first}"));
        assert_eq!(told[2], format!("W   modules: sctp, nic{packages}"));
        let needed = "W   needed by this machine: sctp (loaded), nic (loaded)";
        assert_eq!(told.last().map(String::as_str), Some(needed));
        let summary = report.summary;
        assert_eq!((summary.modules, summary.driver_lost), (1, 2));
        assert_eq!(report.kernels[0].modules_checked, 1);
        let last =
            "1 module, kernel 6.18.15-cloud (in kernel-core-7.0-1.x86_64): 1 load, 2 missing";
        let text = text(&report, Detail::Findings);
        assert_eq!(text.lines().last(), Some(last));
        let details = alerts::alerts(&report).swap_remove(0).details;
        assert!(details.ends_with("it has no module sctp, which this machine uses: loaded"));
    }
}

#[test]
fn releases_are_named_as_far_as_they_are_known() {
    for (theirs, own, expected) in [
        (
            Some("6.18.12-cloud"),
            Some(RELEASE),
            "error: the module will not load on kernel 6.18.15-cloud (base.btf): its BTF was \
             built for 6.18.12-cloud\n\
             help: install the modules that were built for 6.18.15-cloud, or use them with \
             6.18.12-cloud",
        ),
        (
            None,
            None,
            "error: the module will not load on the kernel of base.btf: its BTF does not fit \
             it\n\
             help: bring this kernel and its modules from one build: reinstall its package, or \
             rebuild the modules against it, before it is booted",
        ),
    ] {
        let mut kernel = kernel(0, Target::NextBoot);
        kernel.source = "base.btf".into();
        kernel.release = own.map(str::to_owned);
        let mut entry = refused(&kernel, "x");
        entry.release = theirs.map(str::to_owned);
        assert_eq!(head(&report(vec![kernel], vec![entry]), 2), expected);
    }
    let packaged = KernelEntry {
        package: Some("kernel-6.18.15-1.x86_64".into()),
        ..kernel(0, Target::NextBoot)
    };
    let expected = "kernel 6.18.15-cloud (in kernel-6.18.15-1.x86_64)";
    assert_eq!(crate::report::wording::kernel(&packaged), expected);
}

#[test]
fn what_this_machine_needs_comes_first() {
    let (kernels, mut modules) = bad_day(Target::NextBoot);
    for (name, why) in [("quiet", "root file system"), ("asix", "loaded")] {
        let module = modules.iter_mut().find(|module| module.name == name);
        module.unwrap().used_by_host.push(why.into());
    }
    let one = report(kernels, modules);
    let needed = "needed by this machine: asix (loaded), quiet (root file system)";
    let place = "--> /lib/modules/6.18.15-cloud/kernel\n  | 2 modules: asix, aegis128";
    let text = head(&one, 5);
    assert!(text.ends_with(&format!(" = {needed}\n{place}")), "{text}");
    let shown = &lines(&one, Mode::Block)[2..4];
    let needed = format!("E   {needed}");
    assert_eq!(shown, ["E   modules: asix, aegis128, quiet", &needed]);

    // Of two findings as bad, the one with needed modules.
    let (one, other) = (kernel(0, Target::NextBoot), kernel(1, Target::NextBoot));
    let (plain, mut needed) = (refused(&one, "plain"), refused(&other, "needed"));
    needed.used_by_host.push("loaded".into());
    let report = report(vec![one, other], vec![plain, needed]);
    let mut names = lines(&report, Mode::Block);
    names.retain(|line| line.contains("modules: "));
    assert_eq!(names, ["E   modules: needed", "E   modules: plain"]);
}

/// What an installed package has put there is a matter of that package, not of the
/// kernel's that comes.
#[test]
fn a_package_that_stays_is_named_and_allowed() {
    let (mut kernels, mut modules) = bad_day(Target::NextBoot);
    kernels.first_mut().unwrap().package = Some("kernel-2-1.x86_64".into());
    for module in &mut modules {
        module.owner = Some("kmp-1-1.x86_64".into());
        module.in_tree = false;
    }
    let said = lines(&report(kernels.clone(), modules.clone()), Mode::Block).join("\n");
    for word in [
        "modules: aegis128, asix, quiet (in kmp-1-1.x86_64)",
        "/kernel/aegis128.ko.xz of kmp-1-1.x86_64",
        "allow --package 'kmp'",
    ] {
        assert!(said.contains(word), "{word}: {said}");
    }
    assert!(!said.contains("--package 'kernel'"), "{said}");

    let rule = |package: &str| {
        let source = Override::of(OverrideSource::Standing);
        let packages = vec![pattern(package, false).unwrap()];
        Rule::of_packages(source, packages, Effect::Allow)
    };
    for (package, severity) in [("kmp", Severity::Warn), ("kmp-1", Severity::Block)] {
        let policy = Policy {
            rules: vec![rule(package)],
            ..Policy::default()
        };
        let rating = Rating {
            policy: &policy,
            now: 0,
            packages: BTreeMap::new(),
            on_error: None,
        };
        rating.rate(&mut modules, &kernels);
        let worst = modules.iter().map(ModuleEntry::severity).max();
        assert_eq!(worst, Some(severity), "{package}");
    }
}

#[test]
fn a_link_is_named_with_what_it_leads_to() {
    let (kernels, mut modules) = bad_day(Target::NextBoot);
    modules.truncate(1);
    for (loads_there, words) in [
        (Some(true), ", a module of 6.1, which loads it"),
        (
            Some(false),
            ", a module of 6.1, which does not load it either",
        ),
        (None, ", a module of 6.1"),
    ] {
        let module = modules.first_mut().unwrap();
        module.link = Some(LinkEntry {
            target: "/lib/modules/6.1/updates/x.ko".into(),
            release: "6.1".into(),
            loads_there,
        });
        let path = module.path.clone();
        let report = report(kernels.clone(), modules.clone());
        let line = format!("  {path} is a link to /lib/modules/6.1/updates/x.ko{words}");
        let help = "  help: install what was built for 6.18.15-cloud, or remove the package that \
                    they are of, linked from 6.1";
        let said = lines(&report, Mode::Block);
        for expected in [line.as_str(), help] {
            assert!(
                said.iter().any(|l| l.ends_with(expected)),
                "{expected}: {said:#?}"
            );
        }
    }
}

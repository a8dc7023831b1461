// SPDX-License-Identifier: GPL-2.0-or-later
//! A real kernel that refuses modules, and `btf-guard status --boot` in the same
//! guest: what it says of predictions that were right, wrong, or not made.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::fs;
use std::path::PathBuf;

use btf_guard_core::compression::{Format, decompress};
use btf_guard_core::kernel::image;
use btf_guard_tests::guest::Guest;
use btf_guard_tests::skip::skipped;
use btf_guard_tests::{Extracted, kernels, program};
use serde_json::Value;

/// Of the kernel that is booted: it takes this one.
const GOOD: &str = "dummy";
/// Of another build: it refuses these.
const STALE: &str = "tun";
const LATER: &str = "vrf";

/// Two builds that refuse each other's modules, the older first.
fn siblings() -> Option<[Extracted; 2]> {
    let mut all = Extracted::all(&kernels()).into_iter().filter(|kernel| {
        let config = kernel
            .image
            .with_file_name(format!("config-{}", kernel.release));
        let config = fs::read_to_string(config).unwrap_or_default();
        config.contains("# CONFIG_MODULE_ALLOW_BTF_MISMATCH is not set")
    });
    let older = all.next()?;
    let newer = all.find(|kernel| kernel.release.len() == older.release.len())?;
    Some([older, newer])
}

/// A module, unpacked, that says it is of `release`.
fn module(kernel: &Extracted, name: &str, release: &str) -> Vec<u8> {
    let is_it = |path: &&PathBuf| {
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        file.split_once(".ko").is_some_and(|(stem, _)| stem == name)
    };
    let path = kernel.modules.iter().find(is_it);
    let path = path.unwrap_or_else(|| panic!("{}: no {name}", kernel.name));
    let packed = fs::read(path).unwrap();
    let mut plain = Vec::new();
    match path.extension().unwrap().to_str().unwrap() {
        "xz" => decompress(Format::Xz, &packed, 64 << 20, &mut plain).unwrap(),
        "ko" => plain = packed,
        other => panic!("{other}"),
    }
    // Both are as long: no offset changes.
    let (own, wanted) = (kernel.release.as_bytes(), release.as_bytes());
    assert_eq!(own.len(), wanted.len());
    let places: Vec<usize> = (0..plain.len() - own.len())
        .filter(|at| plain[*at..].starts_with(own))
        .collect();
    for at in places {
        plain[at..at + own.len()].copy_from_slice(wanted);
    }
    plain
}

/// What one step of the script has printed.
struct Step {
    /// Its exit code.
    code: String,
    said: String,
}

impl Step {
    fn warnings(&self) -> Vec<&str> {
        let lines = self.said.lines();
        lines.filter(|line| line.starts_with("warning: ")).collect()
    }

    /// `name target verdict client needed` of all findings, sorted.
    fn findings(&self) -> Vec<String> {
        let json = self.said.lines().find(|line| line.starts_with('{'));
        let json: Value =
            serde_json::from_str(json.unwrap_or_else(|| panic!("{}", self.said))).unwrap();
        let word = |value: &Value| value.as_str().unwrap().to_owned();
        let mut findings: Vec<String> = json["findings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|finding| {
                let words = [
                    word(&finding["name"]),
                    word(&finding["kernel"]["target"]),
                    word(&finding["verdict"]),
                    word(&finding["client"]),
                    finding["used_by_host"].to_string(),
                ];
                words.join(" ")
            })
            .collect();
        findings.sort();
        findings
    }
}

/// The steps of a script by their names.
fn steps(said: &str) -> std::collections::BTreeMap<String, Step> {
    let parts = said.split("== ").skip(1);
    let step = |part: &str| {
        let (name, rest) = part.split_once('\n')?;
        let (said, code) = rest.rsplit_once("-- ")?;
        let code = code.lines().next()?.to_owned();
        let said = said.to_owned();
        Some((name.to_owned(), Step { code, said }))
    };
    parts.filter_map(step).collect()
}

#[test]
fn a_real_kernel_proves_predictions_right_and_wrong() {
    let what = "predictions, held against a kernel that refuses modules";
    let Some([older, newer]) = siblings() else {
        return skipped(
            what,
            "there are no two builds that refuse each other's modules",
        );
    };
    let Some(guest) = Guest::with(&["insmod", "cp", "umount"]) else {
        return skipped(what, "there is no QEMU, or no insmod");
    };
    let release = newer.release.as_str();
    let tree = format!("lib/modules/{release}/kernel");
    guest.program(&program(), "btf-guard");
    for (path, kernel, name) in [
        (format!("{tree}/{GOOD}.ko"), &newer, GOOD),
        (format!("{tree}/{STALE}.ko"), &older, STALE),
        (format!("tmp/{LATER}.ko"), &older, LATER),
    ] {
        guest.file(&path, &module(kernel, name, release));
    }
    for name in ["vmlinuz", "config"] {
        let file = format!("{name}-{release}");
        let content = fs::read(newer.image.with_file_name(&file)).unwrap();
        guest.file(&format!("boot/{file}"), &content);
    }
    let base = image::open(&older.image).unwrap().base_btf;
    guest.file("other.btf", &base);
    let script = format!(
        "
step() {{ echo \"== $1\"; shift; \"$@\"; echo \"-- $?\"; }}
load() {{ insmod /{tree}/$1.ko; }}
status() {{ btf-guard status --format json \"$@\"; }}
sleep 4
step predicted status --rescan
step refused load {STALE}
step taken load {GOOD}
step right status --boot
cp /tmp/{LATER}.ko /{tree}/
sleep 4
step refused-later load {LATER}
step unseen status --boot
mount --bind /other.btf /sys/kernel/btf/vmlinux
step misled status --rescan
step unforeseen status --boot --store /var/lib/another
umount /sys/kernel/btf/vmlinux
step disproved status --boot
step after status --rescan
"
    );
    let said = guest.run(&newer.image, &script);
    let steps = steps(&said);
    let step = |name: &str| steps.get(name).unwrap_or_else(|| panic!("{name}: {said}"));
    let finding = |name: &str, moment: &str, client: &str, needed: &str| {
        format!("{name} {moment} refused {client} {needed}")
    };
    let us = "btf-guard status";

    let predicted = step("predicted");
    let both = [
        finding(STALE, "boot", us, "[]"),
        finding(STALE, "now", us, "[]"),
    ];
    assert_eq!(predicted.findings(), both, "{said}");
    assert_eq!(predicted.code, "2");
    assert_eq!(step("taken").code, "0", "{said}");
    assert_ne!(step("refused").code, "0", "{said}");

    // As predicted: nothing to say.
    let right = step("right");
    assert_eq!(right.warnings(), Vec::<&str>::new(), "{said}");
    assert_eq!(right.findings(), both);

    assert_ne!(step("refused-later").code, "0");
    let unseen = step("unseen");
    let path = format!("/{tree}/{LATER}.ko");
    assert_eq!(
        unseen.warnings(),
        [format!(
            "warning: btf-guard: kernel {release} has refused {LATER} (BTF: -22): {path}; nothing \
             had judged it"
        )]
    );
    assert!(unseen.findings().contains(&finding(LATER, "now", us, "[]")));

    // Another base in the kernel's place: what is predicted by it is wrong.
    let misled = step("misled").findings();
    let good = finding(GOOD, "now", us, "[\"loaded\"]");
    assert!(misled.contains(&good), "{misled:?}");
    let disproved = step("disproved");
    let path = format!("/{tree}/{GOOD}.ko");
    assert_eq!(
        disproved.warnings(),
        [format!(
            "warning: btf-guard: wrong prediction: kernel {release} has loaded {path} with its \
             types; it was predicted to be refused"
        )],
        "{said}"
    );
    assert!(!disproved.findings().contains(&good));

    let unforeseen = step("unforeseen");
    let wrong: Vec<_> = unforeseen.warnings();
    let path = format!("/{tree}/{STALE}.ko");
    assert!(
        wrong.contains(&&*format!(
            "warning: btf-guard: wrong prediction: kernel {release} has refused {STALE} (BTF: \
             -22); by its file {path} it should load"
        )),
        "{wrong:?}"
    );
    let kept = finding(STALE, "now", "the kernel's log", "[]");
    assert!(unforeseen.findings().contains(&kept), "{said}");
    assert_eq!(step("after").findings().len(), 4, "{said}");
}

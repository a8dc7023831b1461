// SPDX-License-Identifier: GPL-2.0-or-later
//! This machine's own kernel as the second judge of BTF that stands alone.
//!
//! `bpf(BPF_BTF_LOAD)` runs the rules that a module's BTF is held to, and then
//! resolves every type, which a module's is not. Where the shared rules end is
//! seen in the kernel's log: the first pass names each type once, so a line
//! more than there are types belongs to the second.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout
)]

use std::collections::BTreeMap;

use btf_guard_btf::features::Features;
use btf_guard_btf::{Base, LogFormat, Order, VerifyError, verify_base};
use btf_guard_tests::bpf;
use btf_guard_tests::btf::Btf;
use btf_guard_tests::mutate::{Random, generate, mutate};
use btf_guard_tests::skip::skipped;

const INPUTS: u64 = 40_000;

/// Rules of `BPF_BTF_LOAD` alone, checked between the strings and the types.
const NOT_SHARED: [&str; 2] = ["Unaligned type_off", "No type found"];

/// What the check of modifier chains says, which here comes last of all.
const CHAINS: [&str; 3] = [
    "",
    "Max chain length or cycle detected",
    "Type tags don't precede modifiers",
];

fn count_types(raw: Vec<u8>) -> usize {
    Base::parse(raw).unwrap().types() as usize - 1
}

fn input(seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut btf = Btf::base();
    btf.int();
    let types = random.pick(&[1, 2, 5, 20]);
    generate(&mut btf, types, &mut random);
    let mut raw = btf.build();
    mutate(&mut raw, &mut random);
    raw
}

/// Without white space, as our log has it in pieces and the kernel's in lines.
fn squeezed(text: &[u8]) -> String {
    let mut out = String::new();
    for &c in text {
        match c {
            b' ' | b'\t' => {}
            b'!'..0x7f if c != b'\\' => out.push(char::from(c)),
            _ => out.push_str(&format!("\\x{c:02x}")),
        }
    }
    out
}

#[test]
fn agrees_with_the_running_kernel() {
    let mut log = Vec::new();
    let mut probe = Btf::base();
    probe.int();
    let errno = bpf::load(&probe.build(), &mut log);
    let vmlinux = std::fs::read("/sys/kernel/btf/vmlinux");
    let (0, Ok(vmlinux)) = (errno, &vmlinux) else {
        let why = match &vmlinux {
            Err(error) => format!("/sys/kernel/btf/vmlinux: {error}"),
            Ok(_) => format!("bpf(2) gives errno {errno}"),
        };
        skipped("comparing with bpf(BPF_BTF_LOAD)", &why);
        return;
    };
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let base = Base::parse(vmlinux.clone()).unwrap();
    let abilities = Features::of(&base, Some(&release));
    let logged = |error: &VerifyError| error.log(LogFormat::new(&abilities, false)).concat();

    let mut outcomes: BTreeMap<&str, u32> = BTreeMap::new();
    for seed in 1..=INPUTS {
        let raw = input(seed);
        let errno = bpf::load(&raw, &mut log);
        let lines: Vec<&[u8]> = log
            .split(|&c| c == b'\n')
            .filter(|line| !line.is_empty())
            .collect();
        let last = lines.last().copied().unwrap_or(&[]);
        let dumped = lines.iter().filter(|line| line.starts_with(b"[")).count();
        let ours = verify_base(&raw, Order::Little, &abilities);
        let told = || {
            format!(
                "seed {seed} on {release}: we say {ours:?}, the kernel {errno}: {}",
                String::from_utf8_lossy(last)
            )
        };
        let outcome = match &ours {
            _ if NOT_SHARED.iter().any(|rule| last == rule.as_bytes()) => "not shared",
            Ok(()) if errno == 0 => "accepted",
            Ok(()) => {
                assert!(dumped > count_types(raw), "{}", told());
                "accepted, then not resolved"
            }
            Err(refusal) if CHAINS.contains(&logged(refusal).as_str()) => {
                // Resolving comes first, and may have met it under another name.
                let same = errno == -refusal.errno() && last == logged(refusal).as_bytes();
                let resolving = errno != 0 && dumped > count_types(raw);
                assert!(same || resolving, "{}", told());
                "refused for a chain"
            }
            Err(refusal) => {
                assert_eq!(-refusal.errno(), errno, "{}", told());
                let words = squeezed(logged(refusal).replace("\\x09", "").as_bytes());
                // Our log escapes what does not print; that is done by now.
                let words = words.replace("\\x5c", "\\");
                assert_eq!(words, squeezed(last), "{}", told());
                "refused"
            }
        };
        *outcomes.entry(outcome).or_default() += 1;
    }
    println!("{INPUTS} inputs on {}: {outcomes:?}", release.trim());
    // Each branch above must have been taken, or this compares nothing.
    for outcome in [
        "accepted",
        "accepted, then not resolved",
        "refused for a chain",
        "refused",
    ] {
        assert!(
            outcomes.get(outcome).is_some_and(|&n| n > 100),
            "{outcomes:?}"
        );
    }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! Kernels whose own BTF is not what is known here, and modules whose BTF is wrong in
//! itself or in its place.

use serde_json::Value;

use crate::common::{Build, Place, RELEASE, btf, in_tree};
use crate::{check, json};

const INT: u32 = 1 << 24;
const STRUCT: u32 = 4 << 24;
const ENUM: u32 = 6 << 24;
const FUNC: u32 = 12 << 24;
const FUNC_PROTO: u32 = 13 << 24;
const TYPE_TAG: u32 = 18 << 24;
/// A kind that nobody has defined.
const NEW_KIND: u32 = 20 << 24;
const KFLAG: u32 = 1 << 31;

/// The names of kernels here, by their offsets.
const NAMES: &[u8] = b"\0int\0a\0NR_BTF_KINDS\0";
const A: u32 = 5;
const NR: u32 = 7;

/// An enum in which a kernel counts its kinds.
fn counted(kinds: u32) -> [u32; 7] {
    [0, ENUM | 2, 4, A, kinds - 1, NR, kinds]
}

/// A root with this kernel and one module that has one struct.
fn root_with(types: &[u32], strings: &[u8]) -> Place {
    let root = Place::booting(Build::New);
    root.file(&format!("boot/vmlinuz-{RELEASE}"), btf(types, strings));
    let own = btf(&[strings.len() as u32, STRUCT, 0], b"thing\0");
    let module = in_tree("x", &[(".BTF", &own)]);
    root.file(&format!("lib/modules/{RELEASE}/kernel/x.ko"), module);
    root
}

fn verdict(root: &Place, words: &[&str]) -> Value {
    json(root, words).1["modules"][0]["verdicts"][0].clone()
}

#[test]
fn what_a_kernel_makes_of_its_own_btf_decides_over_every_module() {
    let int = [1, INT, 4, 32];
    let falling = [A, STRUCT | 2, 8, A, 1, 32, A, 1, 0];
    let unknown = [A, NEW_KIND, 8];
    let invalid = |error: Value| {
        let log: [&str; 0] = [];
        json!(["refused", "btf", -22, log, {"rule": "kernel-btf-invalid", "error": error}])
    };
    let invalid_kind = invalid(json!({"rule": "invalid-kind", "id": 2, "kind": 20,
        "section": "vmlinux", "type": null, "element": null}));
    let newer = json!(["unknown", null, null, [], {"rule": "newer-kernel"}]);
    for (types, expected, said) in [
        (
            [&int[..], &falling].concat(),
            invalid(json!({
                "rule": "invalid-member-offset", "section": "vmlinux",
                "type": {"id": 2, "kind": "STRUCT", "name": "a", "size_or_type": 8, "vlen": 2,
                    "kind_flag": false, "words": [], "parameters": []},
                "element": {"is": "member", "index": 1, "name": "a", "type_id": 1, "offset": 0},
            })),
            "the kernel's own BTF: [2] STRUCT a, member a: Invalid member bits_offset",
        ),
        // Counted before and behind what cannot be walked over.
        (
            [&int[..], &unknown, &counted(20)].concat(),
            invalid_kind.clone(),
            "the kernel's own BTF: [2] Invalid kind:20",
        ),
        (
            [&counted(20)[..], &unknown, &int].concat(),
            invalid_kind,
            "failed to validate module [x] BTF: -22",
        ),
        (
            [&int[..], &unknown, &counted(21)].concat(),
            newer.clone(),
            "newer than this btf-guard",
        ),
        (
            [&counted(21)[..], &unknown, &int].concat(),
            newer.clone(),
            "newer than this btf-guard",
        ),
        (
            [&counted(21)[..], &int].concat(),
            newer.clone(),
            "newer than this btf-guard",
        ),
        (
            [&int[..], &unknown].concat(),
            newer,
            "newer than this btf-guard",
        ),
    ] {
        let root = root_with(&types, NAMES);
        let found = verdict(&root, &[]);
        let keys = ["verdict", "cause", "errno", "log", "reason"];
        assert_eq!(json!(keys.map(|key| &found[key])), expected);
        assert_eq!(json(&root, &[]).1["errors"], json!([]));
        let (_, text) = check(&root, &[]);
        assert!(text.contains(said), "{text}");
        assert!(!text.contains("built for another"), "{text}");
        assert!(!text.contains("at offset 0x"), "{text}");
    }
}

#[test]
fn what_is_wrong_in_itself_is_not_said_to_be_of_another_build() {
    let names: Vec<String> = (0..12).map(|n| format!("structure_number_{n}\0")).collect();
    let strings = NAMES.len() as u32;
    let (mut types, mut at) = (Vec::new(), strings);
    for name in &names {
        types.extend([at, STRUCT, 0]);
        at += name.len() as u32;
    }
    let good = btf(&types, names.concat().as_bytes());
    types.extend([A, STRUCT | 2, 8, A, 1, 32, A, 1, 0]);
    let falling = btf(&types, names.concat().as_bytes());
    let stale = btf(&[strings + 100, STRUCT, 0], b"thing\0");
    let distilled: &[(&str, &[u8])] = &[(".BTF", &stale), (".BTF.base", &good)];
    for (sections, misfit, said) in [
        (
            &[(".BTF", &falling[..])][..],
            "own-base",
            "is wrong in itself",
        ),
        (
            distilled,
            "not-relocated",
            "which this kernel cannot relocate",
        ),
    ] {
        let root = root_with(&[1, INT, 4, 32, A, STRUCT, 0], NAMES);
        let path = format!("lib/modules/{RELEASE}/kernel/x.ko");
        root.file(&path, in_tree("x", sections));
        let found = verdict(&root, &[]);
        let keys = ["verdict", "cause", "errno", "misfit"];
        let expected = json!(["refused", "btf", -22, misfit]);
        assert_eq!(json!(keys.map(|key| &found[key])), expected, "{found}");
        let (_, text) = check(&root, &[]);
        assert!(text.contains(said), "{text}");
        for wrong in ["reinstall", "built for another", "another build", "not for"] {
            assert!(!text.contains(wrong), "{wrong}: {text}");
        }
    }
    // The sound one loads there.
    let root = root_with(&[1, INT, 4, 32, A, STRUCT, 0], NAMES);
    let path = format!("lib/modules/{RELEASE}/kernel/x.ko");
    root.file(&path, in_tree("x", &[(".BTF", &good)]));
    assert_eq!(verdict(&root, &[])["verdict"], "loads");
}

#[test]
fn a_kernels_own_modules_are_of_the_image_beside_them() {
    let root = Place::booting(Build::New);
    let strings = b"\0int\0a\0";
    let four = btf(&[1, INT, 4, 32], strings);
    let eight = btf(&[1, INT, 8, 64], strings);
    let beside = root.file(&format!("usr/lib/modules/{RELEASE}/vmlinuz"), four);
    let copy = root.file(&format!("boot/vmlinuz-{RELEASE}"), eight);
    // Fits both, and means something else on each.
    let types = [strings.len() as u32, STRUCT | 1, 8, A, 1, 0];
    let own = in_tree("x", &[(".BTF", &btf(&types, b"thing\0"))]);
    let [beside, copy] = [&beside, &copy].map(|path| path.to_str().unwrap());
    let words = ["--kernel", beside, "--kernel", copy];
    for (dir, expected) in [
        ("kernel", ["loads", "btf-wrong"]),
        ("updates", ["unknown", "unknown"]),
    ] {
        let path = format!("usr/lib/modules/{RELEASE}/{dir}/x.ko");
        let file = root.file(&path, &own);
        let (_, report) = json(&root, &[&words[..], &[file.to_str().unwrap()]].concat());
        let verdicts = &report["modules"][0]["verdicts"];
        let found = [0, 1].map(|index| &verdicts[index]["verdict"]);
        assert_eq!(found, expected, "{dir}: {report}");
    }
}

#[test]
fn what_the_version_alone_tells_is_assumed_where_it_matters() {
    let names = b"\0int\0a\0NR_BTF_KINDS\0btf_parse_vmlinux\0bpf_dynptr_copy\0";
    let (parse, copy) = (20, 38);
    let base = [&[1, INT, 4, 32][..], &counted(20), &[0, FUNC_PROTO, 0]].concat();
    let [old, new] = [&[parse, FUNC, 3][..], &[parse, FUNC, 3, copy, FUNC, 3]];
    for (functions, expected) in [
        // What shows none of its functions is taken for new.
        (&[][..], json!(["loads", ["tag_kflag"]])),
        (old, json!(["refused", []])),
        (new, json!(["loads", []])),
    ] {
        let types = [&base[..], functions].concat();
        let root = root_with(&types, names);
        let kernel = root.file("some.btf", btf(&types, names));
        let config = root.config(false);
        let own = btf(&[A, TYPE_TAG | KFLAG, 1], b"");
        let file = root.file("x.ko", in_tree("x", &[(".BTF", &own)]));
        let [kernel, config, file] = [&kernel, &config, &file].map(|path| path.to_str().unwrap());
        let words = ["--kernel", kernel, "--kernel-config", config, file];
        let found = verdict(&root, &words);
        let found = json!(["verdict", "assumed"].map(|key| &found[key]));
        assert_eq!(found, expected);
    }
}

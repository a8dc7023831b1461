// SPDX-License-Identifier: GPL-2.0-or-later
//! The rules of docs/architecture.md and CONTRIBUTING.md that can be checked on the
//! sources themselves.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use btf_guard_house::arrows::arrows;
use btf_guard_house::circles::side_by_side;
use btf_guard_house::crates::{Allowed, forbidden};
use btf_guard_house::modules::Sources;
use btf_guard_house::type_names::type_names;
use object::{Object as _, ObjectSymbol as _, SymbolKind};
use serde_json::Value;

/// Where the product is. What lies elsewhere only tests it.
const PRODUCT: [&str; 3] = ["plugin", "hooks", "ffi"];

/// What each crate may use of the others.
const ALLOWED: &[Allowed<'_>] = &[
    ("btf-guard-btf", &[]),
    ("btf-guard-subprocess", &[]),
    ("btf-guard-sysroot", &[]),
    ("btf-guard-protocol", &["btf-guard-subprocess"]),
    (
        "btf-guard-core",
        &[
            "btf-guard-btf",
            "btf-guard-protocol",
            "btf-guard-subprocess",
            "btf-guard-sysroot",
        ],
    ),
    (
        "btf-guard",
        &[
            "btf-guard-core",
            "btf-guard-protocol",
            "btf-guard-subprocess",
            "btf-guard-sysroot",
        ],
    ),
    (
        "btf-guard-rpm",
        &[
            "btf-guard-protocol",
            "btf-guard-subprocess",
            "btf-guard-sysroot",
            "rpm-plugin-sys",
        ],
    ),
    // It reads package headers and rpm's database as preflight does, by the same code.
    (
        "btf-guard-zypp",
        &["btf-guard-core", "btf-guard-protocol", "btf-guard-sysroot"],
    ),
    ("btf-guard-zypp-fetch", &["btf-guard-protocol", "zypp-sys"]),
    ("libbpf-distill", &[]),
    ("rpm-plugin-sys", &[]),
    ("zypp-sys", &[]),
];

/// Type names that several crates may declare, and why.
const SHARED_NAMES: &[(&str, &str)] = &[(
    "Error",
    "std's own convention: a module's error, written with the module's name in front",
)];

/// Words that say nothing to whoever does not know the code: no file is named so.
const METAPHORS: &[&str] = &[
    "ahead",
    "bench",
    "carrier",
    "census",
    "clue",
    "door",
    "farewell",
    "foreseen",
    "glance",
    "governed",
    "ground",
    "handoff",
    "here",
    "home",
    "known",
    "last_words",
    "mapped",
    "mend",
    "notice",
    "off",
    "outline",
    "overrule",
    "placed",
    "places",
    "planned",
    "promise",
    "said",
    "scope",
    "seal",
    "settle",
    "shelf",
    "since",
    "stamp",
    "standing",
    "survey",
    "tally",
    "tell",
    "terms",
    "told",
    "voice",
    "waiting",
    "wanted",
    "wish",
    "wishes",
    "words",
    "work",
];

const SPDX: &str = "// SPDX-License-Identifier: GPL-2.0-or-later";
const MOST_LINES: usize = 400;

/// Crates that the rpm plugin is linked from, itself among them.
const PLUGIN_CRATES: usize = 25;
/// Bytes of machine code that the release build of the rpm plugin may have, besides
/// [`STD_SYMBOLIZER`].
const PLUGIN_CODE: u64 = 350_000;
/// What std links into every library, on each stable compiler, to print the backtrace
/// of a panic: parts of the names of its functions.
const STD_SYMBOLIZER: [&str; 5] = [
    "addr2line",
    "backtrace_rs",
    "gimli",
    "miniz_oxide",
    "rustc_demangle",
];

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every `.rs` file below `folders`, by its path from the workspace.
fn sources(folders: &[&str]) -> Sources {
    let mut found = Sources::new();
    let mut open: Vec<_> = folders.iter().map(PathBuf::from).collect();
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(workspace().join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let path = folder.join(entry.file_name());
            let kind = entry.file_type().unwrap();
            if kind.is_dir() && entry.file_name() != "target" {
                open.push(path);
            } else if kind.is_file() && path.extension().is_some_and(|ending| ending == "rs") {
                found.insert(path, fs::read_to_string(entry.path()).unwrap());
            }
        }
    }
    found
}

fn cargo(arguments: &[&str]) -> String {
    let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
    let output = Command::new(cargo)
        .args(arguments)
        .current_dir(workspace())
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

fn metadata() -> Value {
    let metadata = cargo(&[
        "metadata",
        "--no-deps",
        "--format-version",
        "1",
        "--offline",
    ]);
    serde_json::from_str(&metadata).unwrap()
}

/// The roots of the product's crates: `plugin/core/src/lib.rs`.
fn roots() -> Vec<PathBuf> {
    let metadata = metadata();
    let top = Path::new(metadata["workspace_root"].as_str().unwrap()).to_owned();
    let targets = metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|package| package["targets"].as_array().unwrap());
    targets
        .filter(|target| {
            let kind = target["kind"][0].as_str().unwrap();
            matches!(kind, "lib" | "bin" | "cdylib" | "rlib")
        })
        .filter_map(|target| {
            let path = Path::new(target["src_path"].as_str().unwrap());
            Some(path.strip_prefix(&top).ok()?.to_owned())
        })
        .filter(|path| PRODUCT.iter().any(|folder| path.starts_with(folder)))
        .collect()
}

fn assert_none(messages: &[String]) {
    assert!(
        messages.is_empty(),
        "{} found:\n{}",
        messages.len(),
        messages.join("\n")
    );
}

#[test]
fn crates_use_only_what_is_below_them() {
    assert_none(&forbidden(&metadata(), &PRODUCT, ALLOWED));
}

/// A module and its own children are one namespace in Rust and may need each other.
#[test]
fn files_and_folders_side_by_side_need_each_other_in_one_direction() {
    let sources = sources(&PRODUCT);
    let roots = roots();
    assert!(roots.len() >= ALLOWED.len(), "{roots:?}");
    let circles: Vec<_> = roots
        .iter()
        .flat_map(|root| side_by_side(&arrows(&sources, root).unwrap()))
        .collect();
    assert_none(&circles);
}

/// Files that only tests are built from.
fn is_for_tests(path: &Path) -> bool {
    path.file_stem().is_some_and(|stem| stem == "tests")
        || path.components().any(|part| part.as_os_str() == "tests")
}

#[test]
fn a_type_name_is_declared_once() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (file, source) in sources(&PRODUCT) {
        if !is_for_tests(&file) {
            for (name, line) in type_names(&source).unwrap() {
                let place = format!("{}:{line}", file.display());
                places.entry(name).or_default().push(place);
            }
        }
    }
    let is_shared = |name: &str| SHARED_NAMES.iter().any(|(shared, _)| *shared == name);
    let several: Vec<_> = places
        .iter()
        .filter(|(name, places)| places.len() > 1 && !is_shared(name))
        .map(|(name, places)| format!("{name}: {}", places.join(", ")))
        .collect();
    assert_none(&several);
    for (name, _) in SHARED_NAMES {
        assert!(
            places.get(*name).is_some_and(|places| places.len() > 1),
            "{name} is not shared"
        );
    }
}

#[test]
fn no_file_is_named_after_a_metaphor() {
    let named: Vec<_> = sources(&PRODUCT)
        .keys()
        .filter(|path| {
            let folders = path.parent().into_iter().flat_map(Path::components);
            let stem = path.file_stem().into_iter();
            folders
                .map(|part| part.as_os_str())
                .chain(stem)
                .any(|name| METAPHORS.iter().any(|word| name == *word))
        })
        .map(|path| path.display().to_string())
        .collect();
    assert_none(&named);
}

#[test]
fn every_file_has_its_licence_and_is_short() {
    let mut wrong = Vec::new();
    for (file, source) in sources(&["plugin", "hooks", "ffi", "tests", "benches", "fuzz"]) {
        let file = file.display();
        if source.lines().next() != Some(SPDX) {
            wrong.push(format!("{file}:1: the first line must be {SPDX}"));
        }
        let lines = source.lines().count();
        if lines > MOST_LINES {
            wrong.push(format!("{file}: {lines} lines, more than {MOST_LINES}"));
        }
    }
    assert_none(&wrong);
}

#[test]
fn the_rpm_plugin_is_linked_from_few_crates() {
    let tree = cargo(&[
        "tree",
        "-e",
        "normal",
        "-p",
        "btf-guard-rpm",
        "--offline",
        "--prefix",
        "none",
    ]);
    let crates: BTreeSet<_> = tree
        .lines()
        .map(|line| line.trim_end_matches(" (*)"))
        .filter(|line| !line.is_empty())
        .collect();
    assert!(
        crates.len() <= PLUGIN_CRATES,
        "{} crates, more than {PLUGIN_CRATES}: {crates:#?}",
        crates.len()
    );
}

/// Of the release build; `make test` has one from building the packages.
#[test]
fn the_rpm_plugin_is_small() {
    let plugin = std::env::var_os("BTF_GUARD_RELEASE_PLUGIN").map(PathBuf::from);
    let Some(plugin) = plugin.filter(|plugin| plugin.is_file()) else {
        let reason = "the size of the rpm plugin: BTF_GUARD_RELEASE_PLUGIN names no release build";
        if let Some(skips) = std::env::var_os("BTF_GUARD_SKIPS") {
            let mut skips = OpenOptions::new()
                .create(true)
                .append(true)
                .open(skips)
                .unwrap();
            writeln!(skips, "{reason}").unwrap();
        }
        println!("SKIPPED: {reason}");
        return;
    };
    let content = std::fs::read(&plugin).unwrap();
    let file = object::File::parse(&*content).unwrap();
    let functions: Vec<_> = file
        .symbols()
        .filter(|symbol| symbol.kind() == SymbolKind::Text)
        .map(|symbol| (symbol.name().unwrap().to_owned(), symbol.size()))
        .collect();
    let size = |wanted: bool| -> u64 {
        let is_std_symbolizer = |name: &str| STD_SYMBOLIZER.iter().any(|part| name.contains(part));
        let of_kind = functions.iter();
        let of_kind = of_kind.filter(|(name, _)| is_std_symbolizer(name) == wanted);
        of_kind.map(|(_, size)| size).sum()
    };
    assert!(size(true) > 0, "no symbols in {}", plugin.display());
    let code = size(false);
    assert!(
        code <= PLUGIN_CODE,
        "{code} bytes of machine code, more than {PLUGIN_CODE}"
    );
}

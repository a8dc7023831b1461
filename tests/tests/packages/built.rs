// SPDX-License-Identifier: GPL-2.0-or-later
//! The built packages, and roots that they can be installed into.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use btf_guard_tests::client::{ClientRoot, Suite};
use btf_guard_tests::{Outcome, Package, rpms};

/// The packages' names.
pub(crate) const NAMES: [&str; 5] = [
    "btf-guard",
    "btf-guard-rpm-macros",
    "dnf-plugin-btf-guard",
    "rpm-plugin-btf-guard",
    ZYPP,
];

/// The one that belongs to one soname of libzypp.
pub(crate) const ZYPP: &str = "zypp-plugin-btf-guard";

/// Two builds of the same files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Release {
    First,
    Next,
}

impl Release {
    /// The file of a package that was built for a suite's rpm.
    pub(crate) fn package(self, suite: Suite, name: &str) -> PathBuf {
        let release = match self {
            Self::First => "1",
            Self::Next => "2",
        };
        let directory = rpms().join("tests").join(suite.name()).join(release);
        with_name(&directory, name)
    }
}

/// The file of a package that `make rpm` has built.
pub(crate) fn made(name: &str) -> PathBuf {
    with_name(&rpms().join("RPMS"), name)
}

fn with_name(directory: &Path, name: &str) -> PathBuf {
    let mut files = found(directory);
    files.retain(|path| {
        let stem = path.file_name().unwrap().to_str().unwrap();
        let version = stem
            .strip_prefix(name)
            .and_then(|rest| rest.strip_prefix('-'));
        version.is_some_and(|version| version.starts_with(|first: char| first.is_ascii_digit()))
    });
    let [file] = &files[..] else {
        panic!("{name} in {}: {files:?}", directory.display());
    };
    file.clone()
}

/// All packages below a directory.
fn found(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory)
        .unwrap_or_else(|error| panic!("{}: {error}: run `make test`", directory.display()));
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(found(&path));
        } else if path.extension().is_some_and(|end| end == "rpm") {
            files.push(path);
        }
    }
    files
}

/// What rpm says of a package file, a line each.
pub(crate) fn query(what: &[&str], file: &Path) -> Vec<String> {
    let output = Command::new("rpm").args(what).arg("-qp").arg(file).output();
    let output = output.expect("rpm starts");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// A root without btf-guard in which these packages can be installed; `None`, and
/// said, where this machine has no such root.
///
/// What the root has, by Debian's packages, rpm does not know of: another package
/// says it in their place, and owns the directories that are there. That it is
/// true, [`assert_loads`] finds.
pub(crate) fn root(suite: Suite, names: &[&str]) -> Option<ClientRoot> {
    let root = ClientRoot::without_guard(suite)?;
    let mut wanted = BTreeSet::new();
    let mut directories = BTreeSet::new();
    for name in names {
        let requires = query(&["--requires"], &made(name));
        wanted.extend(
            requires
                .into_iter()
                .filter(|line| !line.contains("btf-guard") && !line.starts_with("rpmlib(")),
        );
        let paths = query(&["-l"], &Release::First.package(suite, name));
        directories.extend(paths.into_iter().filter(|path| root.at(path).is_dir()));
    }
    let system = wanted.iter().fold(
        Package::new("system").file("/usr/share/system", "text"),
        |package, capability| package.tag("Provides", capability),
    );
    let system = directories
        .iter()
        .fold(system, |package, path| package.directory(path));
    let system = root.build(&system);
    succeeds(&root.run(["rpm", "-U", &system]));
    Some(root)
}

/// The packages that fit a root: zypper's part does where its libzypp is that of
/// the machine which built it.
pub(crate) fn fitting(suite: Suite) -> Option<Vec<&'static str>> {
    let root = ClientRoot::without_guard(suite)?;
    let requires = query(&["--requires"], &made(ZYPP));
    let mut libzypp = requires
        .iter()
        .filter_map(|line| line.strip_suffix("()(64bit)"));
    let libzypp = libzypp.find(|name| name.starts_with("libzypp.so."));
    let libzypp = libzypp.expect("the shim needs libzypp");
    let listed = root.run(["ldconfig", "-p"]).stdout;
    let fits = listed.contains(&format!("{libzypp} "));
    Some(
        NAMES
            .into_iter()
            .filter(|name| *name != ZYPP || fits)
            .collect(),
    )
}

/// Every program and library of the installed packages finds what it needs.
#[track_caller]
pub(crate) fn assert_loads(root: &ClientRoot, names: &[&str]) {
    let script = r#"
        rpm -ql "$@" | while read -r file; do
            test -f "$file" && test "$(head -c 4 "$file" | tail -c 3)" = ELF || continue
            echo "$file"
            ldd -r "$file"
        done"#;
    let mut command = vec!["sh", "-c", script, "sh"];
    command.extend(names);
    let outcome = root.run(command);
    let text = format!("{}{}", outcome.stdout, outcome.stderr);
    assert!(text.contains("/btf_guard.so\n"), "{text}");
    for words in ["not found", "undefined symbol"] {
        assert!(!text.contains(words), "{text}");
    }
}

/// Ended well and had nothing to complain of.
#[track_caller]
pub(crate) fn succeeds(outcome: &Outcome) {
    assert!(outcome.status.success(), "{outcome:?}");
    for line in outcome.log() {
        let line = line.to_lowercase();
        if line.contains("openpgp") {
            // The packages of the tests are not signed, as dnf 5 remarks.
            continue;
        }
        for words in ["error", "warning", "failed"] {
            assert!(!line.contains(words), "{outcome:?}");
        }
    }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! What the packages say of themselves.

use std::path::Path;
use std::process::Command;

use crate::built::{NAMES, made, query};

fn licences(what: &str) -> Vec<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../specfile/licences.sh");
    let output = Command::new(script).arg(what).output().expect("sh starts");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn licences_are_those_of_all_that_is_linked() {
    for name in NAMES {
        let file = made(name);
        let tags = query(&["--qf", "%{LICENSE}\n%{ARCH}\n"], &file);
        match &*tags[1] {
            "noarch" => assert_eq!(tags[0], "GPL-2.0-or-later", "{name}"),
            _ => assert_eq!(tags[..1], licences("expression"), "{name}"),
        }
        let licence_files = query(&["--licensefiles"], &file);
        assert!(
            licence_files.iter().any(|path| path.ends_with("/COPYING")),
            "{name}: {licence_files:?}"
        );
    }
    let list = licences("list");
    assert!(list.iter().all(|line| !line.ends_with(": ")), "{list:?}");
}

/// C code inside of crates, which no tool of a distribution sees.
#[test]
fn bundled_libraries_are_named_with_their_versions() {
    let provides = query(&["--provides"], &made("btf-guard"));
    let bundled: Vec<_> = provides
        .iter()
        .filter_map(|line| line.strip_prefix("bundled("))
        .map(|line| line.replace(") =", ""))
        .collect();
    assert_eq!(bundled, licences("bundled"));
}

/// librpm's soname changes under the plugin, which finds it at run time.
#[test]
fn no_package_needs_a_librpm() {
    for name in NAMES {
        let requires = query(&["--requires"], &made(name));
        assert!(
            !requires.iter().any(|line| line.starts_with("librpm")),
            "{name}: {requires:?}"
        );
    }
}

/// One without the other does nothing, so neither is to come or go alone.
#[test]
fn plugin_and_macro_are_in_one_package() {
    let files = query(&["-l"], &made("rpm-plugin-btf-guard"));
    for name in ["/btf_guard.so", "/macros.transaction_btf_guard"] {
        assert!(files.iter().any(|path| path.ends_with(name)), "{files:?}");
    }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! Records what libzypp says to a commit plugin, for `tests/protocol/`.
//!
//! ```sh
//! cargo run -p btf-guard-tests --example protocol
//! ```
//!
//! with the environment of `tests/setup/test.sh`. In each root a commit installs
//! two packages, and another fails at its first. NULs are written as `^@`, each
//! with a line break behind it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use btf_guard_tests::Package;
use btf_guard_tests::client::{ClientRoot, Suite};

const PLUGIN: &str = "/usr/lib/zypp/plugins/commit/btf-guard";

fn main() {
    for (suite, libzypp) in [
        (Suite::Bookworm, "17.25"),
        (Suite::Trixie, "17.36"),
        (Suite::Forky, "17.38"),
    ] {
        let Some(root) = ClientRoot::new(suite) else {
            continue;
        };
        fs::rename(root.at(PLUGIN), root.at("/usr/bin/real-plugin")).unwrap();
        root.put(PLUGIN, "#!/bin/sh\ntee /tmp/said | real-plugin\n");
        fs::set_permissions(root.at(PLUGIN), Permissions::from_mode(0o755)).unwrap();
        for (outcome, script) in [("failed", "error('no')"), ("done", "")] {
            root.offer(
                "repo",
                &[
                    &Package::new("first")
                        .file("/usr/share/first", "text")
                        .lua("%pre", script),
                    &Package::new("demo-kmp")
                        .tag("Requires", "first")
                        .file("/lib/modules/6.1.0-test/extra/demo.ko", "module"),
                ],
            );
            let words = [
                "zypper",
                "-n",
                "install",
                "--download-as-needed",
                "demo-kmp",
            ];
            let run = root.client(words).env("BTF_GUARD", "off").run();
            assert_eq!(run.status.success(), outcome == "done", "{run:?}");
            let said = fs::read_to_string(root.at("/tmp/said")).unwrap();
            let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("protocol");
            let file = directory.join(format!("libzypp-{libzypp}-{outcome}"));
            fs::write(file, said.replace('\0', "^@\n")).unwrap();
        }
    }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! btf-guard as `make install` lays it out, to be put between a root and what a
//! test writes.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use tempfile::TempDir;

use super::namespace::{As, Namespace};
use super::run::ENVIRONMENT;
use super::shared::Shared;
use super::suite::Suite;
use crate::{committer, fetcher, plugin, program, shim};

/// One for each suite.
static LAYERS: [Shared<TempDir>; Suite::ALL.len()] = [const { Shared::new() }; Suite::ALL.len()];

/// The layer for a suite whose root is `base`.
pub(crate) fn installed(suite: Suite, base: &Path) -> Arc<TempDir> {
    LAYERS[suite as usize].get(|| install(suite, base))
}

/// Installs the binaries of this build where the root's own rpm looks for them,
/// and the part for zypper if there is a shim for the root's libzypp.
fn install(suite: Suite, base: &Path) -> TempDir {
    let layer = tempfile::tempdir().unwrap();
    let generated = tempfile::tempdir().unwrap();
    let root = Namespace::new(&[base, layer.path()], As::Chroot);
    let output = Command::new("make")
        .args(["--no-print-directory", "--silent", "install", "PREFIX=/usr"])
        .arg(format!("DESTDIR={}", layer.path().display()))
        .arg(format!(
            "RPM_PLUGIN_DIR={}",
            expand(&root, "%{__plugindir}")
        ))
        .arg(format!(
            "RPM_MACRO_DIR={}",
            expand(&root, "%{_rpmmacrodir}")
        ))
        .arg(format!("program={}", program().display()))
        .arg(format!("plugin={}", plugin().display()))
        .arg(format!("generated={}", generated.path().display()))
        .args(zypp_parts(suite))
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .env_remove("MAKEFLAGS")
        .output()
        .expect("make starts");
    assert!(
        output.status.success(),
        "make install: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    layer
}

fn zypp_parts(suite: Suite) -> Vec<String> {
    match shim(suite.name()) {
        Some(shim) => vec![
            "ZYPP=yes".to_owned(),
            format!("fetcher={}", fetcher().display()),
            format!("shim={}", shim.display()),
            format!("committer={}", committer().display()),
        ],
        None => vec!["ZYPP=".to_owned()],
    }
}

fn expand(root: &Namespace, value: &str) -> String {
    let output = root
        .enter(ENVIRONMENT)
        .args(["rpm", "--eval", value])
        .output();
    let text = String::from_utf8(output.expect("nsenter starts").stdout).unwrap();
    assert!(text.starts_with('/'), "rpm --eval {value}: {text}");
    text.trim().to_owned()
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! What another user puts where root is to keep something, on this machine: a user who
//! really is another.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Output};

use btf_guard_tests::skip::skipped;
use btf_guard_tests::{Extracted, Judge, Root, kernels, program};

use crate::module_package;

/// Runs a shell's command line as nobody.
#[track_caller]
fn as_nobody(directory: &Path, line: &str) {
    let mut setpriv = Command::new("setpriv");
    setpriv
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .args(["sh", "-ec", line])
        .current_dir(directory);
    let status = setpriv.status().unwrap();
    assert!(status.success(), "{line}: {status}");
}

/// A directory where everybody may make files, and only their own can be removed, as
/// `/tmp` is.
fn open(directory: &Path) {
    fs::set_permissions(directory, Permissions::from_mode(0o1777)).unwrap();
}

#[test]
fn a_directory_for_hooks_that_nobody_made_is_not_written_to() {
    let judge = Judge::answering("allow", &[]);
    let root = Root::new(&judge.path());
    let handoffs = root.handoffs();
    let world = handoffs.parent().unwrap();
    open(world);
    let victim = world.join("victim");
    fs::write(&victim, "kept").unwrap();
    let package = root.build(&module_package("mod"));
    as_nobody(
        world,
        "mkdir -m 700 handoffs; cd handoffs
         for name in state.json promise begun; do ln -s ../victim $name; done",
    );
    // The call that is a part of zypper's commit leaves more than others.
    for committer in [None, Some(std::process::id().to_string())] {
        let mut command = root.command(["-U", "--force"]);
        command.arg(&package);
        if let Some(committer) = committer {
            command.env("ZYPP_IS_RUNNING", committer);
        }
        let outcome = root.run(command);
        assert!(outcome.status.success(), "{outcome:?}");
        assert_eq!(fs::read_to_string(&victim).unwrap(), "kept");
        let entries = fs::read_dir(&handoffs).unwrap();
        let entries: Vec<_> = entries.map(Result::unwrap).collect();
        assert_eq!(entries.len(), 3, "{entries:?}");
        for entry in entries {
            assert!(entry.file_type().unwrap().is_symlink(), "{entry:?}");
        }
    }
    assert_eq!(fs::metadata(&handoffs).unwrap().uid(), 65534);
}

fn check(cache: &Path, system: &Path) -> Output {
    let mut command = Command::new(program());
    command.arg("check").arg("--cache").arg(cache);
    command.arg("--root").arg(system).args(["--kernel", "all"]);
    command.args(["--format", "json"]).output().unwrap()
}

#[test]
fn a_cache_that_nobody_made_is_neither_read_nor_written() {
    let all = Extracted::all(&kernels());
    let Some(kernel) = all.first() else {
        return skipped("a cache of nobody's", "there is no kernel");
    };
    let system = tempfile::tempdir().unwrap();
    let tree = system.path().join("usr/lib/modules").join(&kernel.release);
    fs::create_dir_all(&tree).unwrap();
    fs::copy(&kernel.image, tree.join("vmlinuz")).unwrap();
    let module = &kernel.modules[0];
    fs::copy(module, tree.join(module.file_name().unwrap())).unwrap();
    let world = tempfile::tempdir().unwrap();
    open(world.path());
    let own = world.path().join("own");
    let expected = check(&own, system.path());
    let entries: Vec<_> = fs::read_dir(&own)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let entry = entries.iter().find(|name| name.ends_with(".image"));
    let entry = entry.unwrap_or_else(|| panic!("{entries:?}"));

    fs::write(world.path().join("victim"), "kept").unwrap();
    let line = format!("mkdir -m 755 theirs; ln -s ../victim theirs/{entry}; ln -s own link");
    as_nobody(world.path(), &line);
    for cache in ["theirs", "link"] {
        let cache = world.path().join(cache);
        let count = || fs::read_dir(&cache).unwrap().count();
        let before = count();
        let outcome = check(&cache, system.path());
        assert_eq!(outcome.status, expected.status, "{outcome:?}");
        assert_eq!(outcome.stdout, expected.stdout);
        assert_eq!(count(), before, "{}", cache.display());
    }
    let victim = fs::read_to_string(world.path().join("victim")).unwrap();
    assert_eq!(victim, "kept");
}

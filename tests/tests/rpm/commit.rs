// SPDX-License-Identifier: GPL-2.0-or-later
//! A part of zypper's commit: what the commit plugin handed over, and which call
//! is the first. This test process stands for zypper: it starts rpm.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use btf_guard_protocol::decision::Decision;
use btf_guard_protocol::plan::{Answer, Level, Message};
use btf_guard_protocol::procfs::Process;
use btf_guard_protocol::state::trusted_dir::Private;
use btf_guard_protocol::state::zypp_commit::{CommitFiles, Handoff};
use btf_guard_tests::{Judge, Outcome, Root};

use crate::{module_package, plain_package};

const STOPPED: &str = "error: Plugin btf_guard: hook tsm_pre failed";

/// A root, two packages, and a judge that would block.
struct Scene {
    judge: Judge,
    root: Root,
    module: PathBuf,
    plain: PathBuf,
}

impl Scene {
    fn new() -> Self {
        let judge = Judge::answering("block", &[("error", "btf-guard: judged alone")]);
        let root = Root::new(&judge.path());
        let module = root.build(&module_package("mod"));
        let plain = root.build(&plain_package("plain"));
        let dir = Private::create(&root.handoffs()).unwrap();
        CommitFiles::of(&dir, zypper()).watch().unwrap();
        Self {
            judge,
            root,
            module,
            plain,
        }
    }

    /// What the commit plugin leaves, on a commit that installs the module.
    fn hand_over(&self, decision: Decision, level: Level) {
        let text = "btf-guard: judged as one".to_owned();
        let answer = Answer::new(decision, vec![Message { level, text }], Vec::new());
        let dir = Private::create(&self.root.handoffs()).unwrap();
        CommitFiles::of(&dir, zypper())
            .hand_over(self.root.path(), &answer, vec!["mod-1-1.noarch".to_owned()])
            .unwrap();
    }

    fn handoff(&self) -> PathBuf {
        let Process { pid, started, .. } = zypper();
        self.root
            .handoffs()
            .join(format!("zypp-{pid}-{started}.json"))
    }

    /// One call of the classic back end.
    fn call(&self, arguments: &[&OsStr]) -> Outcome {
        let command = self.root.command(arguments);
        self.run(command)
    }

    fn run(&self, mut command: Command) -> Outcome {
        command.env("ZYPP_IS_RUNNING", zypper().pid.to_string());
        self.root.run(command)
    }

    fn install(&self, package: &Path) -> Outcome {
        self.call(&["-U".as_ref(), "--force".as_ref(), package.as_ref()])
    }

    /// The one call of the other back end.
    fn install_as_one(&self, packages: &[&Path]) -> Outcome {
        let packages = packages.iter().map(|package| package.as_os_str());
        let arguments = ["-U".as_ref()].into_iter().chain(packages);
        self.run(self.root.single(arguments))
    }
}

fn zypper() -> Process {
    Process::find(std::process::id()).unwrap()
}

#[track_caller]
fn assert_stopped(outcome: &Outcome, message: &str) {
    assert!(!outcome.status.success(), "{outcome:?}");
    assert_eq!(outcome.log(), [&format!("error: {message}"), STOPPED]);
}

#[track_caller]
fn assert_goes_on(outcome: &Outcome, log: &[&str]) {
    assert!(outcome.status.success(), "{outcome:?}");
    assert_eq!(outcome.log(), log);
}

#[test]
fn a_block_that_was_handed_over_stops_every_call_and_is_told_once() {
    let scene = Scene::new();
    scene.hand_over(Decision::Block, Level::Error);
    let before = scene.root.snapshot();
    // The first package has no modules; with ignore the next one is tried, with
    // retry the same.
    assert_stopped(&scene.install(&scene.plain), "btf-guard: judged as one");
    let again = "btf-guard: this commit is blocked, for the reasons given before";
    assert_stopped(&scene.install(&scene.plain), again);
    assert_stopped(&scene.install(&scene.module), again);
    assert_eq!(scene.root.snapshot(), before);
    assert!(!scene.judge.was_started());
}

#[test]
fn a_block_stops_a_removal_too() {
    let scene = Scene::new();
    assert!(scene.root.run(off(&scene)).status.success());
    scene.hand_over(Decision::Block, Level::Error);
    let outcome = scene.call(&["-e".as_ref(), "mod".as_ref()]);
    assert_stopped(&outcome, "btf-guard: judged as one");
    assert_eq!(scene.root.installed(), ["mod-1-1.noarch"]);
}

fn off(scene: &Scene) -> Command {
    let mut command = scene
        .root
        .command(["-U".as_ref(), scene.module.as_os_str()]);
    command.env("BTF_GUARD", "off");
    command
}

#[test]
fn warnings_are_told_by_the_first_call_and_judged_packages_not_again() {
    let scene = Scene::new();
    scene.hand_over(Decision::Warn, Level::Warning);
    assert_goes_on(
        &scene.install(&scene.plain),
        &["warning: btf-guard: judged as one"],
    );
    assert_goes_on(&scene.install(&scene.module), &[]);
    assert_eq!(
        scene.root.installed(),
        ["mod-1-1.noarch", "plain-1-1.noarch"]
    );
    assert!(!scene.judge.was_started());
    // It has begun: a package that was not judged is, and only warned of.
    let other = scene.root.build(&module_package("other"));
    assert_goes_on(
        &scene.install(&other),
        &["warning: btf-guard: judged alone"],
    );
    assert!(scene.judge.was_started());
}

#[test]
fn a_commit_that_has_begun_is_not_stopped_by_a_late_block() {
    let scene = Scene::new();
    assert_goes_on(&scene.install(&scene.plain), &[]);
    scene.hand_over(Decision::Block, Level::Error);
    assert_goes_on(
        &scene.install(&scene.module),
        &["warning: btf-guard: judged as one"],
    );
}

#[test]
fn without_a_hand_off_only_the_first_call_may_be_stopped() {
    let scene = Scene::new();
    assert_stopped(&scene.install(&scene.module), "btf-guard: judged alone");
    assert_stopped(&scene.install(&scene.module), "btf-guard: judged alone");
    assert_goes_on(&scene.install(&scene.plain), &[]);
    assert_goes_on(
        &scene.install(&scene.module),
        &["warning: btf-guard: judged alone"],
    );
}

/// Somebody may have set it for good, on a libzypp that has one back end only.
#[test]
fn the_wish_for_the_other_back_end_is_not_that_back_end() {
    let scene = Scene::new();
    let install = |package: &Path| {
        let mut command = scene.root.command(["-U".as_ref(), package.as_os_str()]);
        command.env("ZYPP_SINGLE_RPMTRANS", "1");
        scene.run(command)
    };
    assert_goes_on(&install(&scene.plain), &[]);
    assert_goes_on(
        &install(&scene.module),
        &["warning: btf-guard: judged alone"],
    );
}

/// What follows may be what makes it fit, and nobody would ever know.
#[test]
fn without_a_commit_plugin_nothing_is_stopped() {
    let scene = Scene::new();
    fs::remove_dir_all(scene.root.handoffs()).unwrap();
    for _ in 0..2 {
        assert_goes_on(
            &scene.install(&scene.module),
            &["warning: btf-guard: judged alone"],
        );
    }
    let dir = Private::open(&scene.root.handoffs()).unwrap().unwrap();
    assert!(CommitFiles::of(&dir, zypper()).has_begun().unwrap());
}

#[test]
fn the_admins_wish_goes_before_what_was_handed_over() {
    let scene = Scene::new();
    scene.hand_over(Decision::Block, Level::Error);
    assert_goes_on(&scene.run(off(&scene)), &[]);
    let mut warn =
        scene
            .root
            .command(["-U".as_ref(), "--force".as_ref(), scene.module.as_os_str()]);
    warn.env("BTF_GUARD", "warn");
    assert_goes_on(&scene.run(warn), &["warning: btf-guard: judged as one"]);
}

#[test]
fn a_test_run_is_no_part_of_the_commit() {
    let scene = Scene::new();
    scene.hand_over(Decision::Block, Level::Error);
    let test = ["-U".as_ref(), "--test".as_ref(), scene.module.as_os_str()];
    assert_stopped(&scene.call(&test), "btf-guard: judged as one");
    assert_stopped(&scene.install(&scene.module), "btf-guard: judged as one");
    fs::remove_file(scene.handoff()).unwrap();
    let test = ["-U".as_ref(), "--test".as_ref(), scene.plain.as_os_str()];
    assert_goes_on(&scene.call(&test), &[]);
    assert_stopped(&scene.install(&scene.module), "btf-guard: judged alone");
}

#[test]
fn one_transaction_for_all_believes_the_hand_off_on_what_it_judged() {
    let scene = Scene::new();
    scene.hand_over(Decision::Block, Level::Error);
    let before = scene.root.snapshot();
    let both = [scene.plain.as_path(), &scene.module];
    assert_stopped(&scene.install_as_one(&both), "btf-guard: judged as one");
    assert!(!scene.judge.was_started());
    let other = scene.root.build(&module_package("other"));
    let three = [scene.plain.as_path(), &scene.module, &other];
    assert_stopped(&scene.install_as_one(&three), "btf-guard: judged alone");
    assert_eq!(scene.root.snapshot(), before);
    scene.hand_over(Decision::Allow, Level::Notice);
    let outcome = scene.install_as_one(&both);
    assert!(outcome.status.success(), "{outcome:?}");
}

#[test]
fn a_hand_off_for_another_root_says_nothing_of_this_one() {
    let scene = Scene::new();
    scene.hand_over(Decision::Allow, Level::Notice);
    edit(&scene, |handoff| handoff.root = "/".into());
    assert_stopped(&scene.install(&scene.module), "btf-guard: judged alone");
}

fn edit(scene: &Scene, change: impl FnOnce(&mut Handoff)) {
    let mut handoff = serde_json::from_slice(&fs::read(scene.handoff()).unwrap()).unwrap();
    change(&mut handoff);
    fs::write(scene.handoff(), serde_json::to_vec(&handoff).unwrap()).unwrap();
}

/// A hand-off that would let everything pass, and is not believed, is as none.
#[test]
fn forged_and_stale_hand_offs_are_refused_and_removed() {
    type Forgery = fn(&Scene);
    let forgeries: [(Forgery, &str); 6] = [
        (
            |scene| chown(scene.handoff(), Some(12345), None).unwrap(),
            "it belongs to user 12345",
        ),
        (
            |scene| fs::set_permissions(scene.handoff(), Permissions::from_mode(0o666)).unwrap(),
            "others can write it (mode 666)",
        ),
        (
            |scene| {
                let real = scene.root.handoffs().join("real");
                fs::rename(scene.handoff(), &real).unwrap();
                symlink(real, scene.handoff()).unwrap();
            },
            "it is not a file of its own",
        ),
        (
            |scene| edit(scene, |handoff| handoff.pid = 1),
            "it is for another process (1)",
        ),
        (
            |scene| edit(scene, |handoff| handoff.boot = "before".to_owned()),
            "it is from before the last boot",
        ),
        (
            |scene| edit(scene, |handoff| handoff.written -= 2 * 86400),
            "it is not of today",
        ),
    ];
    for (forge, reason) in forgeries {
        let scene = Scene::new();
        scene.hand_over(Decision::Allow, Level::Notice);
        forge(&scene);
        let outcome = scene.install(&scene.module);
        let refused = format!("warning: btf-guard: the hand-off of zypper's commit: {reason}");
        assert!(!outcome.status.success(), "{reason}: {outcome:?}");
        assert_eq!(
            outcome.log(),
            [&refused, "error: btf-guard: judged alone", STOPPED],
            "{reason}"
        );
        assert!(scene.handoff().symlink_metadata().is_err(), "{reason}");
    }
}

#[test]
fn a_directory_that_others_can_write_is_not_used() {
    let scene = Scene::new();
    scene.hand_over(Decision::Allow, Level::Notice);
    fs::set_permissions(scene.root.handoffs(), Permissions::from_mode(0o777)).unwrap();
    let outcome = scene.install(&scene.module);
    assert_goes_on(
        &outcome,
        &[
            "warning: btf-guard: the hand-off of zypper's commit: \
             others can write it (mode 777)",
            "warning: btf-guard: judged alone",
        ],
    );
}

/// The process that the environment names is none that rpm descends from.
#[test]
fn a_stranger_is_not_served() {
    let scene = Scene::new();
    let mut other = Command::new("sleep").arg("600").spawn().unwrap();
    let process = Process::find(other.id()).unwrap();
    let answer = Answer::new(Decision::Allow, Vec::new(), Vec::new());
    let dir = Private::create(&scene.root.handoffs()).unwrap();
    CommitFiles::of(&dir, process).watch().unwrap();
    CommitFiles::of(&dir, process)
        .hand_over(
            scene.root.path(),
            &answer,
            vec!["mod-1-1.noarch".to_owned()],
        )
        .unwrap();
    let mut command = scene
        .root
        .command(["-U".as_ref(), scene.module.as_os_str()]);
    command.env("ZYPP_IS_RUNNING", process.pid.to_string());
    let outcome = scene.root.run(command);
    other.kill().unwrap();
    other.wait().unwrap();
    let pid = process.pid;
    assert!(!outcome.status.success(), "{outcome:?}");
    assert_eq!(
        outcome.log()[0],
        format!(
            "warning: btf-guard: the hand-off of zypper's commit: \
             this process does not descend from process {pid}"
        )
    );
}

/// A process id that names nobody: all that is known is that it is a part.
#[test]
fn a_dead_committer_means_that_it_may_have_begun() {
    let scene = Scene::new();
    for value in ["4194305", "x", ""] {
        let mut command =
            scene
                .root
                .command(["-U".as_ref(), "--force".as_ref(), scene.module.as_os_str()]);
        command.env("ZYPP_IS_RUNNING", value);
        assert_goes_on(
            &scene.root.run(command),
            &["warning: btf-guard: judged alone"],
        );
    }
}

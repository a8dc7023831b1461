// SPDX-License-Identifier: GPL-2.0-or-later
//! What an admin says over the policy's head, or writes into files, with every
//! client.

mod config;
mod logs;
mod overrides;
mod untrusted_files;

use btf_guard_tests::Outcome;
use btf_guard_tests::client::Suite;

use crate::client::{Act, Client, Tool};
use crate::scene::{Scene, said};

const RPM: Client = Client::new(Suite::Bookworm, Tool::Rpm);

const ALL: [Client; 5] = [
    RPM,
    Client::new(Suite::Bookworm, Tool::Dnf4),
    Client::new(Suite::Forky, Tool::Dnf5),
    Client::new(Suite::Trixie, Tool::ZypperSingle),
    Client::new(Suite::Bookworm, Tool::ZypperClassic),
];

const GOOD: Act<'_> = Act::Install(&[("driver-kmp", "1")]);
const BAD: Act<'_> = Act::Install(&[("driver-kmp", "2")]);

/// A kernel, and modules on offer that it refuses.
fn scene(client: Client) -> Option<Scene> {
    let scene = Scene::old_kernel(client)?;
    scene.offer("new");
    Some(scene)
}

fn guard(scene: &Scene, line: &str) -> Outcome {
    scene.shell(&format!("btf-guard {line}")).run()
}

/// Makes an override; its id.
#[track_caller]
fn make(scene: &Scene, line: &str) -> String {
    let made = guard(scene, line);
    assert!(made.status.success(), "{line}: {made:?}");
    made.stdout.split(' ').next().unwrap().to_owned()
}

fn overrides(scene: &Scene) -> String {
    guard(scene, "allow --list").stdout
}

/// Does it, whatever is thought of it.
#[track_caller]
fn passes(scene: &Scene) -> String {
    let outcome = scene.run(BAD);
    let client = scene.client;
    assert!(outcome.status.success(), "{client:?}: {outcome:?}");
    scene.assert_installed(&["driver-kmp-2", "kernel-default-1"]);
    let text = said(&outcome);
    // `off` would be written down.
    let removed = scene.shell("rpm -e --noplugins driver-kmp").run();
    assert!(removed.status.success(), "{removed:?}");
    text
}

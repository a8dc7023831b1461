// SPDX-License-Identifier: GPL-2.0-or-later
//! What others than root put where root reads and writes.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};

use super::{BAD, RPM, guard, make, passes, scene};

const NOBODY: u32 = 65534;

/// Whatever somebody else has put, or could put, where root reads and writes.
#[test]
fn what_others_plant_has_no_effect() {
    let Some(scene) = scene(RPM) else { return };
    let root = &scene.root;
    // A true token, to be copied.
    let id = make(&scene, "allow --next --reason true");
    let allow = "/run/btf-guard/allow";
    let token = fs::read(root.at(&format!("{allow}/{id}.json"))).unwrap();
    guard(&scene, &format!("allow --revoke {id}"));
    make(
        &scene,
        "allow --package nothing --reason 'makes the directory'",
    );
    let nobody = |line: &str| {
        let words = [
            "setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
        ];
        root.run(words.into_iter().chain(["sh", "-c", line]))
    };
    root.put("/tmp/token", &token);
    chown(root.at("/tmp/token"), Some(NOBODY), Some(NOBODY)).unwrap();
    for place in [
        format!("{allow}/{id}.json"),
        format!("/var/lib/btf-guard/overrides/{id}.json"),
        "/run/btf-guard/state.json".to_owned(),
        "/etc/btf-guard.toml".to_owned(),
        "/var/cache/btf-guard/x".to_owned(),
        "/var/log/btf-guard.jsonl".to_owned(),
        "/usr/share/btf-guard/btf-guard.toml".to_owned(),
    ] {
        let planted = nobody(&format!("cp /tmp/token {place}"));
        assert!(!planted.status.success(), "{place}: {planted:?}");
        let linked = nobody(&format!("ln -sf /tmp/token {place}"));
        assert!(!linked.status.success(), "{place}: {linked:?}");
        let issued = nobody("btf-guard allow --next --reason x");
        assert_eq!(issued.status.code(), Some(3), "{issued:?}");
    }
    scene.refused(BAD, 1);

    // What an admin has left open.
    let give = |path: &str| chown(root.at(path), Some(NOBODY), Some(NOBODY)).unwrap();
    let open = |path: &str, mode| {
        fs::set_permissions(root.at(path), Permissions::from_mode(mode)).unwrap();
    };
    fs::create_dir_all(root.at("/etc/btf-guard.d")).unwrap();
    open("/etc/btf-guard.d", 0o777);
    root.put("/etc/btf-guard.d/off.toml", "mode = \"off\"\n");
    give("/etc/btf-guard.d/off.toml");
    scene.refused(BAD, 1);
    open("/etc/btf-guard.d", 0o755);
    scene.refused(BAD, 1);
    fs::remove_file(root.at("/etc/btf-guard.d/off.toml")).unwrap();

    let planted = format!("{allow}/{id}.json");
    for (place, mode) in [(allow, 0o777), ("/run/btf-guard", 0o777)] {
        open(place, mode);
        root.put(&planted, &token);
        open(&planted, 0o600);
        scene.refused(BAD, 1);
        give(place);
        open(place, 0o700);
        scene.refused(BAD, 1);
        chown(root.at(place), Some(0), Some(0)).unwrap();
    }
    give(&planted);
    scene.refused(BAD, 1);
    fs::remove_file(root.at(&planted)).unwrap();
    symlink("/tmp/token", root.at(&planted)).unwrap();
    chown(root.at("/tmp/token"), Some(0), Some(0)).unwrap();
    scene.refused(BAD, 1);
    fs::remove_file(root.at(&planted)).unwrap();
    // The same bytes, in root's own file, are believed: it was not their content.
    root.put(&planted, &token);
    open(&planted, 0o600);
    passes(&scene);

    // Nothing is written elsewhere.
    root.put(
        "/etc/btf-guard.toml",
        "[log]\njsonl = \"/var/tmp/log/x.jsonl\"\n",
    );
    root.put("/etc/victim", "kept");
    fs::create_dir_all(root.at("/var/tmp/log")).unwrap();
    give("/var/tmp/log");
    symlink("/etc/victim", root.at("/var/tmp/log/x.jsonl")).unwrap();
    scene.refused(BAD, 1);
    chown(root.at("/var/tmp/log"), Some(0), Some(0)).unwrap();
    scene.refused(BAD, 1);
    fs::remove_file(root.at("/var/tmp/log/x.jsonl")).unwrap();
    fs::hard_link(root.at("/etc/victim"), root.at("/var/tmp/log/x.jsonl")).unwrap();
    scene.refused(BAD, 1);
    assert_eq!(fs::read_to_string(root.at("/etc/victim")).unwrap(), "kept");
    fs::remove_file(root.at("/var/tmp/log/x.jsonl")).unwrap();
    scene.refused(BAD, 1);
    assert!(root.at("/var/tmp/log/x.jsonl").exists());
}

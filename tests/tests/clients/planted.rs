// SPDX-License-Identifier: GPL-2.0-or-later
//! What others have put where the judge and the records keep things: none of it is
//! believed, and none of it leads root to write elsewhere.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::thread;
use std::time::Duration;

use btf_guard_tests::client::{ClientRoot, Suite, release};

use crate::client::{Act, Client, Tool};
use crate::scene::{Scene, said};

const RPM: Client = Client::new(Suite::Bookworm, Tool::Rpm);
const GOOD: Act<'_> = Act::Install(&[("driver-kmp", "1")]);
const BAD: Act<'_> = Act::Install(&[("driver-kmp", "2")]);
const NOBODY: u32 = 65534;
const CACHE: &str = "/var/cache/btf-guard";
const VICTIM: &str = "/etc/victim";

fn scene() -> Option<Scene> {
    let scene = Scene::old_kernel(RPM)?;
    scene.offer("new");
    scene.root.put(VICTIM, "kept");
    Some(scene)
}

fn give(root: &ClientRoot, path: &str, to: u32) {
    chown(root.at(path), Some(to), Some(to)).unwrap();
}

fn open(root: &ClientRoot, path: &str, mode: u32) {
    fs::set_permissions(root.at(path), Permissions::from_mode(mode)).unwrap();
}

#[track_caller]
fn assert_kept(scene: &Scene) {
    let victim = fs::read_to_string(scene.root.at(VICTIM)).unwrap();
    assert_eq!(victim, "kept");
}

/// The names in a directory, sorted.
fn names(root: &ClientRoot, dir: &str) -> Vec<String> {
    let entries = fs::read_dir(root.at(dir)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}

fn ending<'n>(names: &'n [String], suffix: &str) -> Vec<&'n str> {
    let names = names.iter().map(String::as_str);
    names.filter(|name| name.ends_with(suffix)).collect()
}

/// The types of the new kernel in the place of the old one's make modules for the new
/// one load: an entry worth to be planted.
#[test]
fn a_cache_that_others_made_is_not_believed() {
    let Some(scene) = scene() else { return };
    let root = &scene.root;
    scene.refused(BAD, 1);
    let image = format!("/usr/lib/modules/{}/vmlinuz", release());
    let digest = root.run(["sha256sum", &image]).stdout;
    let old = format!("{}.image", digest.split(' ').next().unwrap());
    let own = names(root, CACHE);
    assert!(own.contains(&old), "{own:?}");
    let kernel = "/srv/new/kernel-default-2-1.noarch.rpm";
    root.run(["btf-guard", "check", "--kernel", kernel, &image]);
    let all = names(root, CACHE);
    let mut others = ending(&all, ".image").into_iter();
    let new = others.find(|name| !own.iter().any(|known| known == name));
    let poison = fs::read(root.at(&format!("{CACHE}/{}", new.unwrap()))).unwrap();
    let place = format!("{CACHE}/{old}");
    let plant = || {
        for name in ending(&names(root, CACHE), ".known") {
            fs::remove_file(root.at(&format!("{CACHE}/{name}"))).unwrap();
        }
        let _ = fs::remove_file(root.at(&place));
        root.put(&place, &poison);
        open(root, &place, 0o600);
    };
    // In root's own hand it works, so what follows proves something.
    plant();
    assert!(scene.run(BAD).status.success());
    let removed = scene.shell("rpm -e --noplugins driver-kmp").run();
    assert!(removed.status.success(), "{removed:?}");

    plant();
    give(root, &place, NOBODY);
    scene.refused(BAD, 1);
    plant();
    open(root, &place, 0o666);
    scene.refused(BAD, 1);
    plant();
    fs::rename(root.at(&place), root.at("/tmp/entry")).unwrap();
    symlink("/tmp/entry", root.at(&place)).unwrap();
    scene.refused(BAD, 1);
    for (owner, mode) in [(NOBODY, 0o755), (0, 0o777), (0, 0o775)] {
        plant();
        give(root, CACHE, owner);
        open(root, CACHE, mode);
        let before = names(root, CACHE);
        scene.refused(BAD, 1);
        assert_eq!(names(root, CACHE), before, "{owner} {mode:o}: written to");
        give(root, CACHE, 0);
        open(root, CACHE, 0o755);
    }
    // The whole of it elsewhere.
    plant();
    fs::rename(root.at(CACHE), root.at("/tmp/cache")).unwrap();
    give(root, "/tmp/cache", NOBODY);
    symlink("/tmp/cache", root.at(CACHE)).unwrap();
    scene.refused(BAD, 1);
}

#[test]
fn links_for_entries_of_the_cache_lead_nowhere() {
    let Some(scene) = scene() else { return };
    let root = &scene.root;
    // A place is kept of an image that has not changed for a while.
    let image = format!("/usr/lib/modules/{}/vmlinuz", release());
    root.run(["touch", "-d", "yesterday", &image]);
    thread::sleep(Duration::from_secs(5));
    scene.quiet(GOOD);
    scene.quiet(Act::Remove(&["driver-kmp"]));
    root.run(["btf-guard", "check", "--kernel", "all"]);
    // As after a transaction whose scriptlets may have changed all of them.
    let plan = r#"{"schema":2,"root":"/","stage":"post","test":false,"mode":null,"elements":[]}"#;
    let line = format!("echo '{plan}' | btf-guard judge");
    let judged = root.run(["sh", "-c", &line]);
    assert!(judged.status.success(), "{judged:?}");
    scene.refused(BAD, 1);
    let all = names(root, CACHE);
    for suffix in [".image", ".place"] {
        assert_ne!(ending(&all, suffix).len(), 0, "{suffix}: {all:?}");
    }
    for owner in [0, NOBODY] {
        for name in &all {
            let place = root.at(&format!("{CACHE}/{name}"));
            let _ = fs::remove_file(&place);
            symlink(VICTIM, place).unwrap();
        }
        give(root, CACHE, owner);
        scene.refused(BAD, 1);
        assert_kept(&scene);
        give(root, CACHE, 0);
    }
}

#[test]
fn findings_are_not_kept_where_others_could_have_put_them() {
    let Some(scene) = scene() else { return };
    let root = &scene.root;
    let store = "/var/lib/btf-guard";
    let pass = || {
        let outcome = scene
            .shell(&RPM.command(BAD))
            .env("BTF_GUARD", "warn")
            .run();
        assert!(outcome.status.success(), "{outcome:?}");
        let removed = scene.shell("rpm -e --noplugins driver-kmp").run();
        assert!(removed.status.success(), "{removed:?}");
        assert_kept(&scene);
        said(&outcome)
    };
    let _ = fs::remove_dir_all(root.at(store));
    fs::create_dir_all(root.at(store)).unwrap();
    open(root, store, 0o700);
    for name in ["findings.json", "findings.lock", "findings.json.damaged"] {
        symlink(VICTIM, root.at(&format!("{store}/{name}"))).unwrap();
    }
    for owner in [NOBODY, 0] {
        give(root, store, owner);
        let text = pass();
        let complaint = "not recorded as it should be";
        assert!(text.contains(complaint), "{owner}: {text}");
    }
    // A lie of nobody's, in root's own directory.
    for name in ["findings.json", "findings.lock", "findings.json.damaged"] {
        fs::remove_file(root.at(&format!("{store}/{name}"))).unwrap();
    }
    let planted = format!("{store}/findings.json");
    root.put(
        &planted,
        r#"{"schema":1,"findings":[],"checked":4000000000}"#,
    );
    give(root, &planted, NOBODY);
    let outcome = root.run(["btf-guard", "status"]);
    let text = said(&outcome);
    assert!(text.contains("findings.json.damaged"), "{text}");
}

#[test]
fn what_is_published_goes_where_it_was_to_go() {
    let Some(scene) = scene() else { return };
    let root = &scene.root;
    let textfiles = "/var/lib/node/textfiles";
    fs::create_dir_all(root.at(textfiles)).unwrap();
    give(root, textfiles, NOBODY);
    let motd = "/run/motd.d/btf-guard";
    fs::create_dir_all(root.at("/run/motd.d")).unwrap();
    let metrics = format!("{textfiles}/btf-guard.prom");
    for place in [motd, &metrics] {
        symlink(VICTIM, root.at(place)).unwrap();
    }
    let outcome = scene
        .shell(&RPM.command(BAD))
        .env("BTF_GUARD", "warn")
        .run();
    assert!(outcome.status.success(), "{outcome:?}");
    let line = format!("btf-guard status --motd-file {motd} --textfile {textfiles}");
    let outcome = scene.shell(&line).run();
    assert_eq!(outcome.status.code(), Some(2), "{outcome:?}");
    assert_kept(&scene);
    for place in [motd, &metrics] {
        let found = fs::symlink_metadata(root.at(place)).unwrap();
        assert!(found.is_file(), "{place} is still a link");
    }
    // Its owner puts a link for the directory itself.
    fs::create_dir_all(root.at("/etc/elsewhere")).unwrap();
    symlink("/etc/elsewhere", root.at("/var/lib/node/link")).unwrap();
    let line = "btf-guard status --textfile /var/lib/node/link";
    let outcome = scene.shell(line).run();
    assert_eq!(outcome.status.code(), Some(2), "{outcome:?}");
    let told = "warning: btf-guard: /var/lib/node/link: ";
    assert!(outcome.stderr.contains(told), "{outcome:?}");
    assert_eq!(names(root, "/etc/elsewhere"), [""; 0]);
}

/// Words that hooks leave for one another, for a transaction of rpm alone.
#[test]
fn words_for_hooks_lead_nowhere() {
    let Some(scene) = scene() else { return };
    let root = &scene.root;
    let run = "/run/btf-guard";
    fs::create_dir_all(root.at(run)).unwrap();
    for (owner, mode) in [(0, 0o700), (NOBODY, 0o700), (0, 0o777)] {
        give(root, run, owner);
        open(root, run, mode);
        let _ = fs::remove_file(root.at(&format!("{run}/state.json")));
        symlink(VICTIM, root.at(&format!("{run}/state.json"))).unwrap();
        scene.refused(BAD, 1);
        // That the directory is not root's own may be said, and nothing comes of it.
        assert!(scene.run(GOOD).status.success());
        assert_kept(&scene);
        assert!(scene.run(Act::Remove(&["driver-kmp"])).status.success());
        assert_kept(&scene);
    }
}

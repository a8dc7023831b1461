//! Hooks of other programs than rpm: kernel-install, dkms, the two dnfs.

use std::collections::BTreeSet;
use std::fs;

use btf_guard_tests::client::{Build, ClientRoot, Suite, kernel, kmp, module, release};
use btf_guard_tests::{Outcome, Package};

fn shown(outcome: &Outcome) -> String {
    format!("{}{}", outcome.stdout, outcome.stderr)
}

/// Everything that was said by any part of btf-guard.
fn ours(outcome: &Outcome) -> Vec<String> {
    let shown = shown(outcome);
    let lines = shown.lines().filter(|line| line.contains("btf-guard: "));
    lines.map(str::to_owned).collect()
}

#[track_caller]
fn assert_silent(outcome: &Outcome) {
    assert!(outcome.status.success(), "{outcome:?}");
    assert_eq!(ours(outcome), [""; 0], "{outcome:?}");
}

/// One line of ours has all these words, and none is said twice.
#[track_caller]
fn assert_says(outcome: &Outcome, words: &[&str]) -> String {
    assert!(outcome.status.success(), "{outcome:?}");
    let ours = ours(outcome);
    let different: BTreeSet<_> = ours.iter().collect();
    assert_eq!(different.len(), ours.len(), "{outcome:?}");
    let mut with = ours.iter();
    let mut with = with
        .by_ref()
        .filter(|line| words.iter().all(|word| line.contains(word)));
    let (Some(line), None) = (with.next(), with.next()) else {
        panic!("not one line with {words:?}: {outcome:?}");
    };
    line.clone()
}

/// As if there were no rpm plugin.
fn switch_plugin_off(root: &ClientRoot) {
    root.put(
        "/etc/rpm/macros.btf_guard",
        "%__transaction_btf_guard %{nil}\n",
    );
}

fn install(root: &ClientRoot, package: &Package) {
    let package = root.build(package);
    let installed = root.client(["rpm", "-U", "--force", &package]);
    let installed = installed.env("BTF_GUARD", "off").run();
    assert!(installed.status.success(), "{installed:?}");
}

/// Where kernels are copied to, and under which name. `small` leaves no room for one.
fn boots_from_esp(root: &ClientRoot, token: &str, small: bool) {
    if !root.at("/efi").exists() {
        root.mount_small("/efi", if small { 1 << 10 } else { 64 << 10 });
    }
    fs::create_dir_all(root.at("/efi/loader/entries")).unwrap();
    root.put("/etc/kernel/install.conf", "layout=bls\nBOOT_ROOT=/efi\n");
    root.put("/etc/kernel/entry-token", format!("{token}\n"));
    root.put("/etc/kernel/cmdline", "quiet\n");
    root.put("/etc/machine-id", "0123456789abcdef0123456789abcdef\n");
}

fn image() -> String {
    format!("/usr/lib/modules/{}/vmlinuz", release())
}

fn add_kernel() -> [String; 4] {
    ["kernel-install", "add", release(), &image()].map(str::to_owned)
}

#[test]
fn kernel_install_names_the_copy_that_it_leaves_behind() {
    for suite in Suite::ALL {
        let Some(root) = ClientRoot::new(suite) else {
            continue;
        };
        install(&root, &kernel("kernel", "1", Build::Old));
        boots_from_esp(&root, "one", false);
        assert_silent(&root.run(add_kernel()));
        let copy = format!("/efi/one/{}/linux", release());
        assert!(root.at(&copy).exists());

        install(&root, &kernel("kernel", "2", Build::New));
        boots_from_esp(&root, "two", false);
        let outcome = root.run(add_kernel());
        let line = assert_says(&outcome, &["modules will not load", &copy]);
        assert!(line.starts_with("warning: btf-guard: "), "{line}");
        assert!(
            outcome.stderr.contains("help: this copy is stale"),
            "{outcome:?}"
        );
        assert!(!outcome.stderr.contains("/efi/two"), "{outcome:?}");

        let off = root.client(add_kernel()).env("BTF_GUARD", "off");
        assert_silent(&off.run());
        root.put("/etc/rpm/macros.btf_guard", "%_btf_guard off\n");
        assert_silent(&root.run(add_kernel()));
        fs::remove_file(root.at("/etc/rpm/macros.btf_guard")).unwrap();

        boots_from_esp(&root, "one", false);
        assert_silent(&root.run(["kernel-install", "remove", release()]));
        boots_from_esp(&root, "two", false);
        assert_silent(&root.run(add_kernel()));
    }
}

#[test]
fn what_goes_wrong_in_the_hook_does_not_end_kernel_install() {
    for suite in Suite::ALL {
        let Some(root) = ClientRoot::new(suite) else {
            continue;
        };
        install(&root, &kernel("kernel", "1", Build::New));
        boots_from_esp(&root, "one", false);
        let hook = "/usr/lib/kernel/install.d/98-btf-guard.install";
        let odd = [hook, "add", "..", "/efi/one/..", &image()];
        let told = ["\"..\" is no kernel's release", "run 'btf-guard check'"];
        assert_says(&root.run(odd), &told);
        assert_silent(&root.client(odd).env("BTF_GUARD", "off").run());

        fs::remove_file(root.at("/usr/bin/btf-guard")).unwrap();
        assert_silent(&root.run(add_kernel()));
    }
}

/// rpm's plugin sees what is left, and clients show what it says.
#[test]
fn a_hook_in_a_scriptlet_leaves_it_to_the_rpm_plugin() {
    for suite in Suite::ALL {
        let Some(root) = ClientRoot::new(suite) else {
            continue;
        };
        install(&root, &kernel("kernel", "1", Build::Old));
        boots_from_esp(&root, "one", false);
        assert_silent(&root.run(add_kernel()));
        boots_from_esp(&root, "two", false);
        let script = format!("os.execute('{}')", add_kernel().join(" "));
        let next = kernel("kernel", "2", Build::New).lua("%posttrans", &script);
        let next = root.build(&next);

        let outcome = root.run(["rpm", "-U", &next]);
        let told = ["after this transaction", "will not load", "/efi/one/"];
        assert_says(&outcome, &told);
        assert!(root.at(&format!("/efi/two/{}/linux", release())).exists());
        assert_eq!(fs::read_dir(root.at("/run/btf-guard")).unwrap().count(), 1);

        switch_plugin_off(&root);
        let outcome = root.run(["rpm", "-U", "--force", &next]);
        let line = assert_says(&outcome, &["will not load", "/efi/one/"]);
        assert!(!line.contains("transaction"), "{line}");
    }
}

/// kernel-install ends before the hook's turn; the half-written copy stays.
#[test]
fn a_copy_for_which_there_is_no_room_is_told_by_the_rpm_plugin() {
    for suite in Suite::ALL {
        let Some(root) = ClientRoot::new(suite) else {
            continue;
        };
        install(&root, &kernel("kernel", "1", Build::Old));
        boots_from_esp(&root, "one", true);
        let copy = format!("/one/{}/linux", release());
        let entry = format!("title one\nversion {}\nlinux {copy}\n", release());
        root.put("/efi/loader/entries/one.conf", entry);
        let failed = root.run(add_kernel());
        assert!(!failed.status.success(), "{failed:?}");
        assert_eq!(ours(&failed), [""; 0]);

        let script = format!("os.execute('{}')", add_kernel().join(" "));
        let next = kernel("kernel", "2", Build::New).lua("%posttrans", &script);
        let outcome = root.run(["rpm", "-U", &root.build(&next)]);
        assert_says(&outcome, &[&format!("/efi{copy}: "), "it was not judged"]);
    }
}

const MODULE: &str = "/usr/src/demo-1/wireguard.ko";

/// A module as its maker would give it to dkms, but that "building" it copies it.
fn dkms_module(root: &ClientRoot, build: Build) {
    root.put(
        "/usr/src/demo-1/dkms.conf",
        "PACKAGE_NAME=demo\nPACKAGE_VERSION=1\nBUILT_MODULE_NAME[0]=wireguard\n\
         MAKE=\"cp wireguard.ko built.ko; mv built.ko wireguard.ko\"\nCLEAN=true\n\
         DEST_MODULE_LOCATION[0]=/updates/dkms\nAUTOINSTALL=yes\n",
    );
    root.copy(MODULE, &module(build, "wireguard"));
    // Looked for, and not read: nothing is compiled.
    root.put(
        &format!("/usr/lib/modules/{}/build/include/x", release()),
        "",
    );
}

#[test]
fn dkms_tells_of_a_module_that_will_not_load() {
    // Debian 12's dkms has no hook that is run for every module.
    let Some(root) = ClientRoot::new(Suite::Trixie) else {
        return;
    };
    install(&root, &kernel("kernel", "1", Build::New));
    let kernel = format!("{}/x86_64", release());
    let install = ["dkms", "install", "demo/1", "-k", &kernel];
    let remove = ["dkms", "remove", "demo/1", "--all"];
    dkms_module(&root, Build::New);
    assert_silent(&root.run(install));
    assert_silent(&root.run(remove));

    // What the admin has dkms do is still done, with dkms's own variables.
    let own = "post_transaction=\"echo \\$kernelver >/tmp/own\"\n";
    for (own, done) in [("", false), (own, true)] {
        root.put("/etc/dkms/framework.conf", own);
        dkms_module(&root, Build::Old);
        let outcome = root.run(install);
        let told = ["the module will not load on kernel", &image()];
        let line = assert_says(&outcome, &told);
        assert!(!line.contains("transaction"), "{line}");
        assert!(outcome.stderr.contains("modules: wireguard"), "{outcome:?}");
        let made = fs::read_to_string(root.at("/tmp/own")).ok();
        assert_eq!(
            made.map(|made| made.trim() == release()),
            done.then_some(true)
        );
        assert_silent(&root.run(remove));
    }
    dkms_module(&root, Build::Old);
    let off = root.client(install).env("BTF_GUARD", "off");
    assert_silent(&off.run());
}

#[test]
fn dkms_inside_kernel_install_leaves_it_to_the_last_plugin() {
    let Some(root) = ClientRoot::new(Suite::Trixie) else {
        return;
    };
    install(&root, &kernel("kernel", "1", Build::New));
    boots_from_esp(&root, "one", false);
    dkms_module(&root, Build::Old);
    assert!(root.run(["dkms", "add", "demo/1"]).status.success());
    let outcome = root.run(add_kernel());
    assert!(
        outcome.stdout.contains("Executing post-transaction"),
        "{outcome:?}"
    );
    let told = [
        "1 of 21 modules will not load",
        &format!("/efi/one/{}", release()),
    ];
    assert_says(&outcome, &told);
}

/// The dnf of a suite that has plugins of its own. Debian 12 has none for its dnf
/// where zypper is.
const DNFS: [(Suite, &str); 2] = [(Suite::Trixie, "dnf"), (Suite::Forky, "dnf5")];

#[test]
fn without_the_rpm_plugin_dnf_tells_of_what_is_left() {
    for (suite, dnf) in DNFS {
        let Some(root) = ClientRoot::new(suite) else {
            continue;
        };
        switch_plugin_off(&root);
        install(&root, &kernel("kernel", "1", Build::New));
        root.offer(
            "repo",
            &[&kmp("demo", "1", Build::Old), &kmp("good", "1", Build::New)],
        );
        assert_silent(&root.run([dnf, "-y", "install", "good"]));
        assert_silent(&root.run([dnf, "-y", "remove", "good"]));
        for quiet in [&[][..], &["-q"]] {
            let command = [&[dnf, "-y"], quiet, &["install", "demo"]].concat();
            let outcome = root.run(command);
            println!("{outcome:?}");
            assert_says(
                &outcome,
                &["after this transaction", "will not load", &image()],
            );
            assert_silent(&root.run([dnf, "-y", "remove", "demo"]));
        }
        let off = root.client([dnf, "-y", "install", "demo"]);
        assert_silent(&off.env("BTF_GUARD", "off").run());
    }
}

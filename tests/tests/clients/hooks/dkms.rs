// SPDX-License-Identifier: GPL-2.0-or-later
//! dkms and the modules that it installs.

use std::fs;

use btf_guard_tests::client::{Build, ClientRoot, Suite, kernel, module, release};

use super::{add_kernel, assert_says, assert_silent, boots_from_esp, image, install};

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
    // dkms 3.2.2 itself runs no command after `dkms autoinstall`.
    let own = "/etc/kernel/install.d/40-dkms.install";
    let script = format!(
        "#!/bin/sh\nexec dkms install demo/1 -k {}/x86_64\n",
        release()
    );
    root.put(own, script);
    assert!(root.run(["chmod", "755", own]).status.success());
    let outcome = root.run(add_kernel());
    assert!(
        outcome.stdout.contains("Executing post-transaction"),
        "{outcome:?}"
    );
    assert_says(&outcome, &["1 of 22 modules will not load", &image()]);
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! kernel-install and what it leaves on a boot partition, in a transaction and
//! outside of one.

use std::collections::BTreeSet;
use std::fs;

use btf_guard_tests::bootable::MODULES;
use btf_guard_tests::client::{Build, ClientRoot, Suite, kernel, module, release};
use btf_guard_tests::initrd::initrd;
use btf_guard_tests::skip::skipped;
use serde_json::Value;

use super::{
    add_kernel, assert_says, assert_silent, boots_from_esp, image, install, ours, switch_plugin_off,
};

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
        let entry = format!("/efi/loader/entries/one-{}.conf", release());
        let help = format!("make it anew: rm {entry} && {}", add_kernel().join(" "));
        assert!(outcome.stderr.contains(&help), "{outcome:?}");
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

/// Kernel and initrd on the boot partition are both of the build before: what is said to
/// be done, done to the letter, mends the machine.
#[test]
fn what_is_to_be_done_mends_a_stale_kernel_and_its_initrd() {
    for suite in Suite::ALL {
        let Some(root) = ClientRoot::new(suite) else {
            continue;
        };
        // Where Debian's plugin of kernel-install takes it from.
        let source = format!("/boot/initrd.img-{}", release());
        let made_of = |build| {
            let modules = vec![module(build, "xfs"); MODULES];
            initrd(&modules, release(), &["gzip", "-n9"])
        };
        install(&root, &kernel("kernel", "1", Build::Old));
        boots_from_esp(&root, "one", false);
        root.put(&source, made_of(Build::Old));
        assert_silent(&root.run(add_kernel()));
        install(&root, &kernel("kernel", "2", Build::New));
        root.put(&source, made_of(Build::New));

        let (code, report) = checked(&root);
        assert_eq!(code, Some(2), "{report:#}");
        for kind in ["stale-copy", "initrd-stale"] {
            let count = &report["summary"][kind];
            let told =
                count == 1 || kind == "stale-copy" && report["kernels"][1]["stale"] != Value::Null;
            assert!(told, "{kind}: {report:#}");
        }
        let kernels = report["kernels"].as_array().unwrap().iter();
        let initrds = report["initrds"].as_array().unwrap().iter();
        let commands = kernels.map(|kernel| &kernel["stale"]["fix_command"]);
        let commands = commands.chain(initrds.map(|initrd| &initrd["fix_command"]));
        let commands: BTreeSet<&str> = commands.filter_map(Value::as_str).collect();
        assert!(!commands.is_empty(), "{report:#}");
        for command in commands {
            let done = root.run(["sh", "-c", command]);
            assert!(done.status.success(), "{command}: {done:?}");
        }
        let (code, report) = checked(&root);
        assert_eq!(code, Some(0), "{report:#}");
    }
}

fn checked(root: &ClientRoot) -> (Option<i32>, Value) {
    let outcome = root.run(["btf-guard", "check", "--kernel", "all", "--format", "json"]);
    let report = serde_json::from_str(&outcome.stdout);
    (
        outcome.status.code(),
        report.unwrap_or_else(|_| panic!("{outcome:?}")),
    )
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

#[test]
fn a_boot_partition_at_an_uncommon_place_is_looked_at() {
    let Some(root) = ClientRoot::new(Suite::Trixie) else {
        return;
    };
    boots_from_esp(&root, "one", false);
    root.mount_small("/srv/esp", 64 << 10);
    root.put(
        "/etc/kernel/install.conf",
        "layout=bls\nBOOT_ROOT=/srv/esp\n",
    );
    install(&root, &kernel("kernel", "1", Build::Old));
    assert_silent(&root.run(add_kernel()));
    install(&root, &kernel("kernel", "2", Build::New));
    root.put("/etc/kernel/entry-token", "two\n");
    assert_says(&root.run(add_kernel()), &["will not load", "/srv/esp/one/"]);
}

/// What lasts until the reboot is a matter of the machine that runs, not of a root
/// or an image that is made on it.
#[test]
fn the_running_kernel_counts_where_it_runs() {
    let running = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let running = running.trim();
    // Any file will do: nothing is copied in this layout.
    let add = ["kernel-install", "add", running, "/usr/bin/rpm"];
    for suite in Suite::ALL {
        let (Some(chroot), Some(machine)) = (ClientRoot::new(suite), ClientRoot::as_machine(suite))
        else {
            continue;
        };
        for root in [&chroot, &machine] {
            root.put("/etc/kernel/install.conf", "layout=other\n");
            root.put("/etc/machine-id", "0123456789abcdef0123456789abcdef\n");
            let path = format!("/usr/lib/modules/{running}/extra/xfs.ko");
            root.copy(&path, &module(Build::Old, "xfs"));
            if !root.stand_in(Build::New) {
                skipped(
                    "the running kernel and hooks",
                    "it shows no BTF or no config",
                );
                return;
            }
        }
        assert_silent(&chroot.run(add));
        let image = machine.client(add).env("TRANSACTIONAL_UPDATE", "1");
        assert_silent(&image.run());
        let told = ["will not load on the running kernel", running];
        assert_says(&machine.run(add), &told);
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
        let line = assert_says(&outcome, &["will not load", "/efi/one/"]);
        assert!(line.contains("after this transaction"), "{line}");
        assert!(root.at(&format!("/efi/two/{}/linux", release())).exists());
        assert_eq!(fs::read_dir(root.at("/run/btf-guard")).unwrap().count(), 1);

        switch_plugin_off(&root);
        let outcome = root.run(["rpm", "-U", "--force", &next]);
        let line = assert_says(&outcome, &["will not load", "/efi/one/"]);
        assert!(!line.contains("transaction"), "{line}");
    }
}

/// zypper's commit plugin sees all of a commit whose packages are installed one by
/// one. The shell stands in for zypper, with a hand-off as the plugin leaves it.
#[test]
fn a_hook_in_a_commit_of_zypper_leaves_it_to_the_commit_plugin() {
    let Some(root) = ClientRoot::new(Suite::Bookworm) else {
        return;
    };
    install(&root, &kernel("kernel", "1", Build::Old));
    boots_from_esp(&root, "one", false);
    assert_silent(&root.run(add_kernel()));
    install(&root, &kernel("kernel", "2", Build::New));
    boots_from_esp(&root, "two", false);
    let add = add_kernel().join(" ");
    let commit = format!(
        r#"ZYPP_IS_RUNNING=$$; export ZYPP_IS_RUNNING
        start=$(cut -d' ' -f22 /proc/$$/stat)
        mkdir -pm 700 /run/btf-guard
        cat >/run/btf-guard/zypp-$$-$start.json <<JSON
{{"schema": 1, "pid": $$, "started": $start, "boot": "$(cat /proc/sys/kernel/random/boot_id)",
 "written": $(date +%s), "root": "/", "decision": "allow", "messages": [], "keys": [], "judged": []}}
JSON
        {add}"#
    );
    assert_silent(&root.run(["sh", "-ec", &commit]));
    // Not of this commit, and not to be touched: somebody else's may go on.
    let strange = format!("ZYPP_IS_RUNNING=1 {add}");
    assert_says(&root.run(["sh", "-c", &strange]), &["will not load"]);
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
        assert_says(&outcome, &[&format!("/efi{copy}: "), "cannot boot"]);
    }
}

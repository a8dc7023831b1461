// SPDX-License-Identifier: GPL-2.0-or-later
//! A new kernel without a module that the machine uses: the real rpm, on the root of a
//! machine that runs.

use btf_guard_tests::btf::{Era, kind};
use btf_guard_tests::client::RunningMachine;
use btf_guard_tests::{Outcome, Package, elf};
use serde_json::Value;

use crate::real::{ENFORCING, fitting};

const NEW: &str = "9.1.0-new";

/// The kernel that runs here is the machine's.
fn running() -> String {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    release.trim().to_owned()
}

/// A module that says what it serves.
fn serving(name: &str, alias: &str) -> Vec<u8> {
    let mut split = btf_guard_tests::btf::Btf::split(&Era::V6_18.base());
    split.named("serves", kind::FWD, 0, 0, &[]);
    let info = format!("name={name}\0vermagic=9 SMP \0alias={alias}\0license=GPL\0");
    elf::module(&[(".modinfo", info.as_bytes()), (".BTF", &split.build())])
}

/// The package of a release, with its image and these modules.
fn kernel(version: &str, release: &str, modules: &[&str]) -> Package {
    let dir = format!("/lib/modules/{release}");
    let image = elf::vmlinux(release, &Era::V6_18.base().build());
    let mut package = Package::new("kernel-core")
        .version(version)
        .file(format!("{dir}/vmlinuz"), image)
        .file(format!("{dir}/config"), ENFORCING)
        .file(format!("{dir}/modules.builtin"), "kernel/fs/builtin.ko\n");
    for below in modules {
        let path = format!("{dir}/{below}");
        let name = below.rsplit('/').next().unwrap().trim_end_matches(".ko");
        package = package.file(path, fitting(name));
    }
    package
}

/// A machine that runs a kernel of `kernel-core` and `kernel-modules-extra`, and uses
/// modules of both and of others.
struct Machine(RunningMachine);

impl Machine {
    fn new() -> Self {
        let machine = Self(RunningMachine::new());
        let (old, dir) = (running(), format!("/lib/modules/{}", running()));
        let core = kernel("1", &old, &["kernel/core.ko", "extra/own.ko"]);
        let extra = Package::new("kernel-modules-extra")
            .file(format!("{dir}/kernel/sctp-old.ko"), fitting("sctp_old"))
            .file(format!("{dir}/kernel/builtin.ko"), fitting("builtin"))
            .file(format!("{dir}/kernel/nic.ko"), fitting("nic"));
        let kmp =
            Package::new("camera-kmp").file(format!("{dir}/updates/camera.ko"), fitting("camera"));
        for package in [core, extra, kmp] {
            let outcome = machine.0.install(&[&package], &[("BTF_GUARD", "off")]);
            assert!(outcome.status.success(), "{outcome:?}");
        }
        machine.0.put(
            &format!("{dir}/modules.dep"),
            "kernel/core.ko:\nextra/own.ko:\nkernel/sctp-old.ko:\nkernel/builtin.ko:\n\
             kernel/nic.ko:\nupdates/camera.ko:\n",
        );
        machine
            .0
            .put(&format!("{dir}/modules.alias"), "alias served nic\n");
        machine.0.put(
            "/etc/modules-load.d/all.conf",
            "core\nown\nsctp-old\nbuiltin\nserved\ncamera\n",
        );
        machine
    }

    fn install(&self, packages: &[&Package]) -> Outcome {
        self.0.install(packages, &[])
    }

    /// What a command of the program says of drivers that are lost: the names, with the
    /// exit code.
    fn lost(&self, args: &[&str]) -> (Option<i32>, Vec<Value>) {
        let words = [&["btf-guard"], args, &["--format", "json"]].concat();
        let outcome = self.0.run(&words);
        let report: Value = serde_json::from_str(&outcome.stdout)
            .unwrap_or_else(|_| panic!("{args:?}: {outcome:?}"));
        let all = report["modules"]
            .as_array()
            .or(report["findings"].as_array());
        let is_lost = |entry: &&Value| {
            entry["verdict"] == "driver-lost" || entry["verdicts"][0]["verdict"] == "driver-lost"
        };
        let lost = all.unwrap().iter().filter(is_lost).cloned();
        let mut lost: Vec<Value> = lost.collect();
        lost.sort_by_key(|entry| entry["name"].to_string());
        (outcome.status.code(), lost)
    }
}

/// The lines of the finding, of what rpm has logged.
fn lost_lines(outcome: &Outcome) -> Vec<&str> {
    let lines = outcome.log().into_iter();
    let mut lines = lines.skip_while(|line| !line.contains(" that this machine uses with "));
    let first: Vec<&str> = lines.next().into_iter().collect();
    let rest = lines.take_while(|line| !line.starts_with("warning: btf-guard"));
    first.into_iter().chain(rest).collect()
}

/// What kernel-install does: a copy of the image, and an entry that boots by default.
fn boots_by_default() -> String {
    format!(
        "posix.mkdir('/boot/loader') posix.mkdir('/boot/loader/entries')\n\
         local function write(path, text)\n\
             local to = io.open(path, 'w') to:write(text) to:close()\n\
         end\n\
         local from = io.open('/lib/modules/{NEW}/vmlinuz', 'rb')\n\
         write('/boot/vmlinuz-{NEW}', from:read('*a'))\n\
         write('/boot/loader/entries/a.conf', [[title a\nversion {NEW}\nlinux /vmlinuz-{NEW}\n]])\n\
         write('/boot/loader/loader.conf', 'default a.conf\\n')"
    )
}

fn names(lost: &[Value]) -> Vec<&str> {
    lost.iter()
        .map(|entry| entry["name"].as_str().unwrap())
        .collect()
}

#[test]
fn a_new_kernel_without_a_module_in_use_warns() {
    let machine = Machine::new();
    let new = kernel("2", NEW, &["kernel/other.ko"]);
    let outcome = machine.install(&[&new.lua("%post", &boots_by_default())]);
    assert!(outcome.status.success(), "{outcome:?}");
    let old = running();
    let expected = [
        format!(
            "warning: btf-guard: after this transaction, kernel {NEW} (in \
             kernel-core-2-1.noarch) lacks 4 modules that this machine uses with {old}"
        ),
        format!(
            "warning:   help: install kernel-modules-extra for {NEW}, if that is not there, or \
             keep booting {old}"
        ),
        "warning:   modules: core, nic, own, sctp_old (in kernel-core-1-1.noarch, \
         kernel-modules-extra-1-1.noarch)"
            .to_owned(),
    ];
    // The kernel that runs here may say more of the modules that were made for the test.
    let own = lost_lines(&outcome);
    assert_eq!(own[..3], expected, "{own:#?}");
    let whole = own.concat();
    let why = "sctp_old (named in /etc/modules-load.d/all.conf)";
    assert!(whole.contains(why), "{own:#?}");
    assert!(
        !whole.contains("camera") && !whole.contains("builtin"),
        "{own:#?}"
    );
    // What was said is not repeated, and others' modules may still be built: they are told
    // of later.
    let log = outcome.log();
    let told = log
        .iter()
        .filter(|line| line.contains("that this machine uses with"));
    assert_eq!(told.count(), 1, "{log:#?}");
    let all = ["camera", "core", "nic", "own", "sctp_old"];
    let (code, lost) = machine.lost(&["check", "--kernel", "all"]);
    assert_eq!((code, names(&lost)), (Some(1), all.to_vec()), "{lost:#?}");
    let sctp = lost.last().unwrap();
    assert_eq!(sctp["owner"], "kernel-modules-extra-1-1.noarch");
    assert_eq!(
        sctp["path"],
        format!("/usr/lib/modules/{old}/kernel/sctp-old.ko")
    );
    assert_eq!(
        sctp["used_by_host"][0],
        "named in /etc/modules-load.d/all.conf"
    );
    let (code, lost) = machine.lost(&["status"]);
    assert_eq!((code, names(&lost)), (Some(1), all.to_vec()));
    let motd = machine.0.run(&["btf-guard", "status", "--motd"]).stdout;
    assert!(
        motd.contains("lacks 5 modules that this machine uses"),
        "{motd}"
    );
    // Files that come for the new kernel end what stands, though neither the old file nor
    // the image has changed.
    machine
        .0
        .put(&format!("/lib/modules/{NEW}/updates/camera.ko"), "");
    let (_, lost) = machine.lost(&["status"]);
    assert_eq!(names(&lost), ["core", "nic", "own", "sctp_old"]);
}

#[test]
fn a_kernel_that_has_or_replaces_all_of_it_is_silent() {
    let machine = Machine::new();
    let dir = format!("/lib/modules/{NEW}");
    let core = kernel("2", NEW, &["kernel/core.ko", "kernel/moved/own.ko"]);
    let extra = Package::new("kernel-modules-extra")
        .version("2")
        .file(format!("{dir}/kernel/sctp_old.ko"), fitting("sctp_old"))
        .file(
            format!("{dir}/kernel/new-nic.ko"),
            serving("new_nic", "ser*"),
        );
    let outcome = machine.install(&[&core, &extra]);
    assert!(outcome.status.success(), "{outcome:?}");
    assert_eq!(lost_lines(&outcome), [""; 0]);
}

#[test]
fn where_nothing_is_said_of_what_is_built_in_nothing_is_lost() {
    let machine = Machine::new();
    let image = elf::vmlinux(NEW, &Era::V6_18.base().build());
    let dir = format!("/lib/modules/{NEW}");
    let new = Package::new("kernel-core")
        .version("2")
        .file(format!("{dir}/vmlinuz"), image)
        .file(format!("{dir}/config"), ENFORCING)
        .file(format!("{dir}/kernel/other.ko"), fitting("other"));
    let outcome = machine.install(&[&new]);
    assert!(outcome.status.success(), "{outcome:?}");
    assert_eq!(lost_lines(&outcome), [""; 0]);
}

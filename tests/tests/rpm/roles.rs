// SPDX-License-Identifier: GPL-2.0-or-later
//! What part a kernel plays decides whether a transaction is stopped for it: rescue
//! images, images that go with their package, other systems on the same partition.

use std::fs;
use std::path::PathBuf;

use btf_guard_tests::btf::{Btf, Era};
use btf_guard_tests::{Outcome, Package, Root, elf, program};

use crate::real::{ENFORCING, assert_silent, fitting, foreign, rebuilt, run};

const ID: &str = "0123456789abcdef0123456789abcdef";
const OTHER_ID: &str = "fedcba9876543210fedcba9876543210";
pub(crate) const OLD: &str = "6.18.15-old";
const NEW: &str = "6.18.15-new";

pub(crate) fn image(release: &str, base: &Btf) -> Vec<u8> {
    elf::vmlinux(release, &base.build())
}

fn kernel(version: &str, release: &str) -> Package {
    let dir = format!("/lib/modules/{release}");
    Package::new("kernel")
        .version(version)
        .file(format!("{dir}/vmlinuz"), image(release, &Era::V6_18.base()))
        .file(format!("{dir}/config"), ENFORCING)
        .file(format!("{dir}/kernel/driver.ko"), fitting("driver"))
        .lua("%post", &add_copy(release))
        .lua("%preun", &remove_copy(release))
}

/// What kernel-install does when a kernel comes: a copy of its image, and an entry.
pub(crate) fn add_copy(release: &str) -> String {
    let entry = entry(release, &format!("vmlinuz-{release}"), "root=UUID=aa-1");
    format!(
        "local from = io.open('/lib/modules/{release}/vmlinuz', 'rb')\n\
         local to = io.open('/boot/vmlinuz-{release}', 'wb')\n\
         to:write(from:read('*a')) to:close()\n\
         to = io.open('/boot/loader/entries/{ID}-{release}.conf', 'w')\n\
         to:write([[{entry}]]) to:close()"
    )
}

/// What it does when the kernel goes.
fn remove_copy(release: &str) -> String {
    format!(
        "os.remove('/boot/vmlinuz-{release}')\n\
         os.remove('/boot/loader/entries/{ID}-{release}.conf')"
    )
}

fn entry(name: &str, image: &str, options: &str) -> String {
    format!("title {name}\nlinux /{image}\ninitrd /initrd\noptions {options}\n")
}

/// A machine that kernel-install and dracut have set up as Fedora does.
pub(crate) struct Machine {
    pub(crate) root: Root,
}

impl Machine {
    pub(crate) fn new() -> Self {
        let machine = Self {
            root: Root::new(&program()),
        };
        machine.write("etc/machine-id", format!("{ID}\n"));
        machine.write("etc/fstab", "UUID=aa-1 / ext4 defaults 0 1\n");
        machine.write("boot/initrd", "");
        fs::create_dir_all(machine.root.path().join("boot/loader/entries")).unwrap();
        machine
    }

    pub(crate) fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(crate) fn entry(&self, name: &str, image: &str, options: &str) {
        let text = entry(name, image, options);
        self.write(&format!("boot/loader/entries/{name}.conf"), text);
    }

    pub(crate) fn has_rescue(&self, release: &str) {
        let copy = format!("vmlinuz-0-rescue-{ID}");
        self.write(&format!("boot/{copy}"), image(release, &Era::V6_18.base()));
        self.entry(&format!("{ID}-0-rescue"), &copy, "root=UUID=aa-1");
    }

    pub(crate) fn install(&self, package: &Package) -> PathBuf {
        let package = self.root.build(package);
        assert_silent(&self.rpm(&["-i"], &[&package]));
        package
    }

    pub(crate) fn rpm(&self, options: &[&str], packages: &[&PathBuf]) -> Outcome {
        run(&self.root, options, packages)
    }
}

#[test]
fn a_rescue_image_is_no_reason_to_keep_its_modules() {
    let machine = Machine::new();
    machine.install(&kernel("1", OLD));
    machine.has_rescue(OLD);
    // dnf at its limit of kernels: the new one comes and the oldest goes.
    let new = machine.root.build(&kernel("2", NEW));
    assert_silent(&machine.rpm(&["-U"], &[&new]));

    let machine = Machine::new();
    machine.install(&kernel("1", OLD));
    machine.install(&kernel("2", NEW));
    machine.has_rescue(OLD);
    assert_silent(&machine.rpm(&["-e", "kernel-1"], &[]));
}

#[test]
fn an_image_goes_with_its_package_whatever_copies_there_are() {
    for copy in [format!("vmlinuz-{OLD}"), format!("vmlinuz-{OLD}.bak")] {
        let machine = Machine::new();
        machine.install(&kernel("1", OLD));
        machine.install(&kernel("2", NEW));
        machine.write(&format!("boot/{copy}"), image(OLD, &Era::V6_18.base()));
        assert_silent(&machine.rpm(&["-e", "kernel-1"], &[]));
    }
}

#[test]
fn another_system_on_the_partition_is_not_ours_to_judge() {
    let machine = Machine::new();
    machine.install(&kernel("1", OLD));
    // The other's kernel has our release and is another build; it boots by default.
    machine.write("boot/other/linux", image(OLD, &rebuilt()));
    machine.entry(
        &format!("{OTHER_ID}-{OLD}"),
        "other/linux",
        "root=UUID=bb-2",
    );
    machine.write("boot/loader/loader.conf", format!("default {OTHER_ID}-*\n"));
    let path = |name: &str| format!("/lib/modules/{OLD}/extra/{name}.ko");
    let fits = Package::new("fits").file(path("fits"), fitting("fits"));
    assert_silent(&machine.rpm(&["-i"], &[&machine.root.build(&fits)]));

    let wrong = Package::new("wrong").file(path("wrong"), foreign("wrong"));
    let outcome = machine.rpm(&["-i"], &[&machine.root.build(&wrong)]);
    assert!(!outcome.status.success(), "{outcome:?}");
    assert!(
        !outcome.log().concat().contains("other/linux"),
        "{outcome:?}"
    );
}

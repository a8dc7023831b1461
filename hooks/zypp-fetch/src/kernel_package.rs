// SPDX-License-Identifier: GPL-2.0-or-later
//! Which packages may carry modules or a kernel, by what repositories say of
//! them.
//!
//! Repositories list few of a package's files (`/etc`, `bin`), so the evidence
//! is what packages provide, require and supplement. A miss means that a
//! package is not looked into before the transaction; a hit costs a download
//! that was about to happen. So in doubt it is a hit, but for packages whose
//! names say what they hold instead: sources of a kernel alone have hundreds
//! of megabytes, and a commit waits for half a minute only.

use zypp_sys::WordKind;

pub(crate) fn is_about_kernels(name: &str, kind: WordKind, word: &[u8]) -> bool {
    match kind {
        WordKind::Provides => provides(name, word),
        WordKind::Requires => requires(name, word),
        WordKind::Supplements => word.starts_with(b"modalias(kernel-") && !is_other(name),
        WordKind::File => is_carried(word),
        WordKind::Obsoletes | WordKind::Installed | WordKind::Offered => false,
    }
}

/// True if the name alone is: module packages of SUSE (`foo-kmp-default`) and
/// of Red Hat and ELRepo (`kmod-foo`), kernels of all.
pub(crate) fn looks_like_kernel_package(name: &str) -> bool {
    (is_kernel(name.as_bytes())
        || name.starts_with("kmod-")
        || name.ends_with("-kmp")
        || name.contains("-kmp-"))
        && !is_other(name)
}

fn provides(name: &str, word: &[u8]) -> bool {
    // Generated from the modules themselves: `kmod(xfs.ko)` by rpm's module
    // generators of SUSE, Fedora and RHEL, `ksym(default:printk) = crc` by
    // SUSE's and `kernel(printk) = crc` by RHEL's from the symbols they export.
    if [b"kmod(".as_slice(), b"ksym(", b"kernel("]
        .iter()
        .any(|generated| word.starts_with(generated))
    {
        return true;
    }
    // Written in spec files: `kernel`, `kernel-uname-r`, `kernel-modules-core-uname-r`,
    // `installonlypkg(kernel-module)` (Fedora), `multiversion(kernel)` (SUSE).
    (is_kernel(word)
        || word.starts_with(b"installonlypkg(kernel")
        || word.starts_with(b"multiversion(kernel"))
        && !is_other(name)
}

/// What module packages need: the kernel they were built for, by one of its
/// symbols or its release, and what their scriptlets run.
fn requires(name: &str, word: &[u8]) -> bool {
    ([b"ksym(".as_slice(), b"kernel(", b"kernel-uname-r"]
        .iter()
        .any(|prefix| word.starts_with(prefix))
        || [
            b"/sbin/depmod".as_slice(),
            b"/usr/sbin/depmod",
            b"/usr/bin/kernel-install",
            b"/bin/kernel-install",
            b"suse-kernel-rpm-scriptlets",
        ]
        .contains(&word))
        && !is_other(name)
}

/// `kernel` or `kernel-…`, with or without a version behind it.
fn is_kernel(word: &[u8]) -> bool {
    word.strip_prefix(b"kernel")
        .is_some_and(|rest| matches!(rest.first(), None | Some(b' ' | b'-')))
}

fn is_carried(path: &[u8]) -> bool {
    let below_usr = path.strip_prefix(b"/usr").unwrap_or(path);
    below_usr.starts_with(b"/lib/modules/")
        || [b"/boot/vmlinu".as_slice(), b"/boot/Image-", b"/boot/image-"]
            .iter()
            .any(|image| path.starts_with(image))
}

/// Packages around a kernel that hold neither modules nor an image: what is
/// needed to build modules, sources, firmware, debugging data. What was
/// generated from modules, and their paths, counts all the same.
fn is_other(name: &str) -> bool {
    [
        "kernel-source",
        "kernel-devel",
        "kernel-docs",
        "kernel-doc",
        "kernel-headers",
        "kernel-macros",
        "kernel-syms",
        "kernel-firmware",
        "kernel-obs-qa",
        "kernel-rpm-macros",
        "kernel-srpm-macros",
        "kernel-tools",
    ]
    .iter()
    .any(|other| {
        name.strip_prefix(other)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    }) || ["-devel", "-debuginfo", "-debugsource", "-headers"]
        .iter()
        .any(|suffix| name.ends_with(suffix))
        || name.contains("-debuginfo-")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A package's name, what kind of word this is, and the word.
    fn is_hit(case: &str) -> bool {
        let [name, kind, word] = case.splitn(3, ' ').collect::<Vec<_>>()[..] else {
            panic!("{case}");
        };
        let kind = match kind {
            "provides" => WordKind::Provides,
            "requires" => WordKind::Requires,
            "supplements" => WordKind::Supplements,
            "file" => WordKind::File,
            _ => panic!("{case}"),
        };
        is_about_kernels(name, kind, word.as_bytes())
    }

    #[test]
    fn packages_of_kernels_and_modules_are_hit() {
        for case in [
            "kernel-default provides kernel = 6.4.0-1.1",
            "kernel-default provides kernel-uname-r = 6.4.0-1-default",
            "kernel-default provides ksym(default:printk) = 92997ed8",
            "kernel-default-extra provides kmod(xfs.ko)",
            "kernel-core provides kernel-core-uname-r = 6.1-1.x86_64",
            "kernel-modules provides installonlypkg(kernel-module)",
            "kernel provides kernel(vmlinux_printk) = 0x92997ed8",
            "linux-own requires /usr/bin/kernel-install",
            "crash-kmp-default provides multiversion(kernel)",
            "crash-kmp-default requires suse-kernel-rpm-scriptlets",
            "drbd requires ksym(default:printk) = 92997ed8",
            "kmod-wl requires kernel-uname-r = 6.1-1.x86_64",
            "kmod-ext4 requires kernel(printk) = 0x92997ed8",
            "kmod-ext4 requires /sbin/depmod",
            "nvidia supplements modalias(kernel-default:pci:v000010DEd*sv*sd*bc03sc0[02]i00*)",
            "oddly-named file /usr/lib/modules/6.1/extra/a.ko",
            "oddly-named file /lib/modules/6.1/a.ko.xz",
            "oddly-named file /boot/vmlinuz-6.1",
            "kernel-devel provides kmod(surprise.ko)",
        ] {
            assert!(is_hit(case), "{case}");
        }
        for name in "kernel kernel-default kmod-nvidia a-kmp-default a-kmp".split(' ') {
            assert!(looks_like_kernel_package(name), "{name}");
        }
    }

    #[test]
    fn other_packages_are_missed() {
        for case in [
            "bash provides /bin/sh",
            "kernelshark provides kernelshark = 2",
            "kernel-source provides kernel-source = 6.4.0-1.1",
            "kernel-source provides multiversion(kernel)",
            "kernel-devel provides installonlypkg(kernel)",
            "kernel-default-devel provides multiversion(kernel)",
            "kernel-default-devel requires suse-kernel-rpm-scriptlets",
            "a-kmp-default-debuginfo supplements modalias(kernel-default:pci:*)",
            "kernel-firmware-amdgpu supplements modalias(pci:v00001002d*)",
            "kernel-firmware-amdgpu provides kernel-firmware-amdgpu = 1",
            "kernel-default-debuginfo provides kernel-default-debuginfo = 6",
            "xorg-x11-driver supplements modalias(pci:v000010DEd*)",
            "dracut requires kmod >= 27",
            "glibc requires kernel >= 3.2",
            "a file /usr/lib/modules-load.d/a.conf",
            "a file /usr/share/lib/modules/a",
        ] {
            assert!(!is_hit(case), "{case}");
        }
        for name in "kmodtool kernelshark kernel-docs kernel-macros a-kmpx".split(' ') {
            assert!(!looks_like_kernel_package(name), "{name}");
        }
    }
}

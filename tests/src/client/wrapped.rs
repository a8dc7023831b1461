// SPDX-License-Identifier: GPL-2.0-or-later
//! Packages around real modules, of two builds of a kernel under one release.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use btf_guard_core::kernel::image;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::{Extracted, Package, kernels};

/// Modules of a kernel package. What a distribution ships has thousands.
const MODULES: usize = 20;

/// Modules of a module package. All of the one build are refused by the other.
pub const KMP: [&str; 4] = ["nf_conntrack", "xfs", "vfat", "wireguard"];

/// Which of the two builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Build {
    /// The older one, packaged as if it had the newer one's release.
    Old,
    /// The newer one.
    New,
}

impl Build {
    fn kernel(self) -> &'static Extracted {
        match self {
            Self::Old => &PAIR.0,
            Self::New => &PAIR.1,
        }
    }
}

/// Debian 12's own kernel in the cloud flavour, which every `make test` has.
static PAIR: LazyLock<(Extracted, Extracted)> = LazyLock::new(|| {
    let cloud =
        |kernel: &Extracted| kernel.name.starts_with("image-6.1.") && kernel.name.contains("cloud");
    let mut pair = Extracted::all(&kernels()).into_iter().filter(cloud);
    let (Some(old), Some(new)) = (pair.next(), pair.next()) else {
        panic!("no two builds of 6.1; run `make test`");
    };
    (old, new)
});

/// The release of both builds' packages.
pub fn release() -> &'static str {
    &PAIR.1.release
}

/// A kernel package: image, configuration, some modules.
///
/// 6.1 of Debian permits mismatches; its configuration is changed to that of a
/// kernel that does not.
pub fn kernel(name: &str, version: &str, build: Build) -> Package {
    let kernel = build.kernel();
    let tree = format!("/usr/lib/modules/{}", release());
    let image = renamed(&fs::read(&kernel.image).unwrap(), &kernel.release);
    let mut package = Package::new(name)
        .version(version)
        .file(format!("{tree}/vmlinuz"), image)
        .file(format!("{tree}/config"), enforcing(kernel));
    let step = kernel.modules.len() / MODULES;
    for module in kernel.modules.iter().step_by(step) {
        let file = module.file_name().unwrap().to_str().unwrap();
        package = package.copy(format!("{tree}/kernel/{file}"), module);
    }
    package
}

/// A package of modules from outside the kernel's own.
pub fn kmp(name: &str, version: &str, build: Build) -> Package {
    kmp_in("extra", name, version, build)
}

/// The same in another directory of the module tree.
pub fn kmp_in(directory: &str, name: &str, version: &str, build: Build) -> Package {
    kmp_for(release(), directory, name, version, build)
}

/// The same for another release.
pub fn kmp_for(release: &str, directory: &str, name: &str, version: &str, build: Build) -> Package {
    let mut package = Package::new(name).version(version);
    for name in KMP {
        let module = &module(build, name);
        let file = module.file_name().unwrap().to_str().unwrap();
        let tree = format!("/usr/lib/modules/{release}/{directory}");
        package = package.copy(format!("{tree}/{file}"), module);
    }
    package
}

/// What a running kernel would show of itself: its types as
/// `/sys/kernel/btf/vmlinux`, its configuration as `/proc/config.gz`.
pub(crate) fn shown(build: Build) -> (Vec<u8>, Vec<u8>) {
    let kernel = build.kernel();
    let types = image::open(&kernel.image).unwrap().base_btf;
    let mut config = GzEncoder::new(Vec::new(), Compression::fast());
    config.write_all(enforcing(kernel).as_bytes()).unwrap();
    (types, config.finish().unwrap())
}

/// A module of a build, by its name.
pub fn module(build: Build, name: &str) -> PathBuf {
    let modules = build.kernel().modules.iter();
    let mut with_name = modules.filter(|path| {
        path.file_stem()
            .is_some_and(|stem| Path::new(stem).with_extension("") == Path::new(name))
    });
    let module = with_name.next();
    module.unwrap_or_else(|| panic!("no module {name}")).clone()
}

/// A bzImage whose version string names the common release, which has the length
/// of its own. The kernel in it, which is compressed, stays what it is.
fn renamed(image: &[u8], from: &str) -> Vec<u8> {
    assert_eq!(from.len(), release().len());
    let mut image = image.to_vec();
    let at = 0x200 + usize::from(u16::from_le_bytes([image[0x20e], image[0x20f]]));
    assert_eq!(&image[at..at + from.len()], from.as_bytes());
    image[at..at + from.len()].copy_from_slice(release().as_bytes());
    image
}

fn enforcing(kernel: &Extracted) -> String {
    let config = kernel
        .image
        .with_file_name(format!("config-{}", kernel.release));
    let config = fs::read_to_string(config).unwrap();
    let permits = "CONFIG_MODULE_ALLOW_BTF_MISMATCH=y";
    assert!(
        config.contains(permits),
        "{} enforces by itself",
        kernel.name
    );
    config.replace(permits, "# CONFIG_MODULE_ALLOW_BTF_MISMATCH is not set")
}

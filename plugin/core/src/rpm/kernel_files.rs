// SPDX-License-Identifier: GPL-2.0-or-later
//! The files of a package that matter to a kernel.

use std::collections::BTreeSet;
use std::path::PathBuf;

use btf_guard_sysroot::file_role::Role;

use super::package::Package;

/// The modules, kernel images and configs of a package: each of its paths is
/// classified here, once.
#[derive(Debug, Default)]
pub struct KernelFiles {
    /// The modules that the payload has.
    pub(crate) modules: Vec<PackagedModule>,
    /// The images that are to be read: those under the usual names; of a release that
    /// has none of them, those under others.
    pub(crate) images: Vec<PackagedImage>,
    /// Images that are not in the payload (`%ghost`, a link), or not to be read.
    pub(crate) other_images: Vec<PackagedImage>,
    /// The configs that the payload has: their releases and paths.
    pub(crate) configs: Vec<PackagedImage>,
}

/// A module in a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PackagedModule {
    pub(crate) path: PathBuf,
    /// The release in whose module directory that is.
    pub(crate) release: String,
    /// The path below that directory.
    pub(crate) below: PathBuf,
}

/// A kernel image in a package, or another file of which there is one a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PackagedImage {
    pub(crate) path: PathBuf,
    pub(crate) release: String,
}

impl KernelFiles {
    /// Sorts out a package's files.
    pub fn of(package: &Package) -> Self {
        let mut this = Self::default();
        let mut second_choice = Vec::new();
        for file in package.files() {
            let Some(role) = Role::of(&file.path) else {
                continue;
            };
            let (path, release) = (file.path.clone(), role.release().to_owned());
            let image = PackagedImage { path, release };
            match role {
                Role::Module { below, .. } if file.has_content() => {
                    this.modules.push(PackagedModule {
                        path: image.path,
                        release: image.release,
                        below: below.to_owned(),
                    });
                }
                Role::Image { .. } if file.has_content() => this.images.push(image),
                Role::OtherImage { .. } if file.has_content() => second_choice.push(image),
                Role::Image { .. } | Role::OtherImage { .. } => this.other_images.push(image),
                Role::Config { .. } if file.has_content() => this.configs.push(image),
                Role::Module { .. } | Role::Config { .. } => {}
            }
        }
        let usual = this.images.iter().map(|image| image.release.clone());
        let usual: BTreeSet<String> = usual.collect();
        for image in second_choice {
            match usual.contains(&image.release) {
                true => this.other_images.push(image),
                false => this.images.push(image),
            }
        }
        this
    }

    /// It has an image of the release, in whatever form.
    pub fn has_image_of(&self, release: &str) -> bool {
        let mut images = self.images.iter().chain(&self.other_images);
        images.any(|image| image.release == release)
    }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! The files of a package that matter to a kernel.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use btf_guard_sysroot::file_role::{Role, in_module_dir, is_module_name};

use super::package::{Package, PackagedFile};

/// The modules, kernel images and configs of a package: each of its paths is
/// classified here, once.
#[derive(Debug, Default)]
pub struct KernelFiles {
    /// The modules that the payload has.
    pub(crate) modules: Vec<PackagedModule>,
    /// Symbolic links into which modules may be, or to them.
    pub(crate) links: Vec<PackagedLink>,
    /// The images that are to be read: those under the usual names; of a release that
    /// has none of them, those under others.
    pub(crate) images: Vec<PackagedImage>,
    /// Images that are not in the payload (`%ghost`, a link), or not to be read.
    other_images: Vec<PackagedImage>,
    /// The configs that the payload has: their releases and paths.
    pub(crate) configs: Vec<PackagedImage>,
}

/// A module in a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PackagedModule {
    /// Its path in the package.
    pub(crate) path: PathBuf,
    /// Its path inside the root.
    pub(crate) place: PathBuf,
    /// The module directory that this is in; `None` for a module file elsewhere, which
    /// links may lead to.
    pub(crate) own: Option<ReleasePath>,
}

/// A path in the module directory of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReleasePath {
    pub(crate) release: String,
    /// The path below that directory.
    pub(crate) below: PathBuf,
}

/// A symbolic link in the module directory of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PackagedLink {
    /// Its path inside the root.
    pub(crate) place: PathBuf,
    pub(crate) own: ReleasePath,
}

/// A kernel image in a package, or another file of which there is one a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PackagedImage {
    /// Its path in the package.
    pub(crate) path: PathBuf,
    /// Its path inside the root.
    pub(crate) place: PathBuf,
    pub(crate) release: String,
    /// Its name is one of the usual ones.
    pub(crate) is_usual: bool,
}

impl KernelFiles {
    /// Sorts out a package's files by the paths that it has them under.
    pub fn of(package: &Package) -> Self {
        Self::placed(package, |file| Some(Cow::Borrowed(file.path.as_path())))
    }

    /// Sorts out a package's files by their places inside the root; a file that has
    /// none is not installed.
    pub(crate) fn placed<'p>(
        package: &'p Package,
        place: impl Fn(&'p PackagedFile) -> Option<Cow<'p, Path>>,
    ) -> Self {
        let mut this = Self::default();
        let mut second_choice = Vec::new();
        for file in package.files() {
            let Some(place) = place(file) else { continue };
            let role = Role::of(&place);
            let has_content = file.has_content();
            if let Some(Role::Module { release, below }) = role
                && has_content
            {
                this.modules.push(PackagedModule {
                    path: file.path.clone(),
                    own: Some(ReleasePath {
                        release: release.to_owned(),
                        below: below.to_owned(),
                    }),
                    place: place.into_owned(),
                });
                continue;
            }
            if file.target.is_some()
                && let Some((release, below)) = in_module_dir(&place)
            {
                this.links.push(PackagedLink {
                    own: ReleasePath {
                        release: release.to_owned(),
                        below: below.to_owned(),
                    },
                    place: place.clone().into_owned(),
                });
            }
            let Some(role) = role else {
                if has_content && place.file_name().is_some_and(is_module_name) {
                    this.modules.push(PackagedModule {
                        path: file.path.clone(),
                        place: place.into_owned(),
                        own: None,
                    });
                }
                continue;
            };
            let image = PackagedImage {
                path: file.path.clone(),
                place: place.clone().into_owned(),
                release: role.release().to_owned(),
                is_usual: matches!(role, Role::Image { .. }),
            };
            match role {
                Role::Image { .. } if has_content => this.images.push(image),
                Role::OtherImage { .. } if has_content => second_choice.push(image),
                Role::Image { .. } | Role::OtherImage { .. } => this.other_images.push(image),
                Role::Config { .. } if has_content => this.configs.push(image),
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

// SPDX-License-Identifier: GPL-2.0-or-later
//! The package that a root's own kernel might have come in, to be installed once more.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use btf_guard_protocol::plan::{Action, Element};
use rpm::{BuildConfig, CompressionType, FileOptions, PackageBuilder};
use walkdir::WalkDir;

use crate::laid_out::LaidOutRoot;

/// The descriptor under which the judge finds it.
const DESCRIPTOR: i32 = 9;

/// A package of the modules in a release's tree and of its own image, as they are.
pub(crate) struct Reinstalled {
    pub(crate) file: PathBuf,
    /// What the transaction does: the package goes and comes.
    pub(crate) elements: Vec<Element>,
}

impl Reinstalled {
    /// Builds it in `dir`; `None` where the root has no module and no image.
    pub(crate) fn build(root: &LaidOutRoot, dir: &Path) -> Option<Self> {
        let top = root.files.at("");
        let tree = root.files.at(&root.tree(""));
        let mut files: Vec<PathBuf> = WalkDir::new(tree)
            .into_iter()
            .flatten()
            .filter(|entry| entry.file_type().is_file())
            .map(|entry| entry.into_path())
            .filter(|path| path.extension().is_some_and(|end| end == "ko"))
            .collect();
        let image = root.files.at(&root.own_image());
        files.extend(image.is_file().then_some(image));
        files.sort();
        if files.is_empty() {
            return None;
        }
        let mut builder = PackageBuilder::new("own", "1", "GPL-2.0-only", "noarch", "own");
        builder.using_config(BuildConfig::v4().compression(CompressionType::None));
        let mut paths = Vec::new();
        for file in files {
            let path = Path::new("/").join(file.strip_prefix(&top).unwrap());
            let options = FileOptions::new(path.to_str().unwrap());
            builder
                .with_file_contents(fs::read(&file).unwrap(), options)
                .unwrap();
            paths.push(path);
        }
        let file = dir.join("own.rpm");
        let package = builder.build().unwrap();
        package.write(&mut File::create(&file).unwrap()).unwrap();
        let element = |action, file| Element {
            nevra: "own-1-1.noarch".to_owned(),
            action,
            file,
            paths: paths.clone(),
            moved: Vec::new(),
        };
        let elements = vec![
            element(Action::Install, Some(DESCRIPTOR)),
            element(Action::Erase, None),
        ];
        Some(Self { file, elements })
    }
}

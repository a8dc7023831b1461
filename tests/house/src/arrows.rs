// SPDX-License-Identifier: GPL-2.0-or-later
//! Which module uses which, inside one crate.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::modules::{Module, ModulePath, Sources, modules};

/// One module names another, or something in it.
#[derive(Debug, Clone)]
pub struct Arrow {
    /// The module that names.
    pub from: ModulePath,
    /// The module that is named.
    pub to: ModulePath,
    /// The file and line where it does.
    pub at: (PathBuf, usize),
    /// The file of the module that is named.
    pub target: PathBuf,
    /// The file that the name really is from, where that module only imports it.
    pub source: Option<PathBuf>,
}

impl fmt::Display for Arrow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (file, line) = &self.at;
        let target = self.target.display();
        write!(f, "{}:{line} uses {target}", file.display())?;
        match &self.source {
            Some(source) => write!(f, " for what is in {}", source.display()),
            None => Ok(()),
        }
    }
}

/// The arrows between files of the crate whose root is `root`.
///
/// # Errors
/// A file is missing among `sources`, or is no Rust.
pub fn arrows(sources: &Sources, root: &Path) -> Result<Vec<Arrow>, String> {
    let modules = modules(sources, root)?;
    let mut arrows = Vec::new();
    for (from, module) in &modules {
        for reference in &module.references {
            let Some(path) = absolute(&modules, from, &reference.path, 0) else {
                continue;
            };
            let (to, target) = owner(&modules, &path);
            if target != module.file {
                arrows.push(Arrow {
                    source: source(&modules, &to, &path).filter(|file| *file != target),
                    from: from.clone(),
                    to,
                    at: (module.file.clone(), reference.line),
                    target,
                });
            }
        }
    }
    Ok(arrows)
}

/// The path from the crate's root, if it is one into this crate.
fn absolute(
    modules: &BTreeMap<ModulePath, Module>,
    from: &ModulePath,
    path: &[String],
    depth: usize,
) -> Option<Vec<String>> {
    let (first, rest) = path.split_first()?;
    let module = modules.get(from)?;
    match first.as_str() {
        "crate" => Some(rest.to_vec()),
        "self" | "super" => {
            let mut base = from.clone();
            let mut rest = path;
            while let Some((first, behind)) = rest.split_first() {
                match first.as_str() {
                    "self" => {}
                    "super" => drop(base.pop()?),
                    _ => break,
                }
                rest = behind;
            }
            Some([base, rest.to_vec()].concat())
        }
        _ => {
            let child = [from.as_slice(), std::slice::from_ref(first)].concat();
            if modules.contains_key(&child) {
                return Some([child, rest.to_vec()].concat());
            }
            // An import of a name that another import brings; it ends, since rustc
            // has compiled it.
            let named = module.names.get(first).filter(|named| *named != path)?;
            let base = (depth < 8).then(|| absolute(modules, from, named, depth + 1))??;
            Some([base, rest.to_vec()].concat())
        }
    }
}

/// The file that a path of a module really leads into, through its imports.
fn source(
    modules: &BTreeMap<ModulePath, Module>,
    module: &ModulePath,
    path: &[String],
) -> Option<PathBuf> {
    let name = path.get(module.len())?;
    let import = modules.get(module)?.names.get(name)?;
    let path = absolute(modules, module, import, 0)?;
    let (next, file) = owner(modules, &path);
    match next == *module {
        true => None,
        false => source(modules, &next, &path).or(Some(file)),
    }
}

/// The module that a path leads into, and its file.
fn owner(modules: &BTreeMap<ModulePath, Module>, path: &[String]) -> (ModulePath, PathBuf) {
    (0..=path.len())
        .rev()
        .filter_map(|length| path.get(..length))
        .find_map(|path| Some((path.to_vec(), modules.get(path)?.file.clone())))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_only_handed_on_is_told_with_its_source() {
        let sources: Sources = [
            ("lib.rs", "mod a; mod b;\npub use a::c::C as D;"),
            ("a/mod.rs", "pub mod c;"),
            ("a/c.rs", "pub use d::C;\nmod d;"),
            ("a/c/d.rs", ""),
            ("b.rs", "use crate::D;"),
        ]
        .map(|(file, source)| (PathBuf::from(file), source.to_owned()))
        .into();
        let arrows = arrows(&sources, Path::new("lib.rs")).unwrap();
        let lines: Vec<_> = arrows.iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            [
                "lib.rs:2 uses a/c.rs for what is in a/c/d.rs",
                "a/c.rs:1 uses a/c/d.rs",
                "b.rs:1 uses lib.rs for what is in a/c/d.rs",
            ]
        );
    }
}

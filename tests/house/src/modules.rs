// SPDX-License-Identifier: GPL-2.0-or-later
//! The modules of one crate: which file each lies in, and which paths it names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::tokens::{Token, behind_group, is_at, is_word, text, tokens};

/// The sources that are looked at, by path.
pub type Sources = BTreeMap<PathBuf, String>;

/// A module's place in its crate: `["report", "format"]`; empty for the root.
pub type ModulePath = Vec<String>;

/// A path as a module names it, as written: `["super", "words", "shown"]`.
#[derive(Debug, Clone)]
pub struct Reference {
    /// Its parts.
    pub path: Vec<String>,
    /// The line it begins in.
    pub line: usize,
}

/// One module, whether it is a file or stands inside one.
#[derive(Debug, Default)]
pub struct Module {
    /// The file it stands in.
    pub file: PathBuf,
    /// Every path that it names.
    pub references: Vec<Reference>,
    /// What its imports call by which name.
    pub names: BTreeMap<String, Vec<String>>,
}

/// The modules of the crate whose root is `root`, without those for tests.
///
/// # Errors
/// A file is missing among `sources`, or is no Rust.
pub fn modules(sources: &Sources, root: &Path) -> Result<BTreeMap<ModulePath, Module>, String> {
    let mut found = BTreeMap::new();
    let mut open = vec![(Vec::new(), root.to_owned())];
    while let Some((path, file)) = open.pop() {
        let source = sources
            .get(&file)
            .ok_or_else(|| format!("{}: not found", file.display()))?;
        let tokens = tokens(source).map_err(|error| format!("{}: {error}", file.display()))?;
        let mut files = Vec::new();
        read(&tokens, &path, &file, &mut found, &mut files);
        for child in files {
            let below = directory_of(&file, root)
                .join(child.get(path.len()..).unwrap_or_default().join("/"));
            let file = [below.with_extension("rs"), below.join("mod.rs")]
                .into_iter()
                .find(|file| sources.contains_key(file))
                .ok_or_else(|| {
                    format!("{}: no file for mod {}", file.display(), child.join("::"))
                })?;
            open.push((child, file));
        }
    }
    Ok(found)
}

/// Where a file's child modules lie.
fn directory_of(file: &Path, root: &Path) -> PathBuf {
    let directory = file.parent().unwrap_or(Path::new(""));
    match file.file_stem() {
        Some(stem) if file != root && stem != "mod" => directory.join(stem),
        _ => directory.to_owned(),
    }
}

/// Reads one module's tokens into `found`, and the modules inside them; `files` gets
/// those that are files of their own.
fn read(
    tokens: &[Token],
    path: &ModulePath,
    file: &Path,
    found: &mut BTreeMap<ModulePath, Module>,
    files: &mut Vec<ModulePath>,
) {
    let mut module = Module {
        file: file.to_owned(),
        ..Module::default()
    };
    let mut at = 0;
    while at < tokens.len() {
        let line = tokens.get(at).map_or(0, |token| token.line);
        if is_at(tokens, at, &["pub", "("]) && is_at(tokens, at + 2, &["in"]) {
            at = behind_group(tokens, at + 1);
        } else if text(tokens, at) == "mod" && is_word(tokens, at + 1) {
            let child = [path.as_slice(), &[text(tokens, at + 1).to_owned()]].concat();
            if text(tokens, at + 2) == "{" {
                let end = behind_group(tokens, at + 2);
                let inside = tokens
                    .get(at + 3..end.saturating_sub(1))
                    .unwrap_or_default();
                read(inside, &child, file, found, files);
                at = end;
            } else {
                files.push(child);
                at += 2;
            }
        } else if text(tokens, at) == "use" && text(tokens, at + 1) != "<" {
            at += 1;
            imports(tokens, &mut at, &[], line, &mut module);
        } else if begins_path(tokens, at) {
            let mut parts = vec![text(tokens, at).to_owned()];
            at += 1;
            while is_at(tokens, at, &[":", ":"]) && is_word(tokens, at + 2) {
                parts.push(text(tokens, at + 2).to_owned());
                at += 3;
            }
            module.references.push(Reference { path: parts, line });
        } else {
            at += 1;
        }
    }
    found.insert(path.clone(), module);
}

/// Whether a path of more than one part begins at `at`.
fn begins_path(tokens: &[Token], at: usize) -> bool {
    let before = |distance: usize| at.checked_sub(distance).map_or("", |at| text(tokens, at));
    is_word(tokens, at)
        && is_at(tokens, at + 1, &[":", ":"])
        && !(before(1) == ":" && before(2) == ":")
        && before(1) != "."
}

/// Reads what follows `use`, from `at` on, as far as it belongs to one branch.
fn imports(tokens: &[Token], at: &mut usize, above: &[String], line: usize, module: &mut Module) {
    let mut path = above.to_vec();
    loop {
        match text(tokens, *at) {
            // The `::` in front of a crate's name, and the `$` of `$crate`.
            ":" | "$" => *at += 1,
            "{" => {
                let end = behind_group(tokens, *at);
                *at += 1;
                while *at + 1 < end {
                    imports(tokens, at, &path, line, module);
                    *at += 1; // the comma
                }
                *at = end;
                return;
            }
            "*" => {
                *at += 1;
                module.references.push(Reference { path, line });
                return;
            }
            _ if is_word(tokens, *at) => {
                let line = tokens.get(*at).map_or(line, |token| token.line);
                let part = text(tokens, *at).to_owned();
                // `{self, …}` is what is above itself.
                if part != "self" || path.is_empty() {
                    path.push(part);
                }
                *at += 1;
                if is_at(tokens, *at, &[":", ":"]) {
                    *at += 2;
                    continue;
                }
                let mut name = path.last().cloned().unwrap_or_default();
                if text(tokens, *at) == "as" {
                    name = text(tokens, *at + 1).to_owned();
                    *at += 2;
                }
                module.names.insert(name, path.clone());
                module.references.push(Reference { path, line });
                return;
            }
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn references(source: &str) -> Vec<String> {
        let sources = Sources::from([(PathBuf::from("lib.rs"), source.to_owned())]);
        let found = modules(&sources, Path::new("lib.rs")).unwrap();
        let all = &found.get(&Vec::new()).unwrap().references;
        all.iter().map(|each| each.path.join("::")).collect()
    }

    #[test]
    fn imports_are_taken_apart() {
        assert_eq!(
            references("use a::{self, b::{C, D as E}, f::*}; pub(crate) use ::g; use h as i;"),
            ["a", "a::b::C", "a::b::D", "a::f", "g", "h"]
        );
    }

    #[test]
    fn paths_are_found_wherever_they_stand() {
        assert_eq!(
            references(
                "pub(in crate::x) fn a(b: &crate::c::D) { e!(\"{}\", super::f::<G>()); h.i::<u8>(); }"
            ),
            ["crate::c::D", "super::f"]
        );
    }

    #[test]
    fn files_are_found_where_rustc_looks() {
        let sources: Sources = [
            ("src/lib.rs", "mod a; mod b; mod c { mod d; }"),
            ("src/a.rs", "mod e;"),
            ("src/a/e.rs", ""),
            ("src/b/mod.rs", "mod f; #[cfg(test)] mod tests;"),
            ("src/b/f.rs", ""),
            ("src/c/d.rs", ""),
        ]
        .map(|(file, source)| (PathBuf::from(file), source.to_owned()))
        .into();
        let found = modules(&sources, Path::new("src/lib.rs")).unwrap();
        let files: Vec<_> = found
            .iter()
            .map(|(path, module)| format!("{}={}", path.join("::"), module.file.display()))
            .collect();
        assert_eq!(
            files,
            [
                "=src/lib.rs",
                "a=src/a.rs",
                "a::e=src/a/e.rs",
                "b=src/b/mod.rs",
                "b::f=src/b/f.rs",
                "c=src/lib.rs",
                "c::d=src/c/d.rs"
            ]
        );
        let gone = modules(&sources, Path::new("src/main.rs")).unwrap_err();
        assert_eq!(gone, "src/main.rs: not found");
    }
}

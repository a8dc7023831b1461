//! Module files below a directory.

mod listing;

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::slice;

use walkdir::WalkDir;

use super::is_module_name;
use super::roots::Root;
use listing::{Entry, Kind, Listing};

/// A module file that was found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// The path it was found under, links not followed: what a report shows.
    pub path: PathBuf,
    /// The file it leads to.
    pub file: PathBuf,
}

/// What lies below a directory.
#[derive(Debug, Default)]
pub struct Tree {
    /// The module files, sorted by path; a file is named once, by the first path.
    pub modules: Vec<Found>,
    /// What could not be read, and why.
    pub unreadable: Vec<(PathBuf, String)>,
}

/// A module file, and when it was last changed, in seconds since 1970: where that
/// was asked, and the file lies there itself.
pub type Seen = (Found, Option<i64>);

/// Collects the module files below `dir`.
///
/// Symbolic links are followed as far as they stay inside `root` (or inside
/// `dir`, where `dir` is not in `root`); a link that leads nowhere is not a
/// module. `build` and `source` right below `dir` are links that every module
/// directory has to whole source trees: they are not entered.
pub fn walk(dir: &Path, root: &Root) -> Tree {
    let (mut tree, seen) = look(dir, root, false);
    tree.modules = seen.into_iter().map(|(found, _)| found).collect();
    tree
}

/// The same modules, with the times of their last changes.
pub fn walk_with_times(dir: &Path, root: &Root) -> Vec<Seen> {
    look(dir, root, true).1
}

fn look(dir: &Path, root: &Root, times: bool) -> (Tree, Vec<Seen>) {
    let mut tree = Tree::default();
    let dir = match std::fs::canonicalize(dir) {
        Ok(real) => Place {
            shown: dir.to_owned(),
            real,
        },
        Err(error) => {
            tree.unreadable.push((dir.to_owned(), error.to_string()));
            return (tree, Vec::new());
        }
    };
    let boundary = if root.inside(&dir.real).is_some() {
        root.clone()
    } else {
        match Root::new(&dir.real) {
            Ok(root) => root,
            Err(error) => {
                tree.unreadable.push((dir.shown, error.to_string()));
                return (tree, Vec::new());
            }
        }
    };
    let (mut found, mut linked) = (Vec::new(), BTreeMap::new());
    let mut entered = HashSet::from([dir.real.clone()]);
    let mut ahead = vec![dir.clone()];
    while let Some(place) = ahead.pop() {
        let top = place.real == dir.real;
        let links = walk_without_links(&place, top, times, &mut found, &mut entered, &mut tree);
        for link in links {
            let Some(inside) = boundary.inside(&link.real) else {
                continue;
            };
            let Ok(real) = boundary.resolve(&inside) else {
                continue;
            };
            if real.is_dir() {
                if entered.insert(real.clone()) {
                    ahead.push(Place {
                        shown: link.shown,
                        real,
                    });
                }
            } else if real.is_file() && link.shown.file_name().is_some_and(is_module_name) {
                offer(&mut linked, link.shown, real);
            }
        }
    }
    for (module, _) in &mut found {
        if let Some(link) = linked.remove(&module.file)
            && link < module.path
        {
            module.path = link;
        }
    }
    let others = linked.into_iter();
    found.extend(others.map(|(file, path)| (Found { path, file }, None)));
    // Mostly they are sorted already.
    found.sort();
    (tree, found)
}

/// The links below `dir`, which need not exist, that are called like modules and
/// lead to a file inside `root`.
pub fn links(dir: &Path, root: &Root) -> Vec<Found> {
    let walk = WalkDir::new(dir).into_iter().filter_map(Result::ok);
    let links = walk.filter(|e| e.path_is_symlink() && is_module_name(e.file_name()));
    links
        .filter_map(|entry| {
            let path = entry.into_path();
            let file = root.resolve(&root.inside(&path)?).ok()?;
            Some(Found { path, file })
        })
        .collect()
}

/// A file or directory under the path that led to it.
#[derive(Debug, Clone)]
struct Place {
    shown: PathBuf,
    real: PathBuf,
}

/// Takes a module file; under several paths, the first in order names it.
fn offer(found: &mut BTreeMap<PathBuf, PathBuf>, path: PathBuf, file: PathBuf) {
    found
        .entry(file)
        .and_modify(|known| {
            if path < *known {
                known.clone_from(&path);
            }
        })
        .or_insert(path);
}

/// Walks one directory, takes the module files, each of which is met once, and
/// returns the links.
fn walk_without_links(
    place: &Place,
    top: bool,
    times: bool,
    found: &mut Vec<Seen>,
    entered: &mut HashSet<PathBuf>,
    tree: &mut Tree,
) -> Vec<Place> {
    let mut links = Vec::new();
    let sources = |name: &OsStr| top && (name == "build" || name == "source");
    let listings = listing::list(
        &place.real,
        |name| times && is_module_name(name),
        |name| !sources(name),
    );
    let is_itself = place.shown.as_os_str() == place.real.as_os_str();
    let shown = |real: &Path| match real.strip_prefix(&place.real).ok() {
        Some(below) if !below.as_os_str().is_empty() => place.shown.join(below),
        Some(_) => place.shown.clone(),
        None => real.to_owned(),
    };
    // Mostly it is itself: to part thousands of paths takes milliseconds.
    let shown = |real: &Path| match is_itself {
        true => real.to_owned(),
        false => shown(real),
    };
    // Of each directory on the way, what is left of it: so the paths come sorted.
    let mut way = Vec::new();
    enter(&listings, 0, &mut way, tree);
    while let Some((directory, rest)) = way.last_mut() {
        let (Some(entry), directory) = (rest.next(), *directory) else {
            way.pop();
            continue;
        };
        let real = || directory.join(&entry.name);
        match entry.kind {
            Kind::Link if !(directory == place.real && sources(&entry.name)) => {
                let real = real();
                let shown = shown(&real);
                links.push(Place { shown, real });
            }
            Kind::Directory(at) if entered.insert(real()) => {
                enter(&listings, at, &mut way, tree);
            }
            Kind::File if is_module_name(&entry.name) => {
                let file = real();
                let path = shown(&file);
                let found_there = Found { path, file };
                found.push((found_there, entry.changed));
            }
            _ => {}
        }
    }
    links
}

/// Goes into a directory of the list, or notes why it cannot be read.
fn enter<'l>(
    listings: &'l [Listing],
    at: usize,
    way: &mut Vec<(&'l Path, slice::Iter<'l, Entry>)>,
    tree: &mut Tree,
) {
    match listings.get(at) {
        Some(Listing {
            path,
            entries: Ok(entries),
        }) => way.push((path, entries.iter())),
        Some(Listing {
            path,
            entries: Err(error),
        }) => tree.unreadable.push((path.clone(), error.to_string())),
        None => {}
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn touch(path: PathBuf) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x").unwrap();
    }

    fn names(tree: &Tree, dir: &Path) -> Vec<String> {
        tree.modules
            .iter()
            .map(|m| m.path.strip_prefix(dir).unwrap().display().to_string())
            .collect()
    }

    #[test]
    fn links_inside_are_followed_and_others_are_not() {
        let outer = tempfile::tempdir().unwrap();
        touch(outer.path().join("outside/evil.ko"));
        let base = outer.path().join("root");
        let dir = base.join("lib/modules/6.1");
        touch(dir.join("kernel/b.ko.xz"));
        touch(dir.join("kernel/a.ko"));
        touch(dir.join("kernel/a.txt"));
        touch(dir.join("build/scripts/host.ko"));
        touch(base.join("lib/modules/6.0/extra/kmp.ko.zst"));
        touch(base.join("srv/more/c.ko"));
        fs::create_dir(dir.join("weak-updates")).unwrap();
        symlink(
            "/lib/modules/6.0/extra/kmp.ko.zst",
            dir.join("weak-updates/kmp.ko.zst"),
        )
        .unwrap();
        symlink("/srv/more", dir.join("more")).unwrap();
        symlink("../../../srv", dir.join("source")).unwrap();
        symlink(".", dir.join("kernel/loop")).unwrap();
        symlink("/nowhere.ko", dir.join("dangling.ko")).unwrap();
        symlink(outer.path().join("outside"), dir.join("absolute")).unwrap();
        symlink("../../../../outside/evil.ko", dir.join("evil.ko")).unwrap();

        let root = Root::new(&base).unwrap();
        let tree = walk(&dir, &root);
        assert_eq!(tree.unreadable, []);
        assert_eq!(
            names(&tree, &dir),
            [
                "kernel/a.ko",
                "kernel/b.ko.xz",
                "more/c.ko",
                "weak-updates/kmp.ko.zst"
            ]
        );
    }

    #[test]
    fn a_directory_that_is_not_in_the_root_is_its_own_boundary() {
        let outer = tempfile::tempdir().unwrap();
        fs::create_dir(outer.path().join("root")).unwrap();
        touch(outer.path().join("x.ko"));
        touch(outer.path().join("dir/y.ko"));
        symlink("../x.ko", outer.path().join("dir/x.ko")).unwrap();
        symlink("y.ko", outer.path().join("dir/0.ko")).unwrap();

        let root = Root::new(&outer.path().join("root")).unwrap();
        let dir = outer.path().join("dir");
        assert_eq!(names(&walk(&dir, &root), &dir), ["0.ko"]);
    }

    #[test]
    fn what_is_not_there_is_said() {
        let root = Root::new(Path::new("/")).unwrap();
        let tree = walk(Path::new("/no/such/directory"), &root);
        assert_eq!(tree.modules, []);
        assert_eq!(tree.unreadable.len(), 1);
    }
}

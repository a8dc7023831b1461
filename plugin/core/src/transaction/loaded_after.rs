// SPDX-License-Identifier: GPL-2.0-or-later
//! Which file of each name a release loads when a transaction is done. `modules.dep` does
//! not tell: depmod is run in between.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use btf_guard_sysroot::file_role::is_module_name;
use btf_guard_sysroot::module_tree::ModuleFile;

use super::changes::Transaction;
use super::fs_view::FsView;
use super::weak_updates::ModuleLinks;
use crate::depmod::{NamedFile, SearchOrder, by_name};
use crate::module::name_of_file;

/// The modules that a release loads when a transaction is done: all, or those of the names
/// that it touches.
#[derive(Debug, Default)]
pub(crate) struct LoadedAfter {
    /// The paths, below the module directory, of the files that can be loaded: of each
    /// name mostly one.
    by_name: BTreeMap<String, BTreeSet<PathBuf>>,
    /// Those of them that are on the disk and stay.
    pub(crate) staying: Vec<StayingModule>,
    /// Every file that comes counts, whatever has its name.
    judges_all: bool,
}

/// A module on the disk that a transaction leaves as it is, and that is loaded then.
#[derive(Debug)]
pub(crate) struct StayingModule {
    pub(crate) below: PathBuf,
    pub(crate) file: ModuleFile,
    /// So it was before.
    pub(crate) was_loaded: bool,
}

/// A file that may have a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Candidate<'a> {
    OnDisk(&'a ModuleFile),
    /// It comes, under this path inside the root.
    Coming(&'a Path),
}

impl<'a> Candidate<'a> {
    fn file(self) -> &'a Path {
        match self {
            Self::OnDisk(found) => &found.file,
            Self::Coming(path) => path,
        }
    }
}

/// What comes to each release: the paths below its module directory, and the files.
type ComingFiles<'a> = BTreeMap<&'a str, BTreeMap<&'a Path, Candidate<'a>>>;

/// What each release loads of which a transaction changes modules: of those that get another
/// kernel, and of the one asked for, all.
pub(crate) fn loaded_after(
    view: &FsView<'_>,
    links: &ModuleLinks,
    asked: Option<&str>,
) -> BTreeMap<String, LoadedAfter> {
    let mut releases = view.releases_losing_links();
    releases.extend(view.transaction.releases.keys().cloned());
    releases.extend(links.coming.iter().map(|link| link.release.clone()));
    let coming = coming_files(view.transaction, links);
    let none = BTreeMap::new();
    // Every link of every package is followed for it.
    let changes_order = view.transaction.changes_order();
    let after = |release: String| {
        let change = view.transaction.releases.get(&release);
        let is_whole = asked == Some(&release)
            || changes_order
            || change.is_some_and(|change| !change.new_images.is_empty());
        let coming = coming.get(release.as_str()).unwrap_or(&none);
        let mut after = LoadedAfter {
            judges_all: changes_order,
            ..LoadedAfter::default()
        };
        after.find(view, &release, coming, is_whole);
        (release, after)
    };
    releases.into_iter().map(after).collect()
}

fn coming_files<'a>(transaction: &'a Transaction, links: &'a ModuleLinks) -> ComingFiles<'a> {
    let mut files = ComingFiles::new();
    for (release, change) in &transaction.releases {
        let modules = change.installed.iter();
        let modules = modules.filter(|below| below.file_name().is_some_and(is_module_name));
        let modules = modules.map(|below| (below.as_path(), Candidate::Coming(below)));
        files.entry(release).or_default().extend(modules);
    }
    // Of packages that can be read it is known what is behind a path: for depmod, a link
    // that leads nowhere is no file.
    let packages = transaction.packages.iter();
    for packaged in packages.map(|incoming| &incoming.files) {
        for link in &packaged.links {
            if let Some(files) = files.get_mut(link.own.release.as_str()) {
                files.remove(link.own.below.as_path());
            }
        }
        for module in &packaged.modules {
            if let Some(own) = &module.own {
                let files = files.entry(&own.release).or_default();
                files.insert(&own.below, Candidate::Coming(&module.place));
            }
        }
    }
    for link in &links.coming {
        let files = files.entry(&link.release).or_default();
        files.insert(&link.below, Candidate::Coming(&link.path));
    }
    for link in &links.staying {
        let files = files.entry(&link.release).or_default();
        files.insert(&link.below, Candidate::OnDisk(&link.file));
    }
    files
}

impl LoadedAfter {
    fn find(
        &mut self,
        view: &FsView<'_>,
        release: &str,
        coming: &BTreeMap<&Path, Candidate<'_>>,
        is_whole: bool,
    ) {
        let tree = view.tree(release);
        let read;
        let order = match &tree {
            Some(modules) => &modules.order,
            None => {
                read = SearchOrder::read(view.root, release);
                &read
            }
        };
        let on_disk = tree.iter().flat_map(|modules| modules.all());
        let touches = |file: &NamedFile<'_>| view.touches(release, file);
        let (going, staying): (Vec<_>, Vec<_>) = on_disk.partition(touches);
        let touched = going.iter().map(|(below, _)| below).chain(coming.keys());
        let names: HashSet<String> = touched.map(name_of_file).collect();
        let is_asked = |below: &Path| is_whole || names.contains(&name_of_file(below));

        let staying = staying.into_iter().filter(|(below, _)| is_asked(below));
        let staying = staying.map(|(below, file)| (below, Candidate::OnDisk(file)));
        let all = staying.chain(coming.iter().map(|(below, candidate)| (*below, *candidate)));
        let mut after = by_name(all.filter(|(below, _)| !order.excludes(below)));
        let before = tree
            .as_deref()
            .map(|modules| modules.loaded_where(is_asked));
        let before = before.unwrap_or_default();

        for (name, files) in &mut after {
            let comes = |file: &(&Path, Candidate<'_>)| matches!(file.1, Candidate::Coming(_));
            if !self.judges_all || !files.iter().any(comes) {
                order.keep_highest(files);
            }
            let mut seen = HashSet::new();
            files.retain(|(_, candidate)| seen.insert(candidate.file()));
            let before = before.get(name).map(Vec::as_slice).unwrap_or_default();
            let stays = |found: &ModuleFile| {
                let mut files = files.iter();
                files
                    .any(|(_, after)| matches!(after, Candidate::OnDisk(f) if f.file == found.file))
            };
            // Where it is not known which one it was, it may be another one now.
            let was_loaded = !before.is_empty() && before.iter().all(|(_, file)| stays(file));
            for (below, candidate) in files.iter() {
                if let Candidate::OnDisk(file) = candidate {
                    self.staying.push(StayingModule {
                        below: below.to_path_buf(),
                        file: (*file).clone(),
                        was_loaded,
                    });
                }
            }
        }
        let paths = |files: Vec<(&Path, Candidate<'_>)>| {
            files
                .into_iter()
                .map(|(below, _)| below.to_owned())
                .collect()
        };
        let after = after.into_iter();
        self.by_name = after.map(|(name, files)| (name, paths(files))).collect();
    }

    /// The file at this path can be the one of its name that is loaded.
    pub(crate) fn loads(&self, below: &Path) -> bool {
        let files = self.by_name.get(&name_of_file(below));
        files.is_some_and(|files| files.contains(below))
    }

    /// No file can be loaded.
    pub(crate) fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// A file can be loaded under this name, with `_`.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// The number of files that can be the one of the name of this one.
    pub(crate) fn candidates(&self, below: &Path) -> usize {
        let files = self.by_name.get(&name_of_file(below));
        match self.judges_all {
            true => 1,
            false => files.map_or(0, BTreeSet::len),
        }
    }

    /// A file that stays is loaded from now on, and another one, or none, was before.
    pub(crate) fn has_other_files(&self) -> bool {
        self.staying.iter().any(|module| !module.was_loaded)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use std::fs;
    use std::io::Write;

    use btf_guard_protocol::plan::{Action, Element, Plan};
    use btf_guard_sysroot::Root;
    use rpm::FileOptions;

    use super::*;

    #[test]
    fn links_that_come_rank_as_files_do_and_only_where_they_lead_to_one() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().join("usr/lib/modules/6.1");
        let config = dir.path().join("etc/depmod.d/a.conf");
        for file in ["kernel/disk.ko", "extra/disk.ko", "kernel/more.ko"] {
            fs::create_dir_all(base.join(file).parent().unwrap()).unwrap();
            fs::write(base.join(file), "").unwrap();
        }
        fs::create_dir_all(config.parent().unwrap()).unwrap();
        fs::write(config, "search weak extra built-in\n").unwrap();
        std::os::unix::fs::symlink("usr/lib", dir.path().join("lib")).unwrap();

        let mut builder = rpm::PackageBuilder::new("p", "1", "GPL", "x86_64", "p");
        builder.using_config(rpm::BuildConfig::v4().compression(rpm::CompressionType::None));
        let own = "/lib/modules/6.1";
        for file in ["kernel/new.ko", "extra/new.ko", "kernel/gone.ko"] {
            let options = FileOptions::new(format!("{own}/{file}"));
            builder.with_file_contents("x", options).unwrap();
        }
        for (link, target) in [
            ("weak/new.ko", "../kernel/new.ko"),
            ("weak/disk.ko", "../kernel/disk.ko"),
            ("weak/gone.ko", "nowhere"),
        ] {
            let options = FileOptions::symlink(format!("{own}/{link}"), target);
            builder.with_symlink(options).unwrap();
        }
        let mut package = tempfile::tempfile().unwrap();
        builder.build().unwrap().write(&mut package).unwrap();
        package.flush().unwrap();
        let plan = Plan {
            elements: vec![Element {
                nevra: "p-1-1.x86_64".into(),
                action: Action::Install,
                file: None,
                paths: Vec::new(),
                moved: Vec::new(),
            }],
            ..Plan::new("/".into())
        };
        let root = Root::new(dir.path()).unwrap();
        let transaction = Transaction::read(&plan, [Some(package)], &root);
        let view = FsView::new(&transaction, &root);
        let after = &loaded_after(&view, &view.links(), Some("6.1"))["6.1"];
        for (name, path) in [
            ("new", "weak/new.ko"),
            ("disk", "weak/disk.ko"),
            ("gone", "kernel/gone.ko"),
            ("more", "kernel/more.ko"),
        ] {
            assert_eq!(after.by_name[name], BTreeSet::from([path.into()]), "{name}");
        }
        let staying = after.staying.iter();
        let staying: Vec<_> = staying
            .map(|m| (m.below.to_str().unwrap(), m.was_loaded))
            .collect();
        assert_eq!(staying, [("weak/disk.ko", false), ("kernel/more.ko", true)]);

        let touched = &loaded_after(&view, &view.links(), None)["6.1"];
        let names: Vec<_> = touched.by_name.keys().map(String::as_str).collect();
        assert_eq!(names, ["disk", "gone", "new"]);
        for name in names {
            assert_eq!(touched.by_name[name], after.by_name[name], "{name}");
        }
        let staying: Vec<_> = touched.staying.iter().map(|m| &m.below).collect();
        assert_eq!(staying, [Path::new("weak/disk.ko")]);
    }
}

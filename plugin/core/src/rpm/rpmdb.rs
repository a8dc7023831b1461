// SPDX-License-Identifier: GPL-2.0-or-later
//! What installed packages hold, from rpm's own mouth.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use btf_guard_protocol::nevra::name_of;
use btf_guard_subprocess::{ChildError, Limits, Output};
use btf_guard_sysroot::Root;
use btf_guard_sysroot::file_role::{Directory, Role, is_module_name};

const WHO: &str = "rpm";

/// Where distributions have it.
pub const PROGRAM: &str = "/usr/bin/rpm";

/// Packages that are asked for at once: arguments are limited.
const BATCH: usize = 2_000;

/// The file names of a kernel are half a megabyte.
const MAX_ANSWER: usize = 64 << 20;

/// rpm on one root.
#[derive(Debug, Clone, Copy)]
pub struct Rpm<'a> {
    /// The program.
    pub program: &'a Path,
    /// The root whose database is asked.
    pub root: &'a Path,
    /// Where that is inside the root, if not where rpm's configuration says.
    pub database: Option<&'a Path>,
}

/// An installed package's module and kernel-image files.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct InstalledPackage {
    /// Name, epoch if there is one, version, release, architecture.
    pub(crate) nevra: String,
    /// The files, as absolute paths inside the root.
    pub(crate) paths: Vec<PathBuf>,
}

/// The installed package that a file is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileOwner {
    /// Name, epoch if there is one, version, release, architecture.
    pub(crate) nevra: String,
    /// The file name of the source package that it was built from (`%{SOURCERPM}`).
    pub(crate) source: String,
}

impl Rpm<'_> {
    /// The installed packages of these names that hold modules or images.
    ///
    /// Asks for directories first: they are few, most packages have none that matters,
    /// and a long one counts once, not for each file in it.
    pub(crate) fn kernel_packages(
        self,
        names: &[&str],
        timeout: Duration,
    ) -> Result<Vec<InstalledPackage>, ChildError> {
        let mut found = Vec::new();
        for names in names.chunks(BATCH) {
            let matters = |path: &PathBuf| Directory::of(path.as_os_str().as_bytes()).is_some();
            let mut of_packages = self.query("N%{NEVRA}\\n[P%{DIRNAMES}\\n]", names, timeout)?;
            of_packages.retain(|_, directories| directories.iter().any(matters));
            if of_packages.is_empty() {
                continue;
            }
            let names: BTreeSet<&str> = of_packages.keys().map(|nevra| name_of(nevra)).collect();
            let names: Vec<&str> = names.into_iter().collect();
            let files = self.query("N%{NEVRA}\\n[P%{FILENAMES}\\n]", &names, timeout)?;
            for (nevra, mut paths) in files {
                let is_judged = |path: &PathBuf| Role::of(path).is_some_and(Role::is_judged);
                if paths.iter().any(is_judged) {
                    // Links may lead to modules anywhere.
                    let is_module = |path: &PathBuf| path.file_name().is_some_and(is_module_name);
                    paths.retain(|path| is_judged(path) || is_module(path));
                    found.push(InstalledPackage { nevra, paths });
                }
            }
        }
        Ok(found)
    }

    /// The installed packages that these files are of, by file. What is not known is not
    /// in there.
    pub fn owners(
        self,
        files: impl IntoIterator<Item = PathBuf>,
        timeout: Duration,
    ) -> BTreeMap<PathBuf, String> {
        let owners = self.file_owners(files, timeout).into_iter();
        owners.map(|(file, owner)| (file, owner.nevra)).collect()
    }

    /// The same, with what the packages were built from.
    pub(crate) fn file_owners(
        self,
        files: impl IntoIterator<Item = PathBuf>,
        timeout: Duration,
    ) -> BTreeMap<PathBuf, FileOwner> {
        let root = Root::new(self.root).ok();
        let inside = |file: PathBuf| Some((root.as_ref()?.inside(&file)?, file));
        let files: Vec<_> = files.into_iter().filter_map(inside).take(BATCH).collect();
        let mut owners = BTreeMap::new();
        if files.is_empty() {
            return owners;
        }
        let format = "N%{NEVRA} %{SOURCERPM}\\n[P%{FILENAMES}\\n]";
        let query = ["-qf", "--qf", format, "--"].map(OsStr::new);
        let names = files.iter().map(|(inside, _)| inside.as_os_str());
        let args: Vec<&OsStr> = query.into_iter().chain(names).collect();
        let answer = match self.run(&args, timeout) {
            Ok(answer) => answer,
            Err(error) => {
                log::info!("owners of modules: {error}");
                return owners;
            }
        };
        let by_package = parse(&answer.stdout);
        let paths = by_package.iter().flat_map(|(package, paths)| {
            let below = paths.iter().map(|path| below_usr(path));
            below.map(move |path| (path, package))
        });
        let packages: BTreeMap<&Path, &String> = paths.collect();
        for (inside, file) in files {
            let package = packages.get(below_usr(&inside));
            if let Some((nevra, source)) = package.and_then(|package| package.split_once(' ')) {
                let [nevra, source] = [nevra, source].map(str::to_owned);
                owners.insert(file, FileOwner { nevra, source });
            }
        }
        owners
    }

    /// The exit status counts the names that are not installed, which are said on
    /// standard output too, in words.
    fn query(
        self,
        format: &str,
        names: &[&str],
        timeout: Duration,
    ) -> Result<BTreeMap<String, Vec<PathBuf>>, ChildError> {
        let query = ["-q", "--qf", format, "--"];
        let args = query.iter().chain(names).map(OsStr::new);
        let answer = self.run(&args.collect::<Vec<_>>(), timeout)?;
        Ok(parse(&answer.stdout))
    }

    /// The value of a macro, without blanks around it.
    pub fn expand(self, value: &str, timeout: Duration) -> Result<String, ChildError> {
        let output = self.run(&["--eval", value].map(OsStr::new), timeout)?;
        let (text, _) = output.success(&limits(timeout))?;
        Ok(String::from_utf8_lossy(&text).trim().to_owned())
    }

    fn run(self, args: &[&OsStr], timeout: Duration) -> Result<Output, ChildError> {
        let mut command = Command::new(self.program);
        command.env("LC_ALL", "C.UTF-8");
        if self.root != Path::new("/") {
            command.arg("--root").arg(self.root);
        }
        if let Some(database) = self.database {
            command.arg("--dbpath").arg(database);
        }
        command.args(args);
        let nothing = File::open("/dev/null");
        let nothing = nothing.map_err(|source| ChildError::HandOver { who: WHO, source })?;
        btf_guard_subprocess::run(command, nothing, Vec::new(), &limits(timeout))
    }
}

/// `/usr/lib` and `/lib` are one place.
fn below_usr(path: &Path) -> &Path {
    let below = path
        .strip_prefix("/usr")
        .or_else(|_| path.strip_prefix("/"));
    below.unwrap_or(path)
}

fn limits(timeout: Duration) -> Limits {
    Limits {
        who: WHO,
        timeout,
        limit: MAX_ANSWER,
    }
}

/// Lines that begin with N name a package, those with P a path of it. Whatever
/// else rpm says begins with another letter.
pub fn parse(answer: &[u8]) -> BTreeMap<String, Vec<PathBuf>> {
    let mut packages = BTreeMap::new();
    let mut last: Option<&mut Vec<PathBuf>> = None;
    for line in answer.split(|byte| *byte == b'\n') {
        match line.split_first() {
            Some((b'N', nevra)) => {
                let nevra = String::from_utf8_lossy(nevra).into_owned();
                last = Some(packages.entry(nevra).or_default());
            }
            Some((b'P', path)) => {
                if let Some(paths) = &mut last {
                    paths.push(PathBuf::from(OsStr::from_bytes(path)));
                }
            }
            _ => {}
        }
    }
    packages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read() {
        let answer = b"Na-1-1.noarch\nP/lib/modules/6.1/a.ko\nP/usr/share/a\n\
                       package b is not installed\nNc-1-1.noarch\n";
        let packages = parse(answer);
        assert_eq!(packages.len(), 2);
        assert_eq!(packages["a-1-1.noarch"].len(), 2);
        assert!(packages["c-1-1.noarch"].is_empty());
        assert!(parse(b"P/orphan\n").is_empty());
    }
}

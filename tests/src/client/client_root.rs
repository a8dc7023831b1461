// SPDX-License-Identifier: GPL-2.0-or-later
//! A root for one test.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;

use super::namespace::{As, Namespace};
use super::run::Run;
use super::suite::Suite;
use super::wrapped::{self, Build};
use super::{layer, repository};
use crate::{Outcome, Package, Snapshot};

/// What clients write whatever they do, and none of it is the system's: caches,
/// logs, histories, and rpm's database, which is compared by its content.
const OWN_BOOKS: [&str; 12] = [
    "root",
    "run",
    // zypper links to the metadata of a repository in here.
    "srv",
    "tmp",
    "usr/lib/sysimage/libdnf5",
    "var/cache",
    "var/lib/PackageKit",
    "var/lib/dnf",
    "var/lib/rpm",
    "var/lib/zypp",
    "var/log",
    "var/tmp",
];

/// A layer above a suite's root. It sees no network, and what happens in it, to
/// files, mounts and processes, ends with it.
pub struct ClientRoot {
    suite: Suite,
    // In this order: the namespace lies above the layer.
    namespace: Namespace,
    lower: Vec<PathBuf>,
    _guard: Option<Arc<TempDir>>,
    packages: TempDir,
}

impl ClientRoot {
    /// With btf-guard installed; `None`, and said, where this machine has no such
    /// root. It is a chroot: the running kernel is not this root's.
    pub fn new(suite: Suite) -> Option<Self> {
        Self::with(suite, As::Chroot, true)
    }

    /// As the root of a machine, whose running kernel is the one that runs here.
    pub fn as_machine(suite: Suite) -> Option<Self> {
        Self::with(suite, As::Machine, true)
    }

    /// As a machine without btf-guard.
    pub fn without_guard(suite: Suite) -> Option<Self> {
        Self::with(suite, As::Machine, false)
    }

    fn with(suite: Suite, kind: As, guarded: bool) -> Option<Self> {
        Self::above(suite, Vec::new(), kind, guarded)
    }

    /// With further layers between the suite's root and btf-guard, the topmost first.
    pub(super) fn above(
        suite: Suite,
        layers: Vec<PathBuf>,
        kind: As,
        guarded: bool,
    ) -> Option<Self> {
        let base = suite.base()?;
        let guard = guarded.then(|| layer::installed(suite, &base));
        let mut lower = layers;
        lower.push(base);
        if let Some(guard) = &guard {
            lower.insert(0, guard.path().to_owned());
        }
        let paths: Vec<_> = lower.iter().map(PathBuf::as_path).collect();
        Some(Self {
            suite,
            namespace: Namespace::new(&paths, kind),
            lower,
            _guard: guard,
            packages: tempfile::tempdir().unwrap(),
        })
    }

    /// Whose clients these are.
    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// A path of the root, as it is to be read and written from outside.
    pub fn at(&self, path: &str) -> PathBuf {
        self.namespace.root().join(path.trim_start_matches('/'))
    }

    /// Writes a file and the directories above it.
    pub fn put(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// Copies a file of this machine into the root, with its mode.
    pub fn copy(&self, path: &str, from: &Path) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::copy(from, path).unwrap();
    }

    /// Builds a package and puts it into `/packages`; returns its path there.
    pub fn build(&self, package: &Package) -> String {
        let built = package.build(self.packages.path());
        let name = built.file_name().unwrap().to_str().unwrap();
        let inside = format!("/packages/{name}");
        self.copy(&inside, &built);
        inside
    }

    /// Puts packages into a repository that every client in the root knows.
    pub fn offer(&self, repository: &str, packages: &[&Package]) {
        let built = packages.iter();
        let built: Vec<_> = built.map(|p| p.build(self.packages.path())).collect();
        self.offer_built(repository, &built);
    }

    /// The same with packages that are built already. They lie in
    /// `/srv/<repository>`.
    pub fn offer_built(&self, repository: &str, packages: &[PathBuf]) {
        repository::add(&self.namespace.root(), repository, packages);
    }

    /// Lets a repository speak of so many packages more, none with a module, of
    /// which there is the metadata only.
    pub fn pretend(&self, repository: &str, packages: usize) {
        repository::pretend(&self.namespace.root(), repository, packages);
    }

    /// Adds a patch to a repository: one that wants this version of a package.
    pub fn advise(&self, repository: &str, name: &str, version: &str) {
        repository::advise(&self.namespace.root(), repository, name, version);
    }

    /// Takes a repository away again.
    pub fn withdraw(&self, repository: &str) {
        repository::remove(&self.namespace.root(), repository);
    }

    /// Mounts a file system of so many KiB on a directory, which is made.
    pub fn mount_small(&self, path: &str, kib: u32) {
        let options = format!("size={kib}k");
        let made = self.run(["mkdir", "-p", path]);
        assert!(made.status.success(), "{made:?}");
        let mounted = self.run(["mount", "-t", "tmpfs", "-o", &options, "tmpfs", path]);
        assert!(mounted.status.success(), "{mounted:?}");
    }

    /// Shows a directory of this machine in the root, which is a chroot, in the place
    /// of one that is made.
    pub fn share(&self, from: &Path, path: &str) {
        fs::create_dir_all(self.at(path)).unwrap();
        self.namespace.bind(from, path);
    }

    /// Lets programs in the root believe that there is a network.
    pub fn connect(&self) {
        self.namespace.connect();
    }

    /// Shows a build as if it were the running kernel, under the release of the one
    /// that runs here: a stand-in, because which kernel runs is not the tests' to
    /// choose. `false` where this machine shows none in whose place it could be.
    pub fn stand_in(&self, build: Build) -> bool {
        let (types, config) = wrapped::shown(build);
        let shown = [
            ("/sys/kernel/btf/vmlinux", types),
            ("/proc/config.gz", config),
        ];
        shown.into_iter().all(|(place, bytes)| {
            let name = format!("/run/stand-in{}", place.replace('/', "-"));
            self.put(&name, bytes);
            self.run(["mount", "--bind", &name, place]).status.success()
        })
    }

    /// A program and its arguments, to be run in the root.
    pub fn client<I>(&self, arguments: I) -> Run<'_>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        let arguments = arguments.into_iter();
        let arguments = arguments.map(|argument| argument.as_ref().to_owned());
        Run::new(&self.namespace, arguments.collect())
    }

    /// Runs a program in the root, without a terminal.
    pub fn run<I>(&self, arguments: I) -> Outcome
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        self.client(arguments).run()
    }

    /// The names of the installed packages, sorted, but for the one that every
    /// root has.
    pub fn installed(&self) -> Vec<String> {
        let listed = self.run(["rpm", "-qa"]);
        assert!(listed.status.success(), "{listed:?}");
        let names = listed.stdout.lines().map(str::to_owned);
        let mut names: Vec<_> = names
            .filter(|name| !name.starts_with("root-base-"))
            .collect();
        names.sort();
        names
    }

    /// rpm's database, and what the root's files have become since it was made.
    pub fn snapshot(&self) -> Snapshot {
        let packages = self.run(["rpm", "-qa", "--xml"]);
        assert!(packages.status.success(), "{packages:?}");
        let paths: Vec<_> = self.lower.iter().map(PathBuf::as_path).collect();
        Snapshot::of_layer(&self.namespace.layer(), &paths, &OWN_BOOKS, packages.stdout)
    }
}

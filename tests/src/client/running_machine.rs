// SPDX-License-Identifier: GPL-2.0-or-later
//! This machine's own root, under a layer that is gone with the test, with an empty rpm
//! database of its own: what runs in it runs on the machine's running kernel.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::namespace::{As, Namespace};
use super::run::Run;
use crate::{Outcome, Package, plugin, program};

/// What rpm and the judge find in the layer, whatever the distribution's defaults.
const MACROS: &str = "%_dbpath /var/lib/btf-guard-test/rpm\n\
     %_pkgverify_level digest\n\
     %__plugindir /plugins\n\
     %__transaction_btf_guard /plugins/btf_guard.so --judge /usr/bin/btf-guard\n";

/// A machine that runs.
pub struct RunningMachine {
    namespace: Namespace,
    packages: TempDir,
}

impl Default for RunningMachine {
    fn default() -> Self {
        Self::new()
    }
}

impl RunningMachine {
    /// With the program and the plugin, and no package installed.
    pub fn new() -> Self {
        let machine = Self {
            namespace: Namespace::new(&[Path::new("/")], As::Machine),
            packages: tempfile::tempdir().unwrap(),
        };
        machine.copy("/usr/bin/btf-guard", &program());
        machine.copy("/plugins/btf_guard.so", &plugin());
        machine.put("/etc/rpm/macros.btf-guard-test", MACROS);
        let made = machine.run(&["rpm", "--initdb"]);
        assert!(made.status.success(), "{made:?}");
        machine
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

    fn copy(&self, path: &str, from: &Path) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::copy(from, path).unwrap();
    }

    /// Installs packages as rpm does in this environment.
    pub fn install(&self, packages: &[&Package], environment: &[(&str, &str)]) -> Outcome {
        let paths = packages.iter().map(|package| {
            let built = package.build(self.packages.path());
            let inside = format!("/packages/{}.rpm", package.nevra());
            self.copy(&inside, &built);
            inside
        });
        let words = ["rpm", "-i", "--nodeps"].map(str::to_owned).into_iter();
        let run = Run::new(&self.namespace, words.chain(paths).collect());
        let run = environment
            .iter()
            .fold(run, |run, (name, value)| run.env(name, value));
        run.run()
    }

    /// Runs a program in it, without a terminal.
    pub fn run(&self, words: &[&str]) -> Outcome {
        let words = words.iter().map(|word| (*word).to_owned());
        Run::new(&self.namespace, words.collect()).run()
    }
}

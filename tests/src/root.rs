// SPDX-License-Identifier: GPL-2.0-or-later
//! A scratch root for the real rpm, with the plugin loaded.

use std::ffi::{OsStr, OsString};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use tempfile::TempDir;

use crate::{Package, Snapshot, plugin};

/// Where rpm keeps its database, whatever the distribution's default.
pub(crate) const DATABASE: &str = "var/lib/rpm";

/// An empty root with an empty rpm database, and a directory beside it with
/// the plugin under the name that rpm asks for.
pub struct Root {
    directory: TempDir,
    options: Vec<OsString>,
}

impl Root {
    /// With the plugin, and `judge` as its judge.
    pub fn new(judge: &Path) -> Self {
        let root = Self::without_plugin();
        let plugins = root.directory.path().join("plugins");
        std::fs::create_dir(&plugins).unwrap();
        std::os::unix::fs::symlink(plugin(), plugins.join("btf_guard.so")).unwrap();
        let (judge, handoffs) = (judge.display(), root.handoffs());
        let options = format!("--judge {judge} --handoff {}", handoffs.display());
        root.with_plugins_from(&plugins, &options)
    }

    /// Where the plugin looks for the hand-offs of zypper's commits.
    pub fn handoffs(&self) -> PathBuf {
        self.directory.path().join("handoffs")
    }

    /// As a machine where btf-guard is not installed.
    pub fn without_plugin() -> Self {
        let user = std::fs::metadata("/proc/self").unwrap().uid();
        assert_eq!(
            user, 0,
            "rpm --root changes the root directory: run this as root"
        );
        let directory = tempfile::tempdir().unwrap();
        for sub in ["root", "packages"] {
            std::fs::create_dir(directory.path().join(sub)).unwrap();
        }
        let root = Self {
            directory,
            options: Vec::new(),
        };
        let created = root.rpm(["--initdb"]);
        assert!(created.status.success(), "{created:?}");
        root
    }

    /// Loads `btf_guard.so` from a directory, with options for it. rpm looks
    /// for plugins in the directory and takes path and options from the macro.
    pub fn with_plugins_from(mut self, plugins: &Path, options: &str) -> Self {
        let plugins = plugins.display();
        self.options = [
            "--define".to_owned(),
            format!("__plugindir {plugins}"),
            "--define".to_owned(),
            format!("__transaction_btf_guard {plugins}/btf_guard.so {options}"),
        ]
        .map(OsString::from)
        .to_vec();
        self
    }

    /// The root directory itself.
    pub fn path(&self) -> PathBuf {
        self.directory.path().join("root")
    }

    /// Builds a package for this root's tests.
    pub fn build(&self, package: &Package) -> PathBuf {
        package.build(&self.directory.path().join("packages"))
    }

    /// Everything before rpm's own verb: root, database, plugin.
    pub fn options(&self) -> Vec<OsString> {
        let mut options = vec!["--root".into(), self.path().into_os_string()];
        for define in [
            format!("_dbpath /{DATABASE}"),
            "_pkgverify_level digest".to_owned(),
        ] {
            options.extend(["--define".into(), define.into()]);
        }
        options.extend_from_slice(&self.options);
        options
    }

    /// Runs rpm and waits for it.
    pub fn rpm<I>(&self, arguments: I) -> Outcome
    where
        I: IntoIterator<Item: AsRef<OsStr>>,
    {
        self.run(self.command(arguments))
    }

    /// An rpm command to add to; for [`Self::run`].
    pub fn command<I>(&self, arguments: I) -> Command
    where
        I: IntoIterator<Item: AsRef<OsStr>>,
    {
        let mut command = Command::new("rpm");
        command.args(self.options()).args(arguments);
        command
    }

    /// The same by rpm under the name of libzypp's own program around librpm, for
    /// which the plugin takes it then. A stand-in: that program itself takes its
    /// orders from libzypp alone.
    pub fn single<I>(&self, arguments: I) -> Command
    where
        I: IntoIterator<Item: AsRef<OsStr>>,
    {
        let program = self.directory.path().join("zypp-rpm");
        if !program.exists() {
            // By another process: a child that another test starts meanwhile would
            // inherit the open file, which then cannot be run.
            let mut copy = Command::new("cp");
            let copied = copy.arg("/usr/bin/rpm").arg(&program).status();
            assert!(copied.unwrap().success());
        }
        let mut command = Command::new(program);
        // What rpm calls itself in what it says.
        command.arg0("rpm");
        command.args(self.options()).args(arguments);
        command
    }

    /// Runs a command in a neutral environment and waits for it.
    pub fn run(&self, mut command: Command) -> Outcome {
        let mode = command
            .get_envs()
            .find_map(|(key, value)| (key == "BTF_GUARD").then(|| value.map(OsStr::to_owned)));
        command
            .env("HOME", self.directory.path())
            .env("LC_ALL", "C.UTF-8");
        if mode.is_none() {
            command.env_remove("BTF_GUARD");
        }
        let output = command.output().expect("the command starts");
        Outcome {
            status: output.status,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The names of the installed packages, sorted.
    pub fn installed(&self) -> Vec<String> {
        let listed = self.rpm(["-qa"]);
        assert!(listed.status.success(), "{listed:?}");
        let mut names: Vec<_> = listed.stdout.lines().map(str::to_owned).collect();
        names.sort();
        names
    }

    /// rpm's database and the file system, for a comparison.
    pub fn snapshot(&self) -> Snapshot {
        let packages = self.rpm(["-qa", "--xml"]);
        assert!(packages.status.success(), "{packages:?}");
        Snapshot::new(&self.path(), packages.stdout)
    }
}

/// How a command ended and what it said.
#[derive(Debug)]
pub struct Outcome {
    /// Its exit status.
    pub status: ExitStatus,
    /// Its standard output. rpm's notices go here.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Outcome {
    /// What rpm logged to standard error, a line each, without Debian's advice
    /// not to use rpm.
    pub fn log(&self) -> Vec<&str> {
        let lines = self.stderr.lines();
        lines.filter(|line| !line.starts_with("rpm: ")).collect()
    }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! Packages of copies of files, built by rpmbuild.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// `name-1-1.x86_64.rpm` to be. Its payload is compressed with zstd, as openSUSE
/// and Fedora do, at a level that is soon done: unpacking takes as long.
pub struct Package {
    name: &'static str,
    files: Vec<(String, PathBuf)>,
    post: String,
}

impl Package {
    /// Of these files: the path that each is installed under, and where it is now.
    pub fn new(name: &'static str, files: Vec<(String, PathBuf)>) -> Self {
        Self {
            name,
            files,
            post: String::new(),
        }
    }

    /// With a scriptlet that is run behind the installation.
    pub fn post(mut self, script: &str) -> Self {
        self.post = format!("%post\n{script}\n");
        self
    }

    /// With one in Lua, which needs no program in the root.
    pub fn lua_post(mut self, script: &str) -> Self {
        self.post = format!("%post -p <lua>\n{script}\n");
        self
    }

    /// Builds it below `dir`.
    pub fn build(&self, dir: &Path) -> Result<PathBuf> {
        let Self { name, post, .. } = self;
        let top = dir.join(format!("build-{name}"));
        let tree = top.join("tree");
        let mut list = String::new();
        for (path, from) in &self.files {
            let target = tree.join(path.trim_start_matches('/'));
            fs::create_dir_all(target.parent().context("no parent")?)?;
            fs::copy(from, &target)?;
            list += &format!("{path}\n");
        }
        let spec = top.join("package.spec");
        fs::write(
            &spec,
            format!(
                "Name: {name}\nVersion: 1\nRelease: 1\nSummary: {name}\n\
                 License: GPL-2.0-or-later\nAutoReqProv: no\n%description\n{name}\n\
                 %install\nmkdir -p %{{buildroot}}\ncp -a {}/. %{{buildroot}}\n\
                 {post}%files\n{list}",
                tree.display()
            ),
        )?;
        let built = Command::new("rpmbuild")
            .args(["-bb", "--quiet", "--target", "x86_64"])
            .args(["--define", "_binary_payload w3.zstdio"])
            .args(["--define", "__os_install_post %{nil}"])
            .args(["--define", "debug_package %{nil}"])
            .arg("--define")
            .arg(format!("_topdir {}", top.display()))
            .arg(&spec)
            .output()?;
        ensure!(
            built.status.success(),
            "rpmbuild: {}",
            String::from_utf8_lossy(&built.stderr)
        );
        fs::remove_dir_all(tree)?;
        Ok(top.join(format!("RPMS/x86_64/{name}-1-1.x86_64.rpm")))
    }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! Small packages, built by the real rpmbuild.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A package to build: version 1, release 1, no dependencies and no scriptlets but
/// for those that are given.
pub struct Package {
    name: String,
    version: String,
    files: Vec<File>,
    links: Vec<(PathBuf, PathBuf)>,
    ghosts: Vec<PathBuf>,
    directories: Vec<PathBuf>,
    scriptlets: String,
    tags: String,
    has_whole_paths: bool,
}

struct File {
    path: PathBuf,
    bytes: Vec<u8>,
    mode: u32,
}

impl Package {
    /// A package without files.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            version: "1".to_owned(),
            files: Vec::new(),
            links: Vec::new(),
            ghosts: Vec::new(),
            directories: Vec::new(),
            scriptlets: String::new(),
            tags: String::new(),
            has_whole_paths: false,
        }
    }

    /// Another version than 1.
    pub fn version(mut self, version: &str) -> Self {
        version.clone_into(&mut self.version);
        self
    }

    /// A regular file at an absolute path.
    pub fn file(mut self, path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> Self {
        self.files.push(File {
            path: path.as_ref().to_owned(),
            bytes: bytes.as_ref().to_vec(),
            mode: 0o644,
        });
        self
    }

    /// A file from this machine, under another path, with its mode.
    pub fn copy(mut self, path: impl AsRef<Path>, from: impl AsRef<Path>) -> Self {
        self.files.push(File {
            path: path.as_ref().to_owned(),
            bytes: fs::read(&from).unwrap(),
            mode: from.as_ref().metadata().unwrap().permissions().mode(),
        });
        self
    }

    /// A symbolic link.
    pub fn link(mut self, path: impl AsRef<Path>, target: impl AsRef<Path>) -> Self {
        let link = (path.as_ref().to_owned(), target.as_ref().to_owned());
        self.links.push(link);
        self
    }

    /// With its file list in the form of rpm 3.
    pub fn whole_paths(mut self) -> Self {
        self.has_whole_paths = true;
        self
    }

    /// A path that the package owns but does not bring.
    pub fn ghost(mut self, path: impl AsRef<Path>) -> Self {
        self.ghosts.push(path.as_ref().to_owned());
        self
    }

    /// A directory that the package owns, without what is in it.
    pub fn directory(mut self, path: impl AsRef<Path>) -> Self {
        self.directories.push(path.as_ref().to_owned());
        self
    }

    /// A scriptlet in Lua, which needs no program in the root: `section` is
    /// `%post` or another.
    pub fn lua(mut self, section: &str, script: &str) -> Self {
        self.scriptlets
            .push_str(&format!("{section} -p <lua>\n{script}\n"));
        self
    }

    /// A line of the spec file's header, such as `Provides` with what it provides.
    pub fn tag(mut self, name: &str, value: &str) -> Self {
        self.tags.push_str(&format!("{name}: {value}\n"));
        self
    }

    /// Name, version, release, architecture, as rpm writes them.
    pub fn nevra(&self) -> String {
        format!("{}-{}-1.noarch", self.name, self.version)
    }

    /// Builds it below `directory` and returns the `.rpm`.
    pub fn build(&self, directory: &Path) -> PathBuf {
        let top = directory.join(self.nevra());
        let staged = top.join("staged");
        for file in &self.files {
            let path = staged.join(file.path.strip_prefix("/").unwrap());
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &file.bytes).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(file.mode)).unwrap();
        }
        for (path, target) in &self.links {
            let path = staged.join(path.strip_prefix("/").unwrap());
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            symlink(target, path).unwrap();
        }
        fs::create_dir_all(&staged).unwrap();
        for path in &self.directories {
            fs::create_dir_all(staged.join(path.strip_prefix("/").unwrap())).unwrap();
        }
        let mut list = Vec::new();
        let files = self.files.iter().map(|file| ("", &file.path));
        let files = files.chain(self.links.iter().map(|(path, _)| ("", path)));
        let ghosts = self.ghosts.iter().map(|path| ("%ghost ", path));
        let directories = self.directories.iter().map(|path| ("%dir ", path));
        for (kind, path) in files.chain(ghosts).chain(directories) {
            list.extend_from_slice(kind.as_bytes());
            list.extend_from_slice(path.as_os_str().as_bytes());
            list.push(b'\n');
        }
        fs::write(top.join("files"), list).unwrap();
        fs::write(top.join("package.spec"), self.spec(&top)).unwrap();

        let output = Command::new("rpmbuild")
            .args(["-bb", "--quiet", "--define"])
            .arg(joined("_topdir ", &top))
            .arg("--define")
            .arg(joined("_rpmdir ", directory))
            .args([
                "--define",
                "_build_name_fmt %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm",
            ])
            .args(self.has_whole_paths.then_some("--nodirtokens"))
            .arg(top.join("package.spec"))
            .env("HOME", &top)
            .output()
            .expect("rpmbuild starts");
        assert!(
            output.status.success(),
            "rpmbuild: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        directory.join(format!("{}.rpm", self.nevra()))
    }

    /// Nothing but the files as they are: no stripping, no dependency
    /// generators, names of any bytes, this machine's programs too.
    fn spec(&self, top: &Path) -> String {
        let Self {
            name,
            version,
            scriptlets,
            tags,
            ..
        } = self;
        let top = top.display();
        format!(
            "%global __os_install_post %{{nil}}\n\
             %global _invalid_encoding_terminates_build 0\n\
             %global _binaries_in_noarch_packages_terminate_build 0\n\
             %global _binary_payload w1.gzdio\n\
             Name: {name}\nVersion: {version}\nRelease: 1\nSummary: test\n\
             License: none\nBuildArch: noarch\nAutoReqProv: no\n{tags}\
             %description\ntest\n\
             %install\nmkdir -p %{{buildroot}}\ncp -a {top}/staged/. %{{buildroot}}\n\
             {scriptlets}%files -f {top}/files\n"
        )
    }
}

fn joined(prefix: &str, path: &Path) -> std::ffi::OsString {
    let mut text = std::ffi::OsString::from(prefix);
    text.push::<&OsStr>(path.as_ref());
    text
}

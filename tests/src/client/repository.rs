//! A repository inside a root, known to every client in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where clients look for repositories: dnf, zypper.
const CONFIGURATIONS: [&str; 2] = ["etc/yum.repos.d", "etc/zypp/repos.d"];

/// What clients remember of repositories.
const MEMORIES: [&str; 3] = ["var/cache/dnf", "var/cache/libdnf5", "var/cache/zypp"];

/// Puts packages into the repository `name`, which is made if need be, and lets
/// the clients forget what they knew of it.
pub(crate) fn add(root: &Path, name: &str, packages: &[PathBuf]) {
    let directory = root.join("srv").join(name);
    fs::create_dir_all(&directory).unwrap();
    for package in packages {
        fs::copy(package, directory.join(package.file_name().unwrap())).unwrap();
    }
    let output = Command::new("createrepo_c")
        .args(["--quiet", "--no-database"])
        .arg(&directory)
        .output()
        .expect("createrepo_c starts");
    assert!(
        output.status.success(),
        "createrepo_c: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = format!(
        "[{name}]\nname={name}\nenabled=1\nbaseurl=file:///srv/{name}\n\
         gpgcheck=0\nrepo_gpgcheck=0\npkg_gpgcheck=0\nautorefresh=1\ntype=rpm-md\n"
    );
    for configuration in CONFIGURATIONS {
        let configuration = root.join(configuration);
        fs::create_dir_all(&configuration).unwrap();
        fs::write(configuration.join(format!("{name}.repo")), &text).unwrap();
    }
    forget(root);
}

/// Adds a patch for a package to a repository.
pub(crate) fn advise(root: &Path, repository: &str, name: &str, version: &str) {
    let text = format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<updates><update from="test" status="stable" type="security" version="1">
<id>patch-{name}</id><title>{name}</title><release>1</release><issued date="1700000000"/>
<description>{name}</description><pkglist><collection short="x"><name>x</name>
<package name="{name}" version="{version}" release="1" epoch="0" arch="noarch"><filename>{name}-{version}-1.noarch.rpm</filename></package>
</collection></pkglist></update></updates>"#
    );
    let draft = root.join("srv/updateinfo.xml");
    fs::write(&draft, text).unwrap();
    let added = Command::new("modifyrepo_c")
        .arg(&draft)
        .arg(root.join("srv").join(repository).join("repodata"))
        .output()
        .expect("modifyrepo_c starts");
    assert!(added.status.success(), "{added:?}");
    fs::remove_file(draft).unwrap();
    forget(root);
}

/// Takes a repository away, from its directory and from every client.
pub(crate) fn remove(root: &Path, name: &str) {
    fs::remove_dir_all(root.join("srv").join(name)).unwrap();
    for configuration in CONFIGURATIONS {
        fs::remove_file(root.join(configuration).join(format!("{name}.repo"))).unwrap();
    }
    forget(root);
}

fn forget(root: &Path) {
    for memory in MEMORIES {
        let memory = root.join(memory);
        if memory.exists() {
            fs::remove_dir_all(memory).unwrap();
        }
    }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! A repository inside a root, known to every client in it.

use std::fs;
use std::io::Read;
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

/// Adds packages to a repository's metadata. What is said of each has about the
/// length that distributions have.
pub(crate) fn pretend(root: &Path, repository: &str, packages: usize) {
    let metadata = root.join("srv").join(repository).join("repodata");
    let primary = fs::read_dir(&metadata).unwrap();
    let mut primary = primary.map(|entry| entry.unwrap().path());
    let primary = primary.find(|path| path.to_string_lossy().contains("-primary.xml"));
    let packed = fs::read(primary.unwrap()).unwrap();
    let mut text = String::new();
    let read = match packed.starts_with(&[0x1f, 0x8b]) {
        true => flate2::read::GzDecoder::new(&packed[..]).read_to_string(&mut text),
        false => zstd::Decoder::new(&packed[..])
            .unwrap()
            .read_to_string(&mut text),
    };
    read.unwrap();
    let end = text.rfind("</metadata>").unwrap();
    text.truncate(end);
    for number in 0..packages {
        text.push_str(&pretended(number));
    }
    text.push_str("</metadata>\n");
    let draft = root.join("srv/primary.xml");
    fs::write(&draft, text).unwrap();
    let added = Command::new("modifyrepo_c")
        .arg(&draft)
        .arg(&metadata)
        .output()
        .expect("modifyrepo_c starts");
    assert!(added.status.success(), "{added:?}");
    fs::remove_file(draft).unwrap();
    forget(root);
}

fn pretended(number: usize) -> String {
    let needed = number / 2;
    format!(
        r#"<package type="rpm"><name>pretended-{number}</name><arch>noarch</arch>
<version epoch="0" ver="1.{number}" rel="1"/>
<checksum type="sha256" pkgid="YES">{number:064x}</checksum>
<summary>The package of the number {number}</summary>
<description>A package that is not there, of the number {number}. It is described at a length that is usual for packages, so that who reads of it has as much to do as with another one.</description>
<packager>nobody</packager><url>https://example.org/{number}</url>
<time file="1700000000" build="1700000000"/><size package="100000" installed="300000" archive="300000"/>
<location href="pretended-{number}-1.{number}-1.noarch.rpm"/>
<format><rpm:license>GPL-2.0-or-later</rpm:license><rpm:vendor>nobody</rpm:vendor><rpm:group>None</rpm:group>
<rpm:buildhost>localhost</rpm:buildhost><rpm:sourcerpm>pretended-{number}-1.{number}-1.src.rpm</rpm:sourcerpm>
<rpm:header-range start="4000" end="20000"/>
<rpm:provides><rpm:entry name="pretended-{number}" flags="EQ" epoch="0" ver="1.{number}" rel="1"/>
<rpm:entry name="libpretended{number}.so.1()(64bit)"/></rpm:provides>
<rpm:requires><rpm:entry name="libpretended{needed}.so.1()(64bit)"/><rpm:entry name="libc.so.6(GLIBC_2.34)(64bit)"/>
<rpm:entry name="/bin/sh" pre="1"/></rpm:requires>
<file>/usr/bin/pretended-{number}</file><file>/etc/pretended-{number}.conf</file></format></package>
"#
    )
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

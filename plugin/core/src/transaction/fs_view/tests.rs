// SPDX-License-Identifier: GPL-2.0-or-later
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::fs::{self, File};
use std::io::Write;

use btf_guard_protocol::plan::{Action, Element, Plan};
use rpm::FileOptions;

use super::*;
use crate::boot::inventory;
use crate::transaction::changes::{Change, ImagesAfter};
use crate::transaction::weak_updates::WeakUpdate;

/// A BTF without types, which passes for a kernel.
const EMPTY_BASE: &[u8] = b"\x9f\xeb\x01\0\x18\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\0";

/// Another one: its strings are longer.
const OTHER_BASE: &[u8] = b"\x9f\xeb\x01\0\x18\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x03\0\0\0\0a\0";

/// The kernels of 6.1 that stay, by their paths inside the root, where all images that
/// come are kernels.
fn stay_of(change: &Change, root: &Root) -> Vec<String> {
    paths_of(change, root, true).0
}

/// The kernels of 6.1 that stay, and the image that comes and cannot be read.
fn paths_of(change: &Change, root: &Root, are_kernels: bool) -> (Vec<String>, Option<PathBuf>) {
    let place = inventory::InventorySearch {
        root,
        esps: &[],
        cache: None,
        config: None,
        releases: None,
    };
    let kernels = place.inventory().kernels;
    let ImagesAfter { stay, unknown, .. } =
        change.images_after("6.1", root, &kernels, |_| are_kernels);
    let stay = stay.into_iter().map(|kernel| {
        let inside = root.inside(&kernel.bootable.path).unwrap();
        inside.display().to_string()
    });
    (stay.collect(), unknown.map(|(_, path)| path))
}

fn package(paths: &[&str]) -> File {
    let mut builder = rpm::PackageBuilder::new("p", "1", "GPL", "x86_64", "p");
    builder.using_config(rpm::BuildConfig::v4().compression(rpm::CompressionType::None));
    for path in paths {
        builder
            .with_file_contents("x", FileOptions::new(*path))
            .unwrap();
    }
    let mut file = tempfile::tempfile().unwrap();
    builder.build().unwrap().write(&mut file).unwrap();
    file.flush().unwrap();
    file
}

fn element(action: Action, paths: &[&str]) -> Element {
    Element {
        nevra: "p-1-1.x86_64".into(),
        action,
        file: None,
        paths: paths.iter().map(PathBuf::from).collect(),
        moved: Vec::new(),
    }
}

fn root(files: &[&str]) -> (tempfile::TempDir, Root) {
    let dir = tempfile::tempdir().unwrap();
    for file in files {
        let file = dir.path().join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, EMPTY_BASE).unwrap();
    }
    std::os::unix::fs::symlink("usr/lib", dir.path().join("lib")).unwrap();
    let root = Root::new(dir.path()).unwrap();
    (dir, root)
}

fn read(elements: Vec<Element>, files: Vec<Option<File>>, root: &Root) -> Transaction {
    let plan = Plan {
        elements,
        ..Plan::new("/".into())
    };
    Transaction::read(&plan, files, root)
}

/// A package comes, and another goes.
fn upgrade(new: File, old: &[&str], root: &Root) -> Transaction {
    let elements = vec![element(Action::Install, &[]), element(Action::Erase, old)];
    read(elements, vec![Some(new), None], root)
}

fn staying(transaction: &Transaction, root: &Root) -> Vec<PathBuf> {
    let view = FsView::new(transaction, root);
    let modules = view.tree("6.1").unwrap();
    let stay = modules.all().filter(|file| !view.touches("6.1", file));
    let mut files: Vec<_> = stay.map(|(_, found)| found.file.clone()).collect();
    files.sort();
    files
}

#[test]
fn an_upgrade_replaces_what_comes_back_and_erases_the_rest() {
    let (_dir, root) = root(&[
        "usr/lib/modules/6.1/kernel/same.ko",
        "usr/lib/modules/6.1/kernel/gone.ko",
        "usr/lib/modules/6.1/updates/kmp.ko",
        "usr/lib/modules/6.1/vmlinuz",
        "boot/vmlinuz-6.1",
    ]);
    let old = [
        "/lib/modules/6.1/kernel/same.ko",
        "/lib/modules/6.1/kernel/gone.ko",
        "/lib/modules/6.1/vmlinuz",
    ];
    let new = package(&[
        "/usr/lib/modules/6.1/kernel/same.ko",
        "/usr/lib/modules/6.1/kernel/new.ko.zst",
        "/usr/share/doc/readme",
    ]);
    let transaction = upgrade(new, &old, &root);
    assert_eq!(transaction.unreadable, []);
    let change = &transaction.releases["6.1"];
    assert!(change.installs_modules() && change.erases_modules());
    let kmp = root.path().join("usr/lib/modules/6.1/updates/kmp.ko");
    assert_eq!(staying(&transaction, &root), [kmp]);
    // The image goes with the old half, and its copy in /boot with it.
    assert_eq!(stay_of(change, &root), [""; 0]);
    fs::write(root.path().join("boot/vmlinuz-6.1"), OTHER_BASE).unwrap();
    assert_eq!(stay_of(change, &root), ["/boot/vmlinuz-6.1"]);
}

#[test]
fn where_a_link_leads_decides_what_stays() {
    let (dir, root) = root(&[
        "usr/lib/modules/6.0/extra/replaced.ko",
        "usr/lib/modules/6.0/extra/erased.ko",
        "usr/lib/modules/6.0/extra/kept.ko",
        "usr/lib/modules/6.1/updates/gone.ko",
        "usr/lib/modules/6.1/updates/here.ko",
    ]);
    let link = |from: &str, to: &str| {
        let from = dir.path().join("usr/lib/modules/6.1").join(from);
        fs::create_dir_all(from.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(to, from).unwrap();
    };
    for name in ["replaced", "erased", "kept"] {
        let to = format!("/lib/modules/6.0/extra/{name}.ko");
        link(&format!("weak-updates/{name}.ko"), &to);
    }
    link("extra/gone.ko", "../updates/gone.ko");
    link("extra/here.ko", "../updates/here.ko");
    let old = [
        "/lib/modules/6.0/extra/replaced.ko",
        "/lib/modules/6.0/extra/erased.ko",
        "/lib/modules/6.1/updates/gone.ko",
        "/lib/modules/6.1/extra/here.ko",
    ];
    let new = package(&["/lib/modules/6.0/extra/replaced.ko"]);
    let transaction = upgrade(new, &old, &root);
    let modules = root.path().join("usr/lib/modules");
    let stay = ["6.0/extra/kept.ko", "6.1/updates/here.ko"].map(|path| modules.join(path));
    assert_eq!(staying(&transaction, &root), stay);
}

#[test]
fn a_module_that_comes_is_the_module_of_every_release_that_links_to_it() {
    let (dir, root) = root(&[
        "usr/lib/modules/6.0/extra/kmp.ko",
        "usr/lib/modules/6.0/extra/other.ko",
        "usr/lib/modules/6.1/kernel/x.ko",
    ]);
    let weak = dir.path().join("usr/lib/modules/6.1/weak-updates/sub");
    fs::create_dir_all(&weak).unwrap();
    for name in ["kmp", "other"] {
        let to = format!("/lib/modules/6.0/extra/{name}.ko");
        std::os::unix::fs::symlink(to, weak.join(format!("{name}.ko"))).unwrap();
    }
    let new = package(&["/lib/modules/6.0/extra/kmp.ko"]);
    let transaction = read(vec![element(Action::Install, &[])], vec![Some(new)], &root);
    let linked = WeakUpdate {
        path: "/lib/modules/6.0/extra/kmp.ko".into(),
        release: "6.1".into(),
        below: "weak-updates/sub/kmp.ko".into(),
    };
    assert_eq!(FsView::new(&transaction, &root).links().coming, [linked]);
    // What goes is nobody's module any more.
    let erase = element(Action::Erase, &["/lib/modules/6.0/extra/kmp.ko"]);
    let transaction = read(vec![erase], vec![None], &root);
    assert_eq!(FsView::new(&transaction, &root).links().coming, []);
}

#[test]
fn copies_go_with_the_image_that_they_were_made_of() {
    let (dir, root) = root(&[
        "usr/lib/modules/6.1/vmlinuz",
        "usr/lib/modules/6.1/kernel/x.ko",
        "efi/token/6.1/linux",
    ]);
    let entries = dir.path().join("efi/loader/entries");
    fs::create_dir_all(&entries).unwrap();
    let entry = "title x\nversion 6.1\nlinux /token/6.1/linux\n";
    fs::write(entries.join("x.conf"), entry).unwrap();
    let stays = |paths: &[&str]| {
        let transaction = read(vec![element(Action::Erase, paths)], vec![None], &root);
        stay_of(&transaction.releases["6.1"], &root)
    };
    let both = ["/usr/lib/modules/6.1/vmlinuz", "/efi/token/6.1/linux"];
    assert_eq!(stays(&["/lib/modules/6.1/kernel/x.ko"]), both);
    assert_eq!(stays(&["/lib/modules/6.1/vmlinuz"]), [""; 0]);
}

#[test]
fn copies_follow_the_image_that_is_brought() {
    let (_dir, root) = root(&["boot/vmlinuz-6.1", "usr/lib/modules/6.1/x.ko"]);
    let vmlinuz = "/usr/lib/modules/6.1/vmlinuz";
    let transaction = upgrade(package(&[vmlinuz]), &[], &root);
    let change = &transaction.releases["6.1"];
    let [image] = &change.new_images[..] else {
        panic!("{change:?}");
    };
    assert_eq!(
        (image.package, image.place.as_path()),
        (0, Path::new(vmlinuz))
    );
    assert_eq!(stay_of(change, &root), [""; 0]);
    assert_eq!(staying(&transaction, &root).len(), 1);
    assert!(!change.installs_modules());
}

#[test]
fn an_image_that_comes_and_cannot_be_read_is_no_old_copy() {
    let (_dir, root) = root(&["boot/vmlinuz-6.1", "usr/lib/modules/6.1/kernel/x.ko"]);
    let named = |paths: &[&str], file| {
        let transaction = read(vec![element(Action::Install, paths)], vec![file], &root);
        let (stay, image) = paths_of(&transaction.releases["6.1"], &root, true);
        assert_eq!(stay, [""; 0], "{paths:?}");
        (image, staying(&transaction, &root).len())
    };
    // The package cannot be opened: the plan tells what it brings.
    let vmlinuz = "/usr/lib/modules/6.1/vmlinuz";
    let (image, stay) = named(&[vmlinuz, "/lib/modules/6.1/kernel/x.ko"], None);
    assert_eq!(image.unwrap(), Path::new(vmlinuz));
    assert_eq!(stay, 0);
    // Another name is read where there is no usual one.
    let (image, _) = named(&[], Some(package(&["/lib/modules/6.1/Image"])));
    assert_eq!(image, None);
    // It is the package's, and not in it.
    let (image, _) = named(&["/boot/vmlinuz-6.1"], Some(package(&["/opt/x"])));
    assert_eq!(image.unwrap(), Path::new("/boot/vmlinuz-6.1"));
    // One that can be read is enough.
    let brings = package(&["/lib/modules/6.1/vmlinuz", "/lib/modules/6.1/vmlinux.xz"]);
    let (image, _) = named(&[vmlinuz], Some(brings));
    assert_eq!(image, None);
}

/// What is no kernel takes the place of the one at its own path.
#[test]
fn a_file_that_is_no_kernel_replaces_the_one_at_its_path() {
    let (own, copy) = ("/usr/lib/modules/6.1/vmlinuz", "/boot/vmlinuz-6.1");
    let (_dir, root) = root(&["boot/vmlinuz-6.1", "usr/lib/modules/6.1/vmlinuz"]);
    for (come, is_kernel, stay) in [
        (own, true, &[][..]),
        (own, false, &[copy]),
        (copy, false, &[own]),
        ("/boot/image-6.1", false, &[own, copy]),
        // One more kernel, of which nothing here is a copy.
        ("/boot/image-6.1", true, &[own, copy]),
        ("/lib/modules/6.1/vmlinux", false, &[own, copy]),
        ("/lib/modules/6.1/vmlinux", true, &[]),
    ] {
        let install = vec![element(Action::Install, &[])];
        let transaction = read(install, vec![Some(package(&[come]))], &root);
        let change = &transaction.releases["6.1"];
        let (found, unknown) = paths_of(change, &root, is_kernel);
        assert_eq!(found, stay, "{come} {is_kernel}");
        assert_eq!(unknown, None, "{come} {is_kernel}");
    }
}

/// Ghosts, links and names that no image has are no images.
#[test]
fn what_is_no_file_replaces_no_image() {
    let mut builder = rpm::PackageBuilder::new("p", "1", "GPL", "x86_64", "p");
    builder.using_config(rpm::BuildConfig::v4().compression(rpm::CompressionType::None));
    let release = "/lib/modules/6.1";
    builder
        .with_ghost(FileOptions::ghost("/boot/vmlinuz-6.1"))
        .unwrap()
        .with_symlink(FileOptions::symlink(
            format!("{release}/vmlinuz"),
            "nowhere",
        ))
        .unwrap()
        .with_dir_entry(FileOptions::dir(format!("{release}/vmlinux")))
        .unwrap();
    for name in ["vmlinux.debug", "vmlinux.txt", "vmlinuz.addon.efi", "a.ko"] {
        let options = FileOptions::new(format!("{release}/{name}"));
        builder.with_file_contents("x", options).unwrap();
    }
    let mut file = tempfile::tempfile().unwrap();
    builder.build().unwrap().write(&mut file).unwrap();
    let (_dir, root) = root(&["boot/vmlinuz-6.1", "usr/lib/modules/6.1/vmlinuz"]);
    // The ghost is in the plan, as a hook that looks at names alone has it.
    let install = element(Action::Install, &["/boot/vmlinuz-6.1"]);
    let transaction = read(vec![install], vec![Some(file)], &root);
    let change = &transaction.releases["6.1"];
    assert!(change.installs_modules());
    let both = ["/usr/lib/modules/6.1/vmlinuz", "/boot/vmlinuz-6.1"];
    assert_eq!(
        paths_of(change, &root, true),
        (both.map(str::to_owned).to_vec(), None)
    );
}

#[test]
fn a_package_that_cannot_be_read_is_named() {
    let mut broken = tempfile::tempfile().unwrap();
    broken.write_all(b"not a package").unwrap();
    let install = || element(Action::Install, &[]);
    let (_dir, root) = root(&[]);
    let transaction = read(vec![install(), install()], vec![Some(broken), None], &root);
    assert!(transaction.releases.is_empty());
    let expected = [
        "at offset 0x0: expected the magic of an rpm package (ed ab ee db)",
        "the package file cannot be opened",
    ];
    let expected = expected.map(|error| ("p-1-1.x86_64".to_owned(), error.to_owned()));
    assert_eq!(transaction.unreadable, expected);
}

#[test]
fn a_path_that_leads_up_is_judged_where_it_leads_or_said_to_lead_nowhere() {
    let (dir, root) = root(&["usr/lib/modules/6.1/vmlinuz"]);
    std::os::unix::fs::symlink("loop", dir.path().join("loop")).unwrap();
    let package = package(&[
        "/lib/modules/6.1/a.ko",
        "/lib/modules/6.1/extra/../b.ko",
        "/lib/../lib/modules/6.1/c.ko",
        "/loop/../lib/modules/6.1/lost.ko",
    ]);
    let transaction = read(
        vec![element(Action::Install, &[])],
        vec![Some(package)],
        &root,
    );
    let installed = &transaction.releases["6.1"].installed;
    let expected = ["a.ko", "b.ko", "c.ko"].map(PathBuf::from);
    assert!(installed.iter().eq(&expected), "{installed:?}");
    let places = transaction.packages[0].files.modules.iter();
    let places: Vec<_> = places.map(|module| module.place.as_path()).collect();
    assert!(
        places.contains(&Path::new("/usr/lib/modules/6.1/c.ko")),
        "{places:?}"
    );
    let [(path, why)] = &transaction.unreadable[..] else {
        panic!("{:?}", transaction.unreadable);
    };
    assert_eq!(path, "p-1-1.x86_64: /loop/../lib/modules/6.1/lost.ko");
    assert!(why.starts_with("not judged: "), "{why}");
}

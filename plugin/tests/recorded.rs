//! What the judge believes of a package's header, and when it reads the payload.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::path::{Path, PathBuf};

use btf_guard::kernel::Kernel;
use btf_guard::place::record::{self, Capability};
use common::judge::{Answer, Transaction};
use common::{Build, Place, RELEASE, base, config, long, package_with};

type Files = Vec<(String, Vec<u8>)>;

/// A kernel with modules of these builds, in their order.
fn files(builds: &[Build]) -> Files {
    let place = |name: &str| format!("/usr/lib/modules/{RELEASE}/{name}");
    let modules = builds.iter().enumerate().map(|(number, build)| {
        let name = format!("m{number}");
        (place(&format!("kernel/{name}.ko")), long(&name, *build))
    });
    let image = (place("vmlinuz"), base(Build::New));
    let config = (place("config"), config(false).into());
    modules.chain([image, config]).collect()
}

/// The base of the kernel in all these packages.
fn identity() -> String {
    let place = Place::new();
    let kernel = Kernel::open(&place.file("vmlinuz", base(Build::New)), None);
    record::base(&kernel.unwrap()).unwrap()
}

/// A package that says that `sealed` were judged, and holds `files`.
fn sealed(place: &Place, files: &Files, sealed: &Files) -> PathBuf {
    let base = identity();
    let matters = |path: &str| path.ends_with(".ko") || path.ends_with("vmlinuz");
    let digests = sealed.iter().filter(|(path, _)| matters(path));
    let digests = digests.map(|(path, bytes)| (Path::new(path), record::digest(bytes)));
    let name = |capability: Capability| capability.of(RELEASE).unwrap();
    let provides = [
        (name(Capability::Checked), record::seal(&base, digests)),
        (name(Capability::Base), base),
    ];
    let package = package_with("kernel", files, &provides);
    place.file("kernel.rpm", package)
}

fn judged(root: &Place, package: &Path) -> Answer {
    Transaction::on(root).install(package).judge()
}

/// How many modules were read and judged.
fn read(answer: &Answer) -> u64 {
    answer.0["summary"]["modules"].as_u64().unwrap()
}

const GOOD: [Build; 5] = [Build::New; 5];

#[test]
fn a_sealed_kernel_is_not_read_any_more() {
    let (root, place) = (Place::new(), Place::new());
    let all = files(&GOOD);
    let answer = judged(&root, &sealed(&place, &all, &all));
    assert_eq!((answer.decision(), read(&answer)), ("allow", 0));
    assert_eq!(answer.messages(), Vec::<String>::new());
}

#[test]
fn a_seal_on_other_files_is_none() {
    let (root, place) = (Place::new(), Place::new());
    let all = files(&GOOD);
    for change in [
        // One more than was sealed, one less, another, another image.
        |files: &mut Files| files.insert(0, ("/lib/modules/x.ko".into(), Vec::new())),
        |files: &mut Files| drop(files.remove(0)),
        |files: &mut Files| files[4].1 = long("m4", Build::Old),
        |files: &mut Files| files[5].1.push(0),
    ] {
        let mut sealed_files = all.clone();
        change(&mut sealed_files);
        let answer = judged(&root, &sealed(&place, &all, &sealed_files));
        assert_eq!((answer.decision(), read(&answer)), ("allow", 5));
    }
    let package = place.file("kernel.rpm", package_with("kernel", &all, &[]));
    assert_eq!(read(&judged(&root, &package)), 5);
}

#[test]
fn a_lie_is_told_and_nothing_more_is_believed() {
    let (root, place) = (Place::new(), Place::new());
    let all = files(&[Build::New, Build::Old, Build::New, Build::New, Build::New]);
    let answer = judged(&root, &sealed(&place, &all, &all));
    assert_eq!((answer.decision(), read(&answer)), ("block", 5));
    assert_eq!(answer.verdicts(), ["m1 refused block"]);
    let told = format!(
        "warning btf-guard: kernel-1-1.x86_64: its header says that its modules fit kernel \
         {RELEASE}, and that is not so: /usr/lib/modules/{RELEASE}/kernel/m1.ko was built for a \
         base with 5 bytes of strings, and the kernel's has 11; all of it was read instead"
    );
    assert!(answer.messages().contains(&told), "{:?}", answer.messages());
}

/// Only the first modules are looked at: what lies behind them is found on the disk,
/// after the transaction.
#[test]
fn a_lie_behind_the_sample_is_believed() {
    let (root, place) = (Place::new(), Place::new());
    let all = files(&[Build::New, Build::New, Build::New, Build::Old, Build::New]);
    let answer = judged(&root, &sealed(&place, &all, &all));
    assert_eq!((answer.decision(), read(&answer)), ("allow", 0));
}

#[test]
fn what_meets_anything_else_is_read() {
    let place = Place::new();
    let all = files(&GOOD);
    let package = sealed(&place, &all, &all);

    // A module that stays will meet this kernel.
    let root = Place::new();
    root.install("stays", Build::Old);
    let answer = judged(&root, &package);
    assert_eq!((answer.decision(), read(&answer)), ("block", 6));

    // One of another package is not sealed, nor is one that cannot be read.
    let root = Place::new();
    let other = common::judge::kmp(&place, "other", &[("other", Build::Old)]);
    let both = Transaction::on(&root).install(&package).install(&other);
    let answer = both.judge();
    assert_eq!((answer.decision(), read(&answer)), ("block", 6));
    let broken = place.file("broken.rpm", b"broken");
    let both = Transaction::on(&root).install(&package).install(&broken);
    assert_eq!(read(&both.judge()), 5);
}

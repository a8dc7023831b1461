//! What need not be read of a transaction, because its packages' headers record it
//! (`place/record.rs`): kernels that come with modules which were judged when the
//! packages were built.
//!
//! The seal in a header is somebody's word. It is believed only of a kernel that
//! comes as a whole and meets nothing else, and only after a look at the first
//! modules of each payload: whoever lied is not believed anything.

use std::ops::ControlFlow;
use std::path::Path;

use btf_guard::btf::{Split, base_strings};
use btf_guard::module::{Module, Reader};
use btf_guard::place::Role;
use btf_guard::place::package::Package;
use btf_guard::place::record;
use btf_guard::place::transaction::{Linked, Transaction};

use super::judge::Scene;

/// Modules of a package that are looked at.
const SAMPLE: usize = 3;
/// Bytes of a payload's files that may go by meanwhile: to decompress them costs
/// about as much as all else.
const SAMPLE_BYTES: u64 = 8 << 20;

/// Takes out of the transaction the releases of which the headers tell that all is
/// well. What was recorded and is not so is returned, a sentence each.
pub(crate) fn settle(
    scene: &Scene<'_>,
    transaction: &mut Transaction,
    linked: &[Linked],
) -> Vec<String> {
    let mut lies = Vec::new();
    // What an unreadable package brings is not known.
    if !transaction.unreadable.is_empty() {
        return lies;
    }
    let releases: Vec<String> = transaction.releases.keys().cloned().collect();
    for release in releases {
        let Some(base) = sealed_base(scene, transaction, linked, &release) else {
            continue;
        };
        let mut all = transaction.packages.iter();
        let samples = all.try_fold(true, |all, package| {
            Ok::<_, String>(all && look(package, &release, &base)?)
        });
        match samples {
            Ok(true) => {
                transaction.releases.remove(&release);
            }
            Ok(false) => {}
            Err(lie) => lies.push(lie),
        }
    }
    lies
}

/// The base that every package with files of the release was sealed for, where
/// nothing but these files is to be judged.
fn sealed_base(
    scene: &Scene<'_>,
    transaction: &Transaction,
    linked: &[Linked],
    release: &str,
) -> Option<String> {
    let change = transaction.releases.get(release)?;
    let (first, _) = change.brought.first()?;
    let base = transaction.packages.get(*first)?.recorded_base(release)?;
    let same = |(index, _): &(usize, _)| {
        let package = transaction.packages.get(*index);
        package.and_then(|package| package.recorded_base(release)) == Some(base)
    };
    let reaches = |linked: &Linked| {
        linked.release == release || Role::of(&linked.path).is_some_and(|role| is_of(role, release))
    };
    let sealed = |package: &Package| {
        let is_of = |path: &Path| Role::of(path).is_some_and(|role| is_of(role, release));
        let mut files = package.files().iter();
        !files.any(|file| file.has_content() && is_of(&file.path))
            || package.is_sealed(release, base, is_of)
    };
    let whole = !change.brings_unread()
        && change.brought.iter().all(same)
        && scene.running.as_deref() != Some(release)
        && !linked.iter().any(reaches)
        && transaction.packages.iter().all(sealed)
        && transaction
            .modules_that_stay(release, scene.root)
            .is_empty();
    whole.then(|| base.to_owned())
}

/// Is this an image or a module of the release?
fn is_of(role: Role<'_>, release: &str) -> bool {
    match role {
        Role::Module { release: own, .. }
        | Role::Image { release: own }
        | Role::OtherImage { release: own } => own == release,
        Role::Config { .. } => false,
    }
}

/// Looks at the first modules of a package: `true` if it has none, or they are what
/// the header says; `false` if none could be looked at.
fn look(package: &Package, release: &str, base: &str) -> Result<bool, String> {
    let wanted = |path: &Path| match Role::of(path) {
        Some(Role::Module { release: own, .. }) => own == release,
        _ => false,
    };
    let mut files = package.files().iter();
    if !files.any(|file| file.has_content() && wanted(&file.path)) {
        return Ok(true);
    }
    let (mut seen, mut lie) = (0, None);
    let mut reader = Reader::new();
    let sampled = package.sample(wanted, SAMPLE_BYTES, |file, content| {
        seen += 1;
        let path = file.path.display();
        lie = match file.is(&content) {
            false => Some(format!("{path} is not the file that was sealed")),
            true => match reader.parse(&content, &path.to_string()) {
                Ok(module) => stranger(&module, base).map(|why| format!("{path} {why}")),
                Err(error) => Some(format!("{path}: {error}")),
            },
        };
        match lie.is_some() || seen == SAMPLE {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    });
    if let Some(lie) = lie {
        let nevra = package.nevra();
        return Err(format!(
            "{nevra}: its header says that its modules fit kernel {release}, and that is not \
             so: {lie}; all of it was read instead"
        ));
    }
    // A payload that is damaged is told of by whoever reads all of it.
    Ok(seen > 0 && sampled.is_ok())
}

/// Why a module cannot be of this base, as far as it alone tells.
fn stranger(module: &Module, base: &str) -> Option<String> {
    let Some(strings) = record::strings(base) else {
        return Some("is sealed for what is no base".to_owned());
    };
    let btf = module
        .btf
        .as_deref()
        .filter(|_| module.btf_base.is_none())?;
    let own = base_strings(&Split::parse(btf, module.target?.order)?)?;
    (own != strings).then(|| {
        format!("was built for a base with {own} bytes of strings, and the kernel's has {strings}")
    })
}

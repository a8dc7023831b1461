// SPDX-License-Identifier: GPL-2.0-or-later
//! What stands, held against the disk as it is.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use btf_guard_sysroot::Root;
use btf_guard_sysroot::file_id::FileId;
use btf_guard_sysroot::host;
use btf_guard_sysroot::module_tree::{self, WalkBudget};

use super::{Finding, FindingOrigin, Findings, JudgedFiles};
use crate::boot::inventory::InventorySearch;
use crate::check::{self, CheckOptions, Checked};
use crate::depmod::ReleaseModules;
use crate::evaluate::drivers_lost::LostDrivers;
use crate::host_modules::HostNeeds;
use crate::kernel::Target;
use crate::kernel::cache::Cache;
use crate::policy::Severity;
use crate::report::{ErrorEntry, Report, failed};
use crate::transaction::directory_times::may_have_changed;
use crate::verdict::Kind;

/// The client of what is found without a transaction.
pub(crate) const CLIENT: &str = "btf-guard status";
/// The client of what nobody predicted.
pub(crate) const KERNEL: &str = "the kernel's log";

/// How long a transaction may take from its judgement to its end, in seconds: what it
/// was predicted to bring may not be there before.
const TRANSACTION: u64 = 7200;

/// Where and when.
pub struct StatusContext<'a> {
    /// The root whose modules and kernels are looked at.
    pub root: &'a Root,
    /// Keeps what images hold.
    pub cache: Option<Cache>,
    /// Where the configuration is, if not in its own place.
    pub config: Option<&'a Path>,
    /// Which boot runs.
    pub boot: Option<String>,
    /// Seconds since 1970.
    pub time: u64,
}

/// What was kept, after a look at the disk.
pub struct Rechecked {
    /// The findings that still stand.
    pub standing: Findings,
    /// Predicted by a transaction that may not have done it yet: kept, not told.
    pub pending: Vec<Finding>,
    /// What could not be read.
    pub errors: Vec<ErrorEntry>,
}

/// What is kept, as long as no module and kernel of it has changed and no other can have
/// come or gone; else, or if `rescan` asks for it, or if that has not succeeded yet, everything is judged. So it is where the
/// clock was set back: by its times nothing can be told.
pub fn recheck(scene: &StatusContext<'_>, mut known: Findings, rescan: bool) -> Rechecked {
    let is_pending = |finding: &&Finding| {
        let ends = finding.since.saturating_add(TRANSACTION);
        finding.judged.is_none() && finding.since <= scene.time && ends > scene.time
    };
    let pending = known.findings.iter().filter(is_pending).cloned().collect();
    known.checked = known.checked.filter(|checked| *checked <= scene.time);
    let may_have_changed = |checked| may_have_changed(scene.root, checked);
    let mut rescan = rescan || !known.is_complete() || known.checked.is_some_and(may_have_changed);
    let mut shadowed = ShadowedModules::default();
    let mut lost = None;
    known.findings.retain(|finding| {
        if finding.verdict == Kind::DriverLost {
            let lost = lost.get_or_insert_with(|| lost_drivers(scene));
            match lost {
                Some(lost) if !is_lost(lost, finding) => return false,
                Some(_) => {}
                // It stands as long as nobody can tell.
                None => rescan = true,
            }
        }
        let unchanged = is_unchanged(scene, finding, &mut shadowed);
        rescan |= unchanged == Some(false);
        // What the kernel has refused, it has refused of another file.
        unchanged.is_some_and(|unchanged| unchanged || finding.client != KERNEL)
    });
    let mut rechecked = Rechecked {
        standing: known,
        pending,
        errors: Vec::new(),
    };
    if rescan {
        rechecked.standing.incomplete = true;
        match check_all(scene) {
            Ok(checked) => take(scene, checked, &mut rechecked),
            Err(error) => {
                let root = scene.root.path().display().to_string();
                let error = failed(root, &format!("{error:#}"));
                rechecked.errors.push(error);
            }
        }
    }
    rechecked
}

/// True if neither the module nor the kernel has changed, nor which file of its name is
/// loaded; `None` if one of them is gone.
fn is_unchanged(
    scene: &StatusContext<'_>,
    finding: &Finding,
    shadowed: &mut ShadowedModules,
) -> Option<bool> {
    let image = match finding.kernel.target {
        Target::Running if finding.kernel.boot != scene.boot => return None,
        Target::Running => None,
        Target::NextBoot => match FileId::of(Path::new(&finding.kernel.source)) {
            Ok(image) => Some(image),
            Err(_) if finding.verdict == Kind::Unbootable => None,
            Err(_) => return None,
        },
    };
    if finding.verdict == Kind::NoModules {
        let found = module_tree::walk(Path::new(&finding.module), scene.root);
        return found.modules.is_empty().then_some(true);
    }
    let module = FileId::of(Path::new(finding.file())).ok()?;
    let is_same = finding.judged == Some(JudgedFiles { module, image });
    Some(is_same && !shadowed.contain(scene.root, finding))
}

/// What the kernel that boots by default lacks of what this machine uses; neither of its
/// files tells, nor the other kernel's.
fn lost_drivers(scene: &StatusContext<'_>) -> Option<LostDrivers> {
    let running = host::running_release(scene.root, false)?;
    let search = InventorySearch {
        root: scene.root,
        esps: &[],
        cache: scene.cache.as_ref(),
        config: None,
        releases: None,
    };
    let default = search.default_release(&search.discover())?;
    let needs = HostNeeds::new(scene.root, &running);
    Some(LostDrivers::on_disk(scene.root, &needs, &default))
}

fn is_lost(lost: &LostDrivers, finding: &Finding) -> bool {
    finding.kernel.release.as_ref() == Some(&lost.new) && lost.contains(Path::new(&finding.module))
}

/// Module files that are not loaded, by release.
#[derive(Debug, Default)]
struct ShadowedModules(BTreeMap<String, HashSet<PathBuf>>);

impl ShadowedModules {
    /// They contain the module of a finding: another file has its name now.
    fn contain(&mut self, root: &Root, finding: &Finding) -> bool {
        let (Some(release), None) = (&finding.kernel.release, &finding.initrd) else {
            return false;
        };
        let module = Path::new(&finding.module);
        let (Some(dir), Some(name)) = (module.parent(), module.file_name()) else {
            return false;
        };
        let shadowed = self.0.entry(release.clone()).or_insert_with(|| {
            let modules = ReleaseModules::read(root, release, &WalkBudget::default());
            let shadowed = modules.iter().flat_map(|m| m.shadowed(&m.loaded()));
            shadowed.map(|file| file.path).collect()
        });
        fs::canonicalize(dir).is_ok_and(|dir| shadowed.contains(&dir.join(name)))
    }
}

/// Judges all modules by all kernels.
fn check_all(scene: &StatusContext<'_>) -> anyhow::Result<Checked> {
    let options = CheckOptions {
        kernels: vec!["all".to_owned()],
        root: scene.root.path().to_owned(),
        cache: scene.cache.clone(),
        config: scene.config.map(Path::to_owned),
        ..CheckOptions::default()
    };
    check::judge(options)
}

/// Puts what was found now in the place of what stood. Of that it stays known who found it
/// and when.
fn take(scene: &StatusContext<'_>, checked: Checked, rechecked: &mut Rechecked) {
    let origin = FindingOrigin {
        time: scene.time,
        client: CLIENT,
        boot: scene.boot.as_deref(),
    };
    let mut found = super::findings(&checked.report, origin);
    found.retain(|finding| finding.severity >= Severity::Warn);
    // A package may name the same module and kernel by other paths.
    let key = |finding: &Finding| {
        let (name, initrd) = (finding.name.clone(), finding.initrd.clone());
        let (release, target) = (finding.kernel.release.clone(), finding.kernel.target);
        (name, initrd, release, target, finding.verdict)
    };
    let known = std::mem::take(&mut rechecked.standing.findings);
    // What the kernel itself has shown is no matter of opinion.
    let is_seen = |old: &&Finding| old.client == KERNEL && old.kernel.target == Target::Running;
    rechecked
        .standing
        .add(known.iter().filter(is_seen).cloned().collect());
    // What cannot be read now is what it was.
    let unread = known.iter().filter(|old| is_unread(&checked.report, old));
    let unread: Vec<Finding> = unread
        .cloned()
        .map(|old| Finding {
            judged: None,
            ..old
        })
        .collect();
    let is_whole = checked.complete && unread.is_empty();
    rechecked.standing.add(unread);
    let known: BTreeMap<_, _> = known.into_iter().map(|old| (key(&old), old)).collect();
    for finding in &mut found {
        finding.judged = stamp(finding, scene.time);
        if let Some(old) = known.get(&key(finding)) {
            finding.since = old.since;
            finding.client.clone_from(&old.client);
        }
    }
    rechecked.standing.add(found);
    if is_whole {
        rechecked.standing.checked = Some(scene.time);
        rechecked.standing.incomplete = false;
    } else {
        rechecked.errors = checked.report.errors;
    }
}

/// True if a file of the finding could not be read: a module, an image, or an initrd, of
/// which a note tells.
fn is_unread(report: &Report, finding: &Finding) -> bool {
    let files = [
        finding.module.as_str(),
        finding.file(),
        &finding.kernel.source,
    ];
    let mut errors = report.errors.iter().map(|error| error.path.as_str());
    errors.any(|path| files.contains(&path))
        || finding
            .initrd
            .as_ref()
            .is_some_and(|initrd| report.notes.iter().any(|note| note.contains(initrd)))
}

/// What the files of a finding look like that was judged at `time`; `None` where they
/// may have changed since.
pub(crate) fn stamp(finding: &Finding, time: u64) -> Option<JudgedFiles> {
    let stamp = |path: &str| {
        let stamp = FileId::of(Path::new(path)).ok()?;
        (!stamp.changed_since(time)).then_some(stamp)
    };
    Some(JudgedFiles {
        module: stamp(finding.file())?,
        image: match finding.kernel.source.as_str() {
            "running" => None,
            image if finding.verdict == Kind::Unbootable && !Path::new(image).exists() => None,
            image => Some(stamp(image)?),
        },
    })
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! What part a kernel image plays on this machine: how bad it is where a module does
//! not load.

use std::path::Path;

use btf_guard_sysroot::Root;
use serde::{Deserialize, Serialize};

use super::volume::{Volume, identity};
use super::{BootMethod, BootPath, ModulesRoot};

/// The longest of the files that are read here, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// The part that a kernel plays, the lightest first.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum TargetRole {
    /// Another system's: it is listed and never judged.
    Foreign,
    /// An image that no boot entry names.
    #[default]
    Unlisted,
    /// An image that is kept, with an initrd of its own, for the day on which nothing
    /// else boots; it is not made anew with the kernel.
    Rescue,
    /// An entry of this system that does not boot by itself.
    Entry,
    /// What boots when nobody chooses; where nothing tells, the image that all copies
    /// of a release are made of.
    Default,
    /// The running kernel.
    Running,
}

/// A role, and what says so, in words for a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RoleWithReason {
    pub(crate) role: TargetRole,
    pub(crate) reason: String,
}

impl RoleWithReason {
    pub(crate) fn new(role: TargetRole, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self { role, reason }
    }
}

impl Default for RoleWithReason {
    fn default() -> Self {
        Self::new(TargetRole::Unlisted, "no boot entry names it")
    }
}

/// What tells one's own boot entries from those of another system.
#[derive(Debug)]
pub(super) struct OwnSystem<'a> {
    root: &'a Root,
    /// `machine-id(5)`.
    machine_id: Option<String>,
    /// `/etc/kernel/entry-token` (kernel-install(8)).
    entry_token: Option<String>,
    /// What is mounted as `/`, in the words of `root=`, with its btrfs subvolume.
    mounted: Vec<MountedRoot>,
}

/// A root file system in the words of a command line or of `fstab(5)`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct MountedRoot {
    source: String,
    subvolume: Option<String>,
}

impl MountedRoot {
    /// Both are in the same words, of which each file system has but one: the answer is
    /// certain. `None` where it cannot be told.
    fn is(&self, other: &Self) -> Option<bool> {
        let same_source = match (self.source.split_once('='), other.source.split_once('=')) {
            (Some((one, of_one)), Some((two, of_two))) if one.eq_ignore_ascii_case(two) => {
                of_one.eq_ignore_ascii_case(of_two)
            }
            // A device has several names.
            (None, None) if self.source == other.source => true,
            _ => return None,
        };
        let subvolumes = self.subvolume.as_ref().zip(other.subvolume.as_ref());
        Some(same_source && subvolumes.is_none_or(|(one, two)| one == two))
    }

    /// What a command line mounts as `/`. The subvolume of a snapshot is not compared:
    /// [`ModulesRoot`] knows of those.
    fn of_command_line(options: &str) -> Option<Self> {
        let last = |key| {
            let words = options.split_whitespace();
            words.filter_map(|word| word.strip_prefix(key)).next_back()
        };
        let source = last("root=")?.trim_matches('"').to_owned();
        let subvolume = last("rootflags=").and_then(subvolume);
        Some(Self { source, subvolume })
    }
}

/// `subvol=` among the options of a mount, without the slash that it may begin with.
fn subvolume(options: &str) -> Option<String> {
    let mut options = options.split(',');
    let path = options.find_map(|option| option.strip_prefix("subvol="))?;
    let path = path.trim_start_matches('/');
    (!path.contains(".snapshots/")).then(|| path.to_owned())
}

impl<'a> OwnSystem<'a> {
    pub(super) fn read(root: &'a Root) -> Self {
        let whole = Volume::part_of(root, Path::new("/"));
        let text = |path: &str| whole.read(path, MAX_FILE).ok().flatten();
        let word = |path: &str| text(path).map(|text| text.trim().to_owned());
        let machine_id = word("etc/machine-id").filter(|id| is_machine_id(id));
        let mut mounted: Vec<_> = text("etc/fstab")
            .as_deref()
            .and_then(root_of_fstab)
            .into_iter()
            .collect();
        if root.is_system() {
            let options = text("proc/cmdline");
            mounted.extend(options.as_deref().and_then(MountedRoot::of_command_line));
        }
        Self {
            root,
            machine_id,
            entry_token: word("etc/kernel/entry-token"),
            mounted,
        }
    }

    /// Why an entry is not for this system, in words for a report; `None` where nothing
    /// says so.
    ///
    /// What is mounted as `/` is believed first: after a change of the machine's id,
    /// entries under the old one still boot this system.
    pub(super) fn why_foreign(&self, entry: &BootPath) -> Option<String> {
        let options = entry.options.as_deref().unwrap_or_default();
        if let Some(deployment) = option(options, "ostree=") {
            return match self.is_own_deployment(deployment) {
                true => None,
                false => Some(format!("it boots another deployment, {deployment}")),
            };
        }
        if let Some(other) = MountedRoot::of_command_line(options) {
            let answers = self.mounted.iter().filter_map(|own| own.is(&other));
            match answers.max() {
                Some(true) => return None,
                Some(false) => {
                    return Some(format!("it mounts another root, root={}", other.source));
                }
                None => {}
            }
        }
        let own = self.machine_id.as_ref()?;
        let is_own = |id: &str| {
            id.eq_ignore_ascii_case(own) || self.entry_token.as_deref().is_some_and(|t| t == id)
        };
        let token = || entry.id.as_deref().and_then(token);
        let named = entry.machine_id.as_deref().or_else(token);
        let other = named.filter(|id| is_machine_id(id) && !is_own(id))?;
        Some(format!("it is for the machine-id {other}"))
    }

    /// `ostree=` leads, by links, to the directory of a deployment (ostree's
    /// ostree-prepare-root.c, `resolve_deploy_path()`); the root of a running system is
    /// that directory.
    fn is_own_deployment(&self, path: &str) -> bool {
        let own = self.root.path();
        let sysroots = own.ancestors().filter(|dir| dir.join("ostree").is_dir());
        let sysroots = [own.join("sysroot")]
            .into_iter()
            .chain(sysroots.map(Path::to_owned));
        let leads_here = |sysroot: &Path| {
            let sysroot = Root::new(sysroot).ok()?;
            let deployment = sysroot.resolve(Path::new(path)).ok()?;
            let same = identity(&deployment).ok()? == identity(own).ok()?;
            Some(same || deployment == own)
        };
        if sysroots
            .into_iter()
            .any(|sysroot| leads_here(&sysroot) == Some(true))
        {
            return true;
        }
        // With composefs the root is a file system of its own.
        let running = self
            .root
            .is_system()
            .then(|| std::fs::read_to_string("/proc/cmdline"));
        let running = running.and_then(Result::ok);
        running.as_deref().and_then(|line| option(line, "ostree=")) == Some(path)
    }
}

/// The role that one way to boot an image gives it; `None` where only its place tells
/// that it is a kernel.
pub(super) fn role_by(
    via: &BootPath,
    home: &ModulesRoot,
    is_rescue: bool,
) -> Option<RoleWithReason> {
    let source = via.source.display();
    if matches!(via.way, BootMethod::ModuleDir | BootMethod::Boot) {
        // Whoever else names it: what lies where this system's images lie is its own.
        return Some(match is_rescue {
            true => RoleWithReason::new(TargetRole::Rescue, "by its name"),
            false => RoleWithReason::default(),
        });
    }
    if let Some(why) = &via.foreign {
        return Some(RoleWithReason::new(
            TargetRole::Foreign,
            format!("{source}: {why}"),
        ));
    }
    if let ModulesRoot::Unreachable { number } = home {
        let why = format!("{source}: snapshot {number} cannot be reached");
        return Some(RoleWithReason::new(TargetRole::Foreign, why));
    }
    let role = match (via.default, is_rescue) {
        (true, _) => TargetRole::Default,
        (false, true) => TargetRole::Rescue,
        (false, false) => TargetRole::Entry,
    };
    Some(RoleWithReason::new(role, format!("by {source}")))
}

/// A rescue image by the name that dracut's `51-dracut-rescue.install` gives it
/// (`vmlinuz-0-rescue-ID`), or a fallback image of mkinitcpio's. What an entry is called
/// makes no image one.
pub(super) fn is_rescue(image: &Path, unified: bool) -> bool {
    let name = image.file_name().and_then(|name| name.to_str());
    let name = name.unwrap_or_default().to_ascii_lowercase();
    let is_fallback = name.trim_end_matches(".efi").ends_with("-fallback");
    name.contains("-0-rescue") || unified && is_fallback
}

/// The last word of a command line that begins with `key`, without it.
fn option<'o>(options: &'o str, key: &str) -> Option<&'o str> {
    let words = options.split_whitespace();
    words.filter_map(|word| word.strip_prefix(key)).next_back()
}

/// The entry token of an id: `TOKEN-RELEASE.conf` or `.efi`, where it is a machine's id.
fn token(id: &str) -> Option<&str> {
    id.split_once('-').map(|(token, _)| token)
}

fn is_machine_id(id: &str) -> bool {
    id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The line of `fstab(5)` for `/`.
fn root_of_fstab(text: &str) -> Option<MountedRoot> {
    let lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'));
    let mut mounts = lines.filter_map(|line| {
        let mut words = line.split_whitespace();
        let (source, place, _, options) =
            (words.next()?, words.next()?, words.next()?, words.next());
        (place == "/").then(|| MountedRoot {
            source: source.trim_matches('"').replace('"', ""),
            subvolume: options.and_then(subvolume),
        })
    });
    mounts.next()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    const OWN: &str = "0123456789abcdef0123456789abcdef";
    const OTHER: &str = "fedcba9876543210fedcba9876543210";

    #[test]
    fn whose_an_entry_is() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("etc")).unwrap();
        fs::write(dir.path().join("etc/machine-id"), format!("{OWN}\n")).unwrap();
        fs::write(
            dir.path().join("etc/fstab"),
            "# / is\nUUID=AA-1 / btrfs subvol=/@,rw 0 0\nUUID=b /home ext4\n",
        )
        .unwrap();
        let root = Root::new(dir.path()).unwrap();
        let own = OwnSystem::read(&root);
        let id = |token: &str| format!("{token}-6.1.conf");
        let (ours, theirs) = (id(OWN), id(OTHER));
        for (id, machine_id, options, foreign) in [
            (ours.as_str(), None, "", false),
            (theirs.as_str(), None, "", true),
            ("fedora-6.1.conf", None, "", false),
            ("fedora-6.1.conf", Some(OTHER), "", true),
            (theirs.as_str(), Some(OWN), "", false),
            // The root file system is believed first.
            (theirs.as_str(), None, "root=UUID=aa-1 quiet", false),
            (ours.as_str(), None, "root=UUID=aa-2 quiet", true),
            (ours.as_str(), None, "root=UUID=aa-2 root=UUID=aa-1", false),
            (ours.as_str(), None, "root=/dev/sda2", false),
            (ours.as_str(), None, "root=LABEL=x", false),
            (
                ours.as_str(),
                None,
                "root=UUID=aa-1 rootflags=subvol=@two",
                true,
            ),
            (
                ours.as_str(),
                None,
                "root=UUID=aa-1 rootflags=subvol=@",
                false,
            ),
            (
                ours.as_str(),
                None,
                "root=UUID=aa-1 rootflags=subvol=@/.snapshots/2/snapshot",
                false,
            ),
            (
                ours.as_str(),
                None,
                "ostree=/ostree/boot.0/fedora/c/0",
                true,
            ),
        ] {
            let entry = BootPath {
                id: Some(id.to_owned()),
                machine_id: machine_id.map(str::to_owned),
                options: Some(options.to_owned()),
                ..BootPath::default()
            };
            let why = own.why_foreign(&entry);
            assert_eq!(why.is_some(), foreign, "{entry:?}: {why:?}");
        }
    }

    #[test]
    fn a_deployment_is_known_by_its_directory() {
        let sysroot = tempfile::tempdir().unwrap();
        let deploy = |name: &str| sysroot.path().join("ostree/deploy/os/deploy").join(name);
        for name in ["one.0", "two.0"] {
            fs::create_dir_all(deploy(name)).unwrap();
            let boot = sysroot.path().join("ostree/boot.1/os").join(name);
            fs::create_dir_all(&boot).unwrap();
            symlink(format!("../../../deploy/os/deploy/{name}"), boot.join("0")).unwrap();
        }
        let root = Root::new(&deploy("one.0")).unwrap();
        let own = OwnSystem::read(&root);
        for (name, foreign) in [("one.0", false), ("two.0", true), ("gone", true)] {
            let entry = BootPath {
                options: Some(format!("root=UUID=x ostree=/ostree/boot.1/os/{name}/0")),
                ..BootPath::default()
            };
            assert_eq!(own.why_foreign(&entry).is_some(), foreign, "{name}");
        }
    }
}

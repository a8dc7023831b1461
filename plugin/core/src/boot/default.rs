// SPDX-License-Identifier: GPL-2.0-or-later
//! What boots when nobody chooses, as far as the boot loaders' files tell.

use std::path::Path;

use super::collector::{Collector, Slot};
use super::grub::{self, BlsEntry, Selected};
use super::grub_cfg::GrubConfig;
use super::systemd_boot::{self, DefaultPattern, EfiVariables, Ids, LoaderEntry};
use super::volume::Volume;
use super::{BootDefault, bls};
use crate::vercmp;

/// Finds the default and marks it.
pub(crate) fn choose(
    efivars: Option<&Path>,
    volumes: &[Volume],
    candidates: &[LoaderEntry],
    configs: &[GrubConfig],
    collector: &mut Collector<'_>,
) -> BootDefault {
    let variables = efivars.map(|dir| EfiVariables::read(dir, &mut collector.problems));
    let variables = variables.unwrap_or_default();
    let installed = volumes
        .iter()
        .any(|volume| has_systemd_boot(volume, collector));
    let info = variables.info.as_deref().unwrap_or_default();
    // Others than systemd-boot and GRUB follow the specification, too.
    let chosen = if info.starts_with("systemd-boot") || configs.is_empty() {
        of_specification(volumes, candidates, &variables, collector)
    } else if installed && !info.starts_with("GRUB") {
        Err("both systemd-boot and GRUB are installed".to_owned())
    } else {
        of_grub(configs, candidates)
    };
    match chosen {
        Ok((slot, by)) => collector.mark_default(slot, by),
        Err(why) => BootDefault::Unknown(why),
    }
}

/// True if systemd-boot is installed on this volume: `bootctl install` puts both
/// files there.
fn has_systemd_boot(volume: &Volume, collector: &mut Collector<'_>) -> bool {
    let is_loader = |name: &str| {
        let name = name.to_ascii_lowercase();
        name.starts_with("systemd-boot") && name.ends_with(".efi")
    };
    let programs = volume.list("EFI/systemd", is_loader, &mut collector.problems);
    !programs.is_empty() || volume.find("loader/loader.conf").is_ok()
}

/// What is chosen, and by what; or why that cannot be told.
type Chosen = Result<(Slot, String), String>;

fn of_specification(
    volumes: &[Volume],
    candidates: &[LoaderEntry],
    variables: &EfiVariables,
    collector: &mut Collector<'_>,
) -> Chosen {
    let (mut value, mut by) = (None, String::new());
    for volume in volumes {
        let path = "loader/loader.conf";
        match volume.read(path, bls::MAX_ENTRY) {
            Err(problem) => collector.problems.push(problem),
            Ok(text) if value.is_none() => {
                let found = text.as_deref().and_then(systemd_boot::loader_conf_default);
                value = found.map(str::to_owned);
                by = volume.show(path).display().to_string();
            }
            Ok(_) => {}
        }
    }
    let mut wishes = systemd_boot::wishes(variables, value.as_deref(), &by);
    wishes.extend(volumes.iter().flat_map(|v| grubenv_default(v, collector)));

    let listed = candidates.iter().filter(|entry| entry.listed);
    let listed: Vec<&LoaderEntry> = listed.collect();
    // Of a menu in which nothing is left, what would have been chosen does not boot.
    let listed = match listed.is_empty() {
        true => candidates.iter().filter(|entry| entry.lost).collect(),
        false => listed,
    };
    let ids = Ids::possible(variables.info.as_deref());
    let (entry, by) = systemd_boot::choose(listed, &wishes, ids)?;
    let fetched = || format!("{} fetches its image", entry.name.id);
    Ok((entry.slot.ok_or_else(fetched)?, by))
}

/// `default` in a `grubenv` on the EFI system partition: there openSUSE's
/// sdbootutil sets it for a GRUB that reads entries and has no `grub.cfg`
/// (`set_default_grub2_bls()`).
fn grubenv_default(volume: &Volume, collector: &mut Collector<'_>) -> Vec<DefaultPattern> {
    let mut wishes = Vec::new();
    for dir in volume.list("EFI", |_| true, &mut collector.problems) {
        let path = format!("EFI/{dir}/grubenv");
        if let Ok(Some(text)) = volume.read(&path, grub::MAX_ENV)
            && let Some(pattern) = grub::parse_grubenv(&text).remove("default")
            && !pattern.is_empty()
        {
            let by = volume.show(&path).display().to_string();
            wishes.push(DefaultPattern { pattern, by });
        }
    }
    wishes
}

fn of_grub(configs: &[GrubConfig], candidates: &[LoaderEntry]) -> Chosen {
    let [config] = configs else {
        return Err("there is more than one grub.cfg with a menu".to_owned());
    };
    let mut bls: Vec<&LoaderEntry> = candidates.iter().filter(|one| one.type1).collect();
    // Highest version first, as Fedora's blscfg has it.
    bls.sort_by(|a, b| {
        let version = |one: &LoaderEntry| one.version.clone().unwrap_or_default();
        let (one, two) = (&a.name.file, &b.name.file);
        vercmp::compare(&version(b), &version(a)).then_with(|| vercmp::compare(two, one))
    });
    let named = bls.iter().map(|one| BlsEntry {
        id: stem(&one.name.file).to_owned(),
        title: one.title.clone().unwrap_or_default(),
    });
    let (slot, name) = match config.menu.default(&named.collect::<Vec<_>>())? {
        Selected::Item(at) => {
            let title = config.menu.items.get(at).and_then(|i| i.title.clone());
            (config.slots.get(at).copied().flatten(), title)
        }
        Selected::Bls(at) => {
            let candidate = bls.get(at);
            let id = candidate.map(|one| one.name.id.clone());
            (candidate.and_then(|one| one.slot), id)
        }
    };
    let name = name.unwrap_or_default();
    let none = || format!("the default item of GRUB, {name}, starts no kernel that is here");
    Ok((slot.ok_or_else(none)?, config.path.display().to_string()))
}

fn stem(file: &str) -> &str {
    file.rsplit_once('.').map_or(file, |(stem, _)| stem)
}

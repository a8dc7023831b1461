// SPDX-License-Identifier: GPL-2.0-or-later
//! The kernels of a root, as data (and so as JSON) and as text.

use std::path::Path;

use btf_guard_protocol::plan::SCHEMA;

use super::style::StyledText;
use crate::boot::inventory::{InstalledKernel, Inventory};
use crate::boot::{BootDefault, BootMethod, TargetRole};
use crate::kernel::Kernel;
use crate::report::{
    BootDefaultEntry, BootPathEntry, KernelEntry, KernelList, ListedKernel, failed, kernel_entry,
};

fn listed(id: usize, installed: &InstalledKernel, running: Option<&Kernel>) -> ListedKernel {
    let mut entry = kernel_entry(id, &installed.kernel);
    entry.source = installed.bootable.path.display().to_string();
    entry.default = installed.bootable.is_default();
    entry.role = installed.role.role;
    entry.role_reason.clone_from(&installed.role.reason);
    entry.stale = installed.stale.as_ref().map(Into::into);
    let via = installed.bootable.via.iter().map(|via| BootPathEntry {
        method: word(via.way).to_owned(),
        source: via.source.display().to_string(),
        id: via.id.clone(),
        title: via.title.clone(),
    });
    let runs = |running: &Kernel| {
        let kernel = &installed.kernel;
        let builds = (&running.build, &kernel.build);
        running.release == kernel.release
            && !matches!(builds, (Some(one), Some(other)) if one != other)
            && running.sha256() == kernel.sha256()
    };
    ListedKernel {
        build_id: installed.build_id.clone(),
        snapshot: installed.bootable.home.snapshot(),
        running: running.is_some_and(runs),
        boot_paths: via.collect(),
        ..without_image(entry, installed.module_dir.as_deref())
    }
}

/// A kernel of which no image is known: the one that runs.
fn without_image(entry: KernelEntry, module_dir: Option<&Path>) -> ListedKernel {
    ListedKernel {
        entry,
        build_id: None,
        module_dir: module_dir.map(|dir| dir.display().to_string()),
        snapshot: None,
        running: true,
        orphan: module_dir.is_none(),
        boot_paths: Vec::new(),
    }
}

fn role_word(role: TargetRole) -> &'static str {
    match role {
        TargetRole::Foreign => "foreign",
        TargetRole::Unlisted => "unlisted",
        TargetRole::Rescue => "rescue",
        TargetRole::Entry => "entry",
        TargetRole::Default => "default",
        TargetRole::Running => "running",
    }
}

fn word(way: BootMethod) -> &'static str {
    match way {
        BootMethod::ModuleDir => "module-dir",
        BootMethod::Entry => "entry",
        BootMethod::Uki => "uki",
        BootMethod::Kernelstub => "kernelstub",
        BootMethod::Grub => "grub",
        BootMethod::Boot => "boot",
    }
}

/// The list of an inventory; `running` is the kernel that runs and its module directory.
pub fn kernel_list(inventory: &Inventory, running: Option<(&Kernel, Option<&Path>)>) -> KernelList {
    let installed = inventory.kernels.iter().enumerate();
    let kernel = running.map(|(kernel, _)| kernel);
    let mut kernels: Vec<ListedKernel> = installed
        .map(|(id, installed)| listed(id, installed, kernel))
        .collect();
    if let Some((kernel, dir)) = running
        && !kernels.iter().any(|listed| listed.running)
    {
        kernels.push(without_image(kernel_entry(kernels.len(), kernel), dir));
    }
    let (known, reason) = match &inventory.default {
        BootDefault::Known(why) => (true, why.clone()),
        BootDefault::Unknown(why) => (false, why.clone()),
    };
    KernelList {
        schema: SCHEMA,
        kernels,
        boot_default: BootDefaultEntry { known, reason },
        errors: inventory
            .troubles()
            .map(|problem| failed(problem.path.display().to_string(), &problem.fault))
            .collect(),
    }
}

/// The list as text: a paragraph a kernel.
pub fn kernels_text(list: &KernelList) -> String {
    let mut text = StyledText::default();
    for kernel in &list.kernels {
        let entry = &kernel.entry;
        let marks = [
            (kernel.running, "runs now"),
            (entry.default, "boots by default"),
            (entry.stale.is_some(), "STALE COPY"),
            (kernel.orphan, "no modules"),
        ];
        let marks = marks.iter().filter(|(is, _)| *is).map(|(_, mark)| *mark);
        let marks = marks.collect::<Vec<_>>().join(", ");
        let release = entry.release.as_deref().unwrap_or("(no release)");
        text.line(match marks.as_str() {
            "" => release.to_owned(),
            marks => format!("{release}  [{marks}]"),
        });
        let mut line = |label: &str, value: &str| text.line(format!("  {label:<8} {value}"));
        line("image", &entry.source);
        line(
            "role",
            &format!("{}: {}", role_word(entry.role), entry.role_reason),
        );
        if let Some(build) = &entry.build {
            line("build", build);
        }
        match &entry.base {
            Some(base) => {
                let sha256 = base.sha256.get(..12).unwrap_or(&base.sha256);
                line("base", &format!("{base}, sha256 {sha256}…"));
            }
            None => line("base", "none was found"),
        }
        let mismatch = match (entry.features.allow_mismatch, &entry.config) {
            (Some(true), Some(config)) => format!("loads modules without their BTF ({config})"),
            (Some(false), Some(config)) => format!("refuses modules ({config})"),
            _ => "not known: no config was found".to_owned(),
        };
        line("mismatch", &mismatch);
        if let Some(dir) = &kernel.module_dir {
            line("modules", dir);
        }
        for path in &kernel.boot_paths {
            if path.source != entry.source {
                let id = path.id.as_deref().map(|id| format!(" '{id}'"));
                let (method, source) = (&path.method, &path.source);
                line(
                    "via",
                    &format!("{method} {source}{}", id.unwrap_or_default()),
                );
            }
        }
        if let Some(stale) = &entry.stale {
            let build = stale.build.as_deref().map(|build| format!(" ({build})"));
            let (than, build) = (&stale.newer_image, build.unwrap_or_default());
            line("stale", &format!("another build than {than}{build}"));
            line("help", &stale.fix_command);
        }
        text.line("");
    }
    let default = &list.boot_default;
    let unknown = if default.known { "" } else { "unknown, " };
    text.line(format!("default: {unknown}{}", default.reason));
    text.0
}

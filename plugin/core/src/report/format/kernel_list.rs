// SPDX-License-Identifier: GPL-2.0-or-later
//! The kernels of a root, as data (and so as JSON) and as text.

use std::io::{self, Write};
use std::path::Path;

use btf_guard_protocol::plan::SCHEMA;
use btf_guard_protocol::terminal::escape;

use crate::boot::inventory::{InstalledKernel, Inventory};
use crate::boot::{BootDefault, BootMethod};
use crate::kernel::Kernel;
use crate::report::{
    BootDefaultEntry, BootPathEntry, ErrorEntry, KernelList, ListedKernel, kernel_entry,
};

fn listed(id: usize, installed: &InstalledKernel, running: Option<&Kernel>) -> ListedKernel {
    let mut entry = kernel_entry(id, &installed.kernel);
    entry.source = installed.bootable.path.display().to_string();
    entry.default = installed.bootable.is_default();
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
        entry,
        build_id: installed.build_id.clone(),
        module_dir: installed
            .module_dir
            .as_ref()
            .map(|dir| dir.display().to_string()),
        snapshot: installed.bootable.home.snapshot(),
        running: running.is_some_and(runs),
        orphan: installed.module_dir.is_none(),
        boot_paths: via.collect(),
    }
}

/// The kernel that runs, of which no image is left.
fn listed_running(id: usize, kernel: &Kernel, module_dir: Option<&Path>) -> ListedKernel {
    ListedKernel {
        entry: kernel_entry(id, kernel),
        build_id: None,
        module_dir: module_dir.map(|dir| dir.display().to_string()),
        snapshot: None,
        running: true,
        orphan: module_dir.is_none(),
        boot_paths: Vec::new(),
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

/// The list of an inventory; `running` is the kernel that runs and its module
/// directory, where that is of interest.
pub fn kernel_list(inventory: &Inventory, running: Option<(&Kernel, Option<&Path>)>) -> KernelList {
    let installed = inventory.kernels.iter().enumerate();
    let kernel = running.map(|(kernel, _)| kernel);
    let mut kernels: Vec<ListedKernel> = installed
        .map(|(id, installed)| listed(id, installed, kernel))
        .collect();
    if let Some((kernel, dir)) = running
        && !kernels.iter().any(|listed| listed.running)
    {
        kernels.push(listed_running(kernels.len(), kernel, dir));
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
            .map(|(path, error)| ErrorEntry {
                path: path.display().to_string(),
                error: error.to_owned(),
                harmless: false,
            })
            .collect(),
    }
}

/// Writes the list as text: a paragraph a kernel.
///
/// # Errors
/// Those of `out`.
pub fn write_kernels(list: &KernelList, out: &mut impl Write) -> io::Result<()> {
    for kernel in &list.kernels {
        let release = escape(kernel.entry.release.as_deref().unwrap_or("(no release)"));
        let mut words = Vec::new();
        if kernel.running {
            words.push("runs now");
        }
        if kernel.entry.default {
            words.push("boots by default");
        }
        if kernel.entry.stale.is_some() {
            words.push("STALE COPY");
        }
        if kernel.orphan {
            words.push("no modules");
        }
        let words = match words[..] {
            [] => String::new(),
            _ => format!("  [{}]", words.join(", ")),
        };
        writeln!(out, "{release}{words}")?;
        writeln!(out, "  image    {}", escape(&kernel.entry.source))?;
        if let Some(build) = &kernel.entry.build {
            writeln!(out, "  build    {}", escape(build))?;
        }
        match &kernel.entry.base {
            Some(base) => {
                let sha256 = base.sha256.get(..12).unwrap_or(&base.sha256);
                writeln!(out, "  base     {base}, sha256 {sha256}…")?;
            }
            None => writeln!(out, "  base     none was found")?,
        }
        match (kernel.entry.abilities.allow_mismatch, &kernel.entry.config) {
            (Some(allow), Some(config)) => {
                let what = if allow {
                    "loads modules without their BTF"
                } else {
                    "refuses modules"
                };
                writeln!(out, "  mismatch {what} ({})", escape(config))?;
            }
            _ => writeln!(out, "  mismatch not known: no config was found")?,
        }
        if let Some(dir) = &kernel.module_dir {
            writeln!(out, "  modules  {}", escape(dir))?;
        }
        for via in kernel
            .boot_paths
            .iter()
            .filter(|via| via.source != kernel.entry.source)
        {
            let id = via.id.as_deref().map(|id| format!(" '{}'", escape(id)));
            let (way, source) = (&via.method, escape(&via.source));
            writeln!(out, "  via      {way} {source}{}", id.unwrap_or_default())?;
        }
        if let Some(stale) = &kernel.entry.stale {
            let build = stale
                .build
                .as_deref()
                .map(|build| format!(" ({})", escape(build)));
            let (than, build) = (escape(&stale.newer_image), build.unwrap_or_default());
            writeln!(out, "  stale    another build than {than}{build}")?;
            writeln!(out, "  help     {}", escape(&stale.fix_command))?;
        }
        writeln!(out)?;
    }
    let default = &list.boot_default;
    let unknown = if default.known { "" } else { "unknown, " };
    writeln!(out, "default: {unknown}{}", escape(&default.reason))
}

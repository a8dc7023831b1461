//! The kernels of a root, as data (and so as JSON) and as text.

use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

use super::words::shown;
use super::{ErrorEntry, KernelEntry};
use crate::kernel::Kernel;
use crate::place::boot::{BootDefault, BootMethod};
use crate::place::inventory::{Installed, Inventory};
use crate::place::plan::SCHEMA;

/// Every kernel that a root can run or boot.
#[derive(Debug, Serialize)]
pub struct KernelList {
    /// [`SCHEMA`].
    pub schema: u32,
    /// In a fixed order.
    pub kernels: Vec<Listed>,
    /// What boots when nobody chooses, or why that cannot be told.
    pub default: DefaultEntry,
    /// What could not be read, or cannot boot.
    pub errors: Vec<ErrorEntry>,
}

/// What boots when nobody chooses.
#[derive(Debug, Serialize)]
pub struct DefaultEntry {
    /// Is it known?
    pub known: bool,
    /// What says so, or why it is not known.
    pub why: String,
}

/// One kernel of the list.
#[derive(Debug, Serialize)]
pub struct Listed {
    /// What every report says of a kernel.
    #[serde(flatten)]
    pub entry: KernelEntry,
    /// GNU build id.
    pub build_id: Option<String>,
    /// The module directory that it will use.
    pub module_dir: Option<String>,
    /// The snapshot that it mounts as its root.
    pub snapshot: Option<u64>,
    /// It is the kernel that runs now.
    pub running: bool,
    /// It has no module directory.
    pub orphan: bool,
    /// What leads to it.
    pub via: Vec<ViaEntry>,
}

/// One thing that leads to a kernel.
#[derive(Debug, Serialize)]
pub struct ViaEntry {
    /// `module-dir`, `entry`, `uki`, `kernelstub`, `grub` or `boot`.
    pub way: &'static str,
    /// The file that names it.
    pub source: String,
    /// The boot loader's id for it.
    pub id: Option<String>,
    /// What a menu shows.
    pub title: Option<String>,
}

impl Listed {
    fn new(id: usize, installed: &Installed, running: Option<&Kernel>) -> Self {
        let mut entry = KernelEntry::new(id, &installed.kernel);
        entry.source = installed.bootable.path.display().to_string();
        entry.default = installed.bootable.is_default();
        entry.stale = installed.stale.as_ref().map(Into::into);
        let via = installed.bootable.via.iter().map(|via| ViaEntry {
            way: word(via.way),
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
        Self {
            entry,
            build_id: installed.build_id.clone(),
            module_dir: installed
                .module_dir
                .as_ref()
                .map(|dir| dir.display().to_string()),
            snapshot: installed.bootable.home.snapshot(),
            running: running.is_some_and(runs),
            orphan: installed.module_dir.is_none(),
            via: via.collect(),
        }
    }
}

impl Listed {
    /// The kernel that runs, of which no image is left.
    fn running(id: usize, kernel: &Kernel, module_dir: Option<&Path>) -> Self {
        Self {
            entry: KernelEntry::new(id, kernel),
            build_id: None,
            module_dir: module_dir.map(|dir| dir.display().to_string()),
            snapshot: None,
            running: true,
            orphan: module_dir.is_none(),
            via: Vec::new(),
        }
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

impl KernelList {
    /// The list of an inventory; `running` is the kernel that runs and its module
    /// directory, where that is of interest.
    pub fn new(inventory: &Inventory, running: Option<(&Kernel, Option<&Path>)>) -> Self {
        let installed = inventory.kernels.iter().enumerate();
        let kernel = running.map(|(kernel, _)| kernel);
        let mut kernels: Vec<Listed> = installed
            .map(|(id, installed)| Listed::new(id, installed, kernel))
            .collect();
        if let Some((kernel, dir)) = running
            && !kernels.iter().any(|listed| listed.running)
        {
            kernels.push(Listed::running(kernels.len(), kernel, dir));
        }
        let (known, why) = match &inventory.default {
            BootDefault::Known(why) => (true, why.clone()),
            BootDefault::Unknown(why) => (false, why.clone()),
        };
        Self {
            schema: SCHEMA,
            kernels,
            default: DefaultEntry { known, why },
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
}

/// Writes the list as text: a paragraph a kernel.
///
/// # Errors
/// Those of `out`.
pub fn write_kernels(list: &KernelList, out: &mut impl Write) -> io::Result<()> {
    for kernel in &list.kernels {
        let release = shown(kernel.entry.release.as_deref().unwrap_or("(no release)"));
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
        writeln!(out, "  image    {}", shown(&kernel.entry.source))?;
        if let Some(build) = &kernel.entry.build {
            writeln!(out, "  build    {}", shown(build))?;
        }
        match &kernel.entry.base {
            Some(base) => writeln!(
                out,
                "  base     {} types, {} bytes of strings, sha256 {}…",
                base.types,
                base.strings,
                base.sha256.get(..12).unwrap_or(&base.sha256)
            )?,
            None => writeln!(out, "  base     none was found")?,
        }
        match (kernel.entry.abilities.allow_mismatch, &kernel.entry.config) {
            (Some(allow), Some(config)) => {
                let what = if allow {
                    "loads modules without their BTF"
                } else {
                    "refuses modules"
                };
                writeln!(out, "  mismatch {what} ({})", shown(config))?;
            }
            _ => writeln!(out, "  mismatch not known: no config was found")?,
        }
        if let Some(dir) = &kernel.module_dir {
            writeln!(out, "  modules  {}", shown(dir))?;
        }
        for via in kernel
            .via
            .iter()
            .filter(|via| via.source != kernel.entry.source)
        {
            let id = via.id.as_deref().map(|id| format!(" '{}'", shown(id)));
            let (way, source) = (via.way, shown(&via.source));
            writeln!(out, "  via      {way} {source}{}", id.unwrap_or_default())?;
        }
        if let Some(stale) = &kernel.entry.stale {
            let build = stale
                .build
                .as_deref()
                .map(|build| format!(" ({})", shown(build)));
            let (than, build) = (shown(&stale.than), build.unwrap_or_default());
            writeln!(out, "  stale    another build than {than}{build}")?;
            writeln!(out, "  help     {}", shown(&stale.mend))?;
        }
        writeln!(out)?;
    }
    let default = &list.default;
    let unknown = if default.known { "" } else { "unknown, " };
    writeln!(out, "default: {unknown}{}", shown(&default.why))
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! `btf-guard kernels`.

use anyhow::{Context, bail};
use btf_guard_core::boot::inventory::InventorySearch;
use btf_guard_core::kernel::Kernel;
use btf_guard_core::report::{self, kernels_text};
use btf_guard_sysroot::Root;

use crate::args::{Kernels, ListFormat};
use crate::output::Outcome;
use crate::{cache_dir, output};

pub(crate) fn run(args: &Kernels) -> anyhow::Result<Outcome> {
    let root = Root::new(&args.root).with_context(|| format!("--root {}", args.root.display()))?;
    let cache = cache_dir::open(args.cache.as_deref());
    let inventory = InventorySearch {
        root: &root,
        esps: &args.esps,
        cache: cache.as_ref(),
        config: None,
        releases: None,
    }
    .inventory();
    // What runs is no kernel of any other root.
    let running = root.is_system().then(Kernel::running).and_then(Result::ok);
    let release = running.as_ref().and_then(|k| k.release.as_deref());
    let modules = release.and_then(|release| root.module_dir(release));
    let running = running.as_ref().map(|kernel| (kernel, modules.as_deref()));
    let list = report::kernel_list(&inventory, running);
    if list.kernels.is_empty() && list.errors.is_empty() {
        bail!("no kernel was found under {}", root.path().display());
    }
    match args.format {
        ListFormat::Json => output::json(&list)?,
        ListFormat::Text => {
            output::print(&kernels_text(&list))?;
            output::input_errors(&list.errors)?;
        }
    }
    Ok(match list.kernels.is_empty() {
        true => Outcome::Incomplete,
        false => Outcome::Done,
    })
}

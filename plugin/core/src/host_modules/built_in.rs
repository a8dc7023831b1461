// SPDX-License-Identifier: GPL-2.0-or-later
//! What a kernel has built in, in the words of the lists that its build puts beside its
//! modules (Documentation/kbuild/kbuild.rst).

use std::collections::{BTreeSet, HashSet};
use std::path::Path;

use super::modules_alias::Aliases;
use super::{MAX_INDEX, etc};
use crate::module::name_of_file;

/// The list of paths that its parts would have as modules.
pub(crate) const LIST: &str = "modules.builtin";

/// What their modinfo would say: `NAME.KEY=VALUE`, each ended by NUL. Kernels have it
/// since 5.2.
pub(crate) const MODINFO: &str = "modules.builtin.modinfo";

/// The modules that a kernel has built in.
#[derive(Debug, Default)]
pub(crate) struct BuiltInModules {
    names: HashSet<String>,
    aliases: Aliases,
}

impl BuiltInModules {
    /// Of a module directory; `None` where it has no list, and nothing is known.
    pub(crate) fn read(dir: &Path) -> Option<Self> {
        let list = etc::text(&dir.join(LIST), MAX_INDEX)?;
        let modinfo = etc::text(&dir.join(MODINFO), MAX_INDEX);
        Some(Self::parse(&list, &modinfo.unwrap_or_default()))
    }

    /// Of the texts of both lists.
    pub(crate) fn parse(list: &str, modinfo: &str) -> Self {
        let mut this = Self {
            names: list.lines().map(name_of_file).collect(),
            aliases: Aliases::default(),
        };
        for tag in modinfo.split('\0') {
            if let Some((module, tag)) = tag.split_once('.')
                && let Some(pattern) = tag.strip_prefix("alias=")
            {
                this.aliases.add(pattern, module);
            }
        }
        this
    }

    /// One of them serves this.
    pub(crate) fn serve(&self, alias: &str) -> bool {
        self.aliases.serve(alias, &BTreeSet::new())
    }

    /// A module of this name is among them; `-` is written as `_`.
    pub(crate) fn contain(&self, name: &str) -> bool {
        self.names.contains(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_lists_are_read() {
        let list = "kernel/fs/ext4/ext4.ko\nkernel/drivers/block/virtio-blk.ko\n";
        let modinfo = "ext4.license=GPL\0ext4.alias=fs-ext3\0virtio_blk.alias=virtio:d00000002v*\0";
        let built_in = BuiltInModules::parse(list, modinfo);
        assert!(built_in.contain("ext4") && built_in.contain("virtio_blk"));
        assert!(!built_in.contain("kernel") && !built_in.contain("ext3"));
        for (alias, module) in [
            ("fs-ext3", "ext4"),
            ("virtio:d00000002v00001AF4", "virtio_blk"),
        ] {
            assert_eq!(built_in.aliases.modules(alias), [module]);
        }
    }
}

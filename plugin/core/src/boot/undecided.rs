// SPDX-License-Identifier: GPL-2.0-or-later
//! Why it cannot be told what boots by default.

use super::systemd_boot::MAX_PATTERN;

/// Why it cannot be told what boots when nobody chooses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Undecided {
    /// Nothing was looked at.
    #[error("nothing was looked at")]
    NothingRead,
    /// The firmware decides between two boot loaders.
    #[error("both systemd-boot and GRUB are installed")]
    TwoLoaders,
    /// systemd-boot of no known version.
    #[error("no boot loader is known")]
    NoLoader,
    /// There are several `grub.cfg`.
    #[error("there is more than one grub.cfg with a menu")]
    SeveralMenus,
    /// The entry with this id names a URL.
    #[error("{0} fetches its image")]
    Fetched(String),
    /// GRUB's default is this item.
    #[error("the default item of GRUB, {0}, starts no kernel that is here")]
    NoKernel(String),
    /// What these files say.
    #[error("which entry {by} names depends on systemd-boot's version")]
    Version {
        /// The files.
        by: String,
    },
    /// A pattern longer than any that systemd-boot reads.
    #[error("{by} has more than {MAX_PATTERN} characters")]
    LongPattern {
        /// The file or variable that holds it.
        by: String,
    },
    /// An entry that systemd-boot makes itself.
    #[error("{by} is {pattern}, which is no Linux entry")]
    NoLinux {
        /// The file or variable that names it.
        by: String,
        /// Its id.
        pattern: String,
    },
    /// systemd-boot has no entry.
    #[error("there is no entry")]
    NoEntry,
    /// The script computes it.
    #[error("grub.cfg chooses it by what only GRUB knows while booting")]
    Computed,
    /// Items are shown under conditions that cannot be evaluated here.
    #[error("grub.cfg counts items that only some machines have")]
    Conditional,
    /// GRUB's menu is empty.
    #[error("grub.cfg has no items")]
    NoItems,
}

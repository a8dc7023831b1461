// SPDX-License-Identifier: GPL-2.0-or-later
//! What a unified kernel image says of itself, as far as it is needed here.

use crate::kernel;

/// The texts in a unified kernel image, as its sections hold them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct UkiTexts {
    /// `.uname`: the kernel's release.
    pub(crate) release: Option<String>,
    /// `.cmdline`: the kernel's command line.
    pub(crate) options: Option<String>,
    /// `.osrel`: an os-release(5).
    pub os_release: Option<String>,
}

/// Why a file is read as no unified kernel image.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoUki {
    /// It cannot be read as an image at all.
    #[error(transparent)]
    Image(#[from] kernel::Error),
    /// It is an image of another kind.
    #[error("a PE file with a section .linux")]
    NoLinux,
}

impl UkiTexts {
    /// The value of the first of these keys of its os-release that is set.
    fn first_of(&self, keys: &[&str]) -> Option<String> {
        let text = self.os_release.as_deref()?;
        keys.iter().find_map(|key| os_release_value(text, key))
    }

    /// What a menu shows (`bootspec_pick_name_version_sort_key()`,
    /// src/fundamental/bootspec-fundamental.c of systemd).
    pub(crate) fn title(&self) -> Option<String> {
        self.first_of(&["PRETTY_NAME", "IMAGE_ID", "NAME", "ID"])
    }

    /// The version that orders it.
    pub(crate) fn version(&self) -> Option<String> {
        self.first_of(&["IMAGE_VERSION", "VERSION", "VERSION_ID", "BUILD_ID"])
    }

    /// The key that orders it.
    pub(crate) fn sort_key(&self) -> Option<String> {
        self.first_of(&["IMAGE_ID", "ID"])
    }
}

/// The value of a key in the text of an os-release(5); not empty.
pub(crate) fn os_release_value(text: &str, key: &str) -> Option<String> {
    let mut values = text.lines().filter_map(|line| {
        let (name, value) = line.trim().split_once('=')?;
        let unquoted = ['"', '\'']
            .iter()
            .find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
        (name == key).then(|| unquoted.unwrap_or(value))
    });
    values
        .next_back()
        .filter(|value| !value.is_empty())
        .map(str::to_owned)
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! The parts of a kernel's `.config` that change what it does with BTF.

use std::path::{Path, PathBuf};

use btf_guard_btf::error::Malformed;
use memchr::memmem;

use super::Error;
use crate::compression::{self, Format};
use crate::module::source::Regular;

/// The longest config that is read, in bytes, compressed or not. Real ones
/// have 300 KB.
pub(super) const MAX_CONFIG: usize = 8 << 20;

/// The option that lets a module load without its BTF where that does not fit
/// (`kernel/bpf/btf.c`, since Linux 5.18).
const ALLOW_MISMATCH: &str = "CONFIG_MODULE_ALLOW_BTF_MISMATCH";

/// The option without which modules' BTF is not looked at (`kernel/bpf/btf.c`,
/// since Linux 5.11).
const MODULE_BTF: &str = "CONFIG_DEBUG_INFO_BTF_MODULES";

/// The option without which there are no modules (`kernel/sys_ni.c`).
const MODULES: &str = "CONFIG_MODULES";

/// What is known of a kernel's configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KernelConfig {
    /// `CONFIG_MODULE_ALLOW_BTF_MISMATCH`; `None` where no config was found.
    pub allow_mismatch: Option<bool>,
    /// `CONFIG_DEBUG_INFO_BTF_MODULES`; `None` where no config was found.
    pub(crate) module_btf: Option<bool>,
    /// `CONFIG_MODULES`; `None` where no config was found, or one that does not name
    /// it: every whole config does.
    pub(crate) modules: Option<bool>,
    /// Where the config was found, in words for a report.
    pub(crate) source: Option<String>,
}

/// A line's option and value: `CONFIG_X=value`, or `# CONFIG_X is not set`,
/// whose value is `n`.
fn option(line: &str) -> Option<(&str, &str)> {
    let line = line.trim_end();
    let (name, value) = match line.strip_prefix("# ") {
        Some(unset) => (unset.strip_suffix(" is not set")?, "n"),
        None => line.split_once('=')?,
    };
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (name.starts_with("CONFIG_") && name.bytes().all(word)).then_some((name, value))
}

/// Whether an option is `y` in a config; `None` if it is not there. Of several settings
/// the last counts.
fn setting(text: &str, name: &str) -> Option<bool> {
    let mut settings = text.lines().filter_map(option).rev();
    let (_, value) = settings.find(|(option, _)| *option == name)?;
    Some(value == "y")
}

/// The text of the config that `kernel/configs.c` of the kernel puts into
/// `.rodata` between `IKCFG_ST` and `IKCFG_ED`, compressed by gzip, where it is built
/// with `CONFIG_IKCONFIG=y`. `bytes` are `.rodata`, or all of a raw kernel.
pub(super) fn embedded(bytes: &[u8]) -> Option<String> {
    let marker = b"IKCFG_ST";
    // With gzip's magic behind it, the marker cannot be met by chance.
    let at = memmem::find(bytes, b"IKCFG_ST\x1f\x8b\x08")?;
    let mut text = Vec::new();
    let packed = bytes.get(at + marker.len()..)?;
    compression::decompress(Format::Gzip, packed, MAX_CONFIG, &mut text).ok()?;
    Some(String::from_utf8_lossy(&text).into_owned())
}

impl KernelConfig {
    /// The config in a text that was found in `source`. An option that the text
    /// does not have is not set: so it is in kernels older than the option.
    /// `None` if the text is no kernel config.
    pub fn of_text(text: &str, source: impl Into<String>) -> Option<Self> {
        // Any option makes it a config.
        text.lines().find_map(option)?;
        Some(Self {
            allow_mismatch: setting(text, ALLOW_MISMATCH).or(Some(false)),
            module_btf: setting(text, MODULE_BTF).or(Some(false)),
            modules: setting(text, MODULES),
            source: Some(source.into()),
        })
    }

    /// The config inside an image, if it holds one (`CONFIG_IKCONFIG`); else
    /// unknown.
    pub(crate) fn embedded(text: Option<&str>) -> Self {
        text.and_then(|text| Self::of_text(text, "the config inside the image"))
            .unwrap_or_default()
    }

    /// Reads the kernel config in the file `path`, plain or compressed.
    pub(crate) fn from_file(path: &Path) -> Result<Self, Error> {
        let mut text = Vec::new();
        Regular::open(path)?.read_all(MAX_CONFIG as u64, &mut text)?;
        if let Some(format) = Format::detect(&text) {
            let packed = std::mem::take(&mut text);
            compression::decompress(format, &packed, MAX_CONFIG, &mut text)?;
        }
        let found = Self::of_text(&String::from_utf8_lossy(&text), path.display().to_string());
        let what = "a kernel config: lines such as CONFIG_MODULES=y";
        found.ok_or_else(|| Malformed::new(0_u64, what).into())
    }

    /// Looks for the config of the kernel in the file `image`, in this order:
    /// `config-<release>` beside the image; `config` in the release's module
    /// directory, which is `module_dir`, or the image's own directory if that
    /// is called like the release; the config inside the image. What cannot be
    /// read or is no config is passed over. Where none is found, the config is
    /// unknown.
    pub(crate) fn find(
        image: &Path,
        release: Option<&str>,
        module_dir: Option<&Path>,
        embedded: Option<&str>,
    ) -> Self {
        // The release comes from the image, which may say `../../x`.
        let release = release.filter(|release| !release.contains('/'));
        let mut places: Vec<PathBuf> = Vec::new();
        let directory = image.parent();
        if let (Some(directory), Some(release)) = (directory, release) {
            places.push(directory.join(format!("config-{release}")));
        }
        let own = directory.filter(|directory| {
            let name = directory.file_name();
            name.is_some() && name == release.map(AsRef::as_ref)
        });
        places.extend(module_dir.or(own).map(|modules| modules.join("config")));

        Self::first_of(&places).unwrap_or_else(|| Self::embedded(embedded))
    }

    /// The config of the running kernel, whose `uname -r` is `release`:
    /// `/proc/config.gz`, else `/boot/config-<release>`, else `config` in its
    /// module directory; else unknown.
    pub(crate) fn of_running(release: &str) -> Self {
        Self::first_of(&[
            PathBuf::from("/proc/config.gz"),
            PathBuf::from(format!("/boot/config-{release}")),
            PathBuf::from(format!("/lib/modules/{release}/config")),
        ])
        .unwrap_or_default()
    }

    fn first_of(places: &[PathBuf]) -> Option<Self> {
        places.iter().find_map(|place| Self::from_file(place).ok())
    }
}

#[cfg(test)]
mod tests;

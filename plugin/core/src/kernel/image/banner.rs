// SPDX-License-Identifier: GPL-2.0-or-later
//! The kernel's own words for its version.

use btf_guard_btf::printable;
use memchr::memmem;

/// The longest banner that is followed, in bytes: release, builder, compiler
/// and build have a few hundred.
const MAX_BANNER: usize = 1024;

/// How many texts that begin like a banner are looked at. Kernels have a handful.
const TEXTS: usize = 64;

/// What a banner or a bzImage's version string says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct KernelVersion {
    /// `UTS_RELEASE`, `uname -r`.
    pub(crate) release: Option<String>,
    /// `UTS_VERSION`, `uname -v`.
    pub(crate) build: Option<String>,
}

impl KernelVersion {
    /// Reads `RELEASE (by@host) … #NUMBER …` up to the end of the line or a NUL.
    pub(super) fn parse(text: &[u8]) -> Self {
        let text = text.get(..MAX_BANNER).unwrap_or(text);
        let text = text.split(|byte| matches!(byte, 0 | b'\n')).next();
        let text = text.unwrap_or_default();
        let release = text.split(|&byte| byte == b' ').next().unwrap_or_default();
        let build = memmem::find_iter(text, b" #").find_map(|at| {
            let build = text.get(at + 1..)?;
            let digits = build
                .iter()
                .skip(1)
                .take_while(|byte| byte.is_ascii_digit());
            let end = 1 + digits.count();
            (end > 1 && build.get(end) == Some(&b' ')).then_some(build)
        });
        Self {
            release: Some(printable(release)).filter(|release| !release.is_empty()),
            build: build.map(printable),
        }
    }
}

/// Finds `linux_banner` (`init/version-timestamp.c`) in a kernel's `.rodata`,
/// or in all of a raw kernel: of the texts that begin with `Linux version ` the
/// one with a build number. The others are formats of the same sentence.
pub(crate) fn find(rodata: &[u8]) -> Option<KernelVersion> {
    let start = b"Linux version ";
    memmem::find_iter(rodata, start)
        .take(TEXTS)
        .filter_map(|at| rodata.get(at + start.len()..))
        .map(KernelVersion::parse)
        .find(|version| version.build.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(release: Option<&str>, build: Option<&str>) -> KernelVersion {
        KernelVersion {
            release: release.map(str::to_owned),
            build: build.map(str::to_owned),
        }
    }

    #[test]
    fn version_strings() {
        let long = [b"6.1".to_vec(), vec![b' '; MAX_BANNER], b" #1 x".to_vec()].concat();
        let debian = b"6.1.0-56-amd64 (a@b) #1 SMP Debian 6.1.192-2 (2026-11-16)\0#2 x";
        let build = "#1 SMP Debian 6.1.192-2 (2026-11-16)";
        for (text, release, build) in [
            (&debian[..], Some("6.1.0-56-amd64"), Some(build)),
            (b"6.1", Some("6.1"), None),
            (b"6.1 #x #12", Some("6.1"), None),
            (b"6.1 (c #) #12 y", Some("6.1"), Some("#12 y")),
            (b"6\x1b #1 \x07", Some("6\\x1b"), Some("#1 \\x07")),
            (b" #1 ", None, Some("#1 ")),
            (b"", None, None),
            (&long, Some("6.1"), None),
        ] {
            assert_eq!(KernelVersion::parse(text), version(release, build));
        }
    }

    #[test]
    fn the_banner_is_the_one_with_a_number() {
        let rodata = b"\0Linux version %s (%s)\0Linux version 6.1 (x) (gcc #1, ld) #7 SMP y\n\0";
        assert_eq!(find(rodata), Some(version(Some("6.1"), Some("#7 SMP y"))));
        assert_eq!(find(b"Linux version 6.1 (x)\0 #7 SMP"), None);
        assert_eq!(find(b"Linux version "), None);
        assert_eq!(find(b""), None);
    }
}

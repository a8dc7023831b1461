//! What a package's header records when it is built: which base a kernel has, and
//! that its modules were judged by it.
//!
//! `btf-base(RELEASE) = BASE` is provided by the package of a kernel image.
//! `btf-checked(RELEASE) = SEAL` is provided by one whose modules all load on that
//! base with their own types; the seal binds this to the very files, by their digests
//! in the header, which rpm holds against what it unpacks. A module package requires
//! `(btf-base(RELEASE) = BASE if btf-base(RELEASE))`.
//!
//! Anyone can make a seal: it is the word of whoever built the package, no proof.

use std::path::Path;

use sha2::{Digest, Sha256};

use super::is_release;
use crate::kernel::Kernel;

/// SHA-256 of a file's content.
pub type FileDigest = [u8; 32];

/// A capability of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capability {
    /// `btf-base`: a kernel image of the release has this base.
    Base,
    /// `btf-checked`: all of the package's modules of the release load on it.
    Checked,
}

impl Capability {
    /// Its name for a release; `None` for a release that cannot stand in a dependency.
    pub fn of(self, release: &str) -> Option<String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._+~-".contains(c);
        let name = match self {
            Self::Base => "btf-base",
            Self::Checked => "btf-checked",
        };
        (is_release(release) && release.chars().all(plain)).then(|| format!("{name}({release})"))
    }
}

/// The base of a kernel as a version: the length of its strings, then its SHA-256;
/// `None` for a kernel that shows no BTF.
///
/// In letters alone, `a` to `p` for the hexadecimal digits: rpm takes versions apart
/// into numbers and words, and calls `a01b1` and `a1b01` equal.
pub fn base(kernel: &Kernel) -> Option<String> {
    if kernel.base.is_none() {
        return None;
    }
    let strings = format!("{:08x}", kernel.base.strings_len());
    Some(letters(&strings) + &letters(&kernel.sha256()))
}

/// The length of the strings of a recorded base, in bytes; `None` if it is none.
pub fn strings(base: &str) -> Option<u32> {
    let (length, digest) = base.split_at_checked(8)?;
    let mut number = 0_u32;
    for letter in length.bytes() {
        let digit = letter.checked_sub(b'a').filter(|digit| *digit < 16)?;
        number = number << 4 | u32::from(digit);
    }
    (digest.len() == 64).then_some(number)
}

/// Seals that these files, a package's images and modules of a release, were judged
/// by this base, and found good.
pub fn seal<'f>(base: &str, files: impl IntoIterator<Item = (&'f Path, FileDigest)>) -> String {
    let mut files: Vec<_> = files.into_iter().collect();
    // Byte by byte: paths compare part by part, which takes its time.
    files.sort_unstable_by_key(|(path, digest)| (path.as_os_str(), *digest));
    let mut hash = Sha256::new();
    hash.update(b"btf-guard 1\0");
    hash.update(base.as_bytes());
    for (path, digest) in files {
        hash.update(b"\0");
        hash.update(path.as_os_str().as_encoded_bytes());
        hash.update(b"\0");
        hash.update(digest);
    }
    letters(&hex::encode(hash.finalize()))
}

/// The digest of a file's content.
pub fn digest(content: &[u8]) -> FileDigest {
    Sha256::digest(content).into()
}

/// Reads a digest as headers have it, in hexadecimal.
pub(super) fn parse_digest(text: &str) -> Option<FileDigest> {
    let mut digest = [0; 32];
    hex::decode_to_slice(text, &mut digest).ok()?;
    Some(digest)
}

fn letters(hex: &str) -> String {
    let digits = hex.chars().filter_map(|digit| digit.to_digit(16));
    let letters = digits.map(|digit| char::from(b'a' + digit as u8));
    letters.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_is_letters_that_tell_its_length() {
        let base = letters("001fedcb") + &letters(&"0123456789abcdef".repeat(4));
        assert_eq!(&base[..12], "aabponmlabcd");
        assert_eq!(strings(&base), Some(0x001f_edcb));
        for wrong in ["", "aabponml", &base[1..], &base.replace('p', "q"), "ü"] {
            assert_eq!(strings(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn only_what_can_stand_in_a_dependency_is_recorded() {
        let name = |release| Capability::Base.of(release);
        assert_eq!(
            name("6.12.118+deb13-amd64").as_deref(),
            Some("btf-base(6.12.118+deb13-amd64)")
        );
        for release in ["6.1) = 2", "6.1 x", "", "..", "6.1,2", "6.1(x"] {
            assert_eq!(name(release), None, "{release}");
        }
    }

    #[test]
    fn a_seal_depends_on_all_that_it_binds_and_on_no_order() {
        let (a, b) = (Path::new("/lib/a"), Path::new("/lib/b"));
        let seal_of = |base, files: &[(&'static Path, FileDigest)]| seal(base, files.to_vec());
        let one = seal_of("x", &[(a, [1; 32]), (b, [2; 32])]);
        assert_eq!(one, seal_of("x", &[(b, [2; 32]), (a, [1; 32])]));
        assert_eq!(one.len(), 64);
        for other in [
            seal_of("y", &[(a, [1; 32]), (b, [2; 32])]),
            seal_of("x", &[(a, [2; 32]), (b, [1; 32])]),
            seal_of("x", &[(a, [1; 32])]),
            seal_of("x", &[(a, [1; 32]), (Path::new("/lib/c"), [2; 32])]),
        ] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn a_digest_is_read_as_a_header_has_it() {
        let text = hex::encode(digest(b"x"));
        assert_eq!(parse_digest(&text), Some(digest(b"x")));
        assert_eq!(parse_digest(""), None);
        assert_eq!(parse_digest(&"g".repeat(64)), None);
        assert_eq!(parse_digest(&"ü".repeat(32)), None);
    }
}

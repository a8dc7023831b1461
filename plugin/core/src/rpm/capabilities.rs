// SPDX-License-Identifier: GPL-2.0-or-later
//! The capability with which packages say at build time which base BTF a kernel
//! has.
//!
//! `btf-base(RELEASE) = BASE` is provided by the package of a kernel image. A module
//! package requires `(btf-base(RELEASE) = BASE if btf-base(RELEASE))`.

use btf_guard_sysroot::file_role::is_release;

use crate::kernel::Kernel;

/// The capability's name for a release; `None` for a release that cannot stand in a
/// dependency.
pub fn base_capability(release: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._+~-".contains(c);
    (is_release(release) && release.chars().all(plain)).then(|| format!("btf-base({release})"))
}

/// The base of a kernel as a version: the length of its strings, then its SHA-256;
/// `None` for a kernel that shows no BTF.
///
/// In letters alone, `a` to `p` for the hexadecimal digits: rpm takes versions apart
/// into numbers and words, and calls `a01b1` and `a1b01` equal.
pub fn base_version(kernel: &Kernel) -> Option<String> {
    if kernel.base.is_none() {
        return None;
    }
    let strings = format!("{:08x}", kernel.base.strings_len());
    Some(letters(&strings) + &letters(&kernel.sha256()))
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
    fn digits_become_letters() {
        assert_eq!(letters("001fedcb9"), "aabponmlj");
    }

    #[test]
    fn only_what_can_stand_in_a_dependency_is_recorded() {
        let recorded = base_capability("6.12.118+deb13-amd64");
        assert_eq!(recorded.unwrap(), "btf-base(6.12.118+deb13-amd64)");
        for release in ["6.1) = 2", "6.1 x", "", "..", "6.1,2", "6.1(x"] {
            assert_eq!(base_capability(release), None, "{release}");
        }
    }
}

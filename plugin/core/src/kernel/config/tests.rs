// SPDX-License-Identifier: GPL-2.0-or-later
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;

use super::*;
use crate::compression::tests::pack;

const YES: &str = "CONFIG_MODULES=y\nCONFIG_MODULE_ALLOW_BTF_MISMATCH=y\n";
const NO: &str = "CONFIG_MODULES=y\n# CONFIG_MODULE_ALLOW_BTF_MISMATCH is not set\n";

#[test]
fn options() {
    let config = |text: &str| KernelConfig::of_text(text, "here");
    for (text, module_btf) in [
        ("CONFIG_DEBUG_INFO_BTF_MODULES=y\n", true),
        ("# CONFIG_DEBUG_INFO_BTF_MODULES is not set\n", false),
        ("CONFIG_DEBUG_INFO_BTF=y\n", false),
    ] {
        assert_eq!(config(text).unwrap().module_btf, Some(module_btf), "{text}");
    }
    let (no_yes, yes_no) = (format!("{NO}{YES}"), format!("{YES}{NO}"));
    for (text, allow_mismatch) in [
        (YES, true),
        (NO, false),
        ("#\n# Automatically generated\nCONFIG_X=\"a=b\"\n", false),
        ("CONFIG_MODULE_ALLOW_BTF_MISMATCH=y", true),
        ("CONFIG_MODULE_ALLOW_BTF_MISMATCH=y\r\n", true),
        ("CONFIG_MODULE_ALLOW_BTF_MISMATCH=n\n", false),
        // The last one counts, as in Kconfig.
        (&yes_no, false),
        (&no_yes, true),
        // Longer names and comments are others.
        ("CONFIG_MODULE_ALLOW_BTF_MISMATCH_X=y\n", false),
        ("CONFIG_X=y\n# CONFIG_MODULE_ALLOW_BTF_MISMATCH=y\n", false),
    ] {
        let found = config(text).unwrap().allow_mismatch;
        assert_eq!(found, Some(allow_mismatch), "{text}");
    }
    let prefix = "# CONFIG_ is a prefix\n";
    for text in ["", "\n\n", "MODULES=y\n", prefix, "CONFIG_A B=y\n"] {
        assert_eq!(config(text), None, "{text:?}");
    }
}

#[test]
fn files() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config");
    fs::write(&path, YES).unwrap();
    let config = KernelConfig::from_file(&path).unwrap();
    assert_eq!(config.allow_mismatch, Some(true));
    assert_eq!(config.source.as_deref(), path.to_str());

    fs::write(&path, pack(Format::Gzip, NO.as_bytes())).unwrap();
    let config = KernelConfig::from_file(&path).unwrap();
    assert_eq!(config.allow_mismatch, Some(false));

    let long = vec![b'\n'; MAX_CONFIG + 1];
    for bad in [&b""[..], b"\x7fELF", b"\x1f\x8b\x08 cut short", &long] {
        fs::write(&path, bad).unwrap();
        let error = KernelConfig::from_file(&path).unwrap_err();
        assert!(matches!(error, Error::Malformed(_)), "{error}");
    }
    let error = KernelConfig::from_file(dir.path()).unwrap_err();
    assert!(matches!(error, Error::Io(_)), "{error}");
}

#[test]
fn the_order_of_places() {
    let root = tempfile::tempdir().unwrap();
    let boot = root.path().join("boot");
    let modules = root.path().join("lib/modules/6.1-x");
    fs::create_dir_all(&boot).unwrap();
    fs::create_dir_all(&modules).unwrap();
    let image = boot.join("vmlinuz-6.1-x");
    let find = |release, embedded| KernelConfig::find(&image, release, Some(&modules), embedded);

    for none in [None, Some("nonsense")] {
        assert_eq!(find(Some("6.1-x"), none), KernelConfig::default());
    }
    let embedded = find(Some("6.1-x"), Some(YES));
    assert_eq!(embedded.allow_mismatch, Some(true));
    assert_eq!(embedded.source.unwrap(), "the config inside the image");

    fs::write(modules.join("config"), NO).unwrap();
    let found = find(Some("6.1-x"), Some(YES));
    assert_eq!(found.allow_mismatch, Some(false));
    assert_eq!(found.source.as_deref(), modules.join("config").to_str());
    // The directory is known even where the release is not.
    assert_eq!(find(None, Some(YES)), found);

    let beside = boot.join("config-6.1-x");
    fs::write(&beside, YES).unwrap();
    let found = find(Some("6.1-x"), None);
    assert_eq!(found.allow_mismatch, Some(true));
    assert_eq!(found.source.as_deref(), beside.to_str());
    assert_eq!(find(Some("6.1-y"), None).allow_mismatch, Some(false));

    // What is no config is passed over.
    fs::write(&beside, "\n").unwrap();
    assert_eq!(find(Some("6.1-x"), None).allow_mismatch, Some(false));
}

#[test]
fn an_image_in_its_module_directory() {
    let root = tempfile::tempdir().unwrap();
    let modules = root.path().join("6.1-x");
    fs::create_dir(&modules).unwrap();
    fs::write(modules.join("config"), YES).unwrap();
    let image = modules.join("vmlinuz");
    let find = |release| KernelConfig::find(&image, release, None, None).allow_mismatch;
    assert_eq!(find(Some("6.1-x")), Some(true));
    assert_eq!(find(Some("6.1-y")), None);
    assert_eq!(find(None), None);
}

#[test]
fn a_release_does_not_lead_elsewhere() {
    let root = tempfile::tempdir().unwrap();
    let boot = root.path().join("boot");
    fs::create_dir_all(boot.join("config-")).unwrap();
    fs::write(root.path().join("secret"), YES).unwrap();
    let image = boot.join("vmlinuz");
    let found = KernelConfig::find(&image, Some("/../../secret"), None, None);
    assert_eq!(found, KernelConfig::default());
}

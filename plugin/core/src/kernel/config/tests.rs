// SPDX-License-Identifier: GPL-2.0-or-later
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::io::Write;

use super::*;

const YES: &str = "CONFIG_MODULES=y\nCONFIG_MODULE_ALLOW_BTF_MISMATCH=y\n";
const NO: &str = "CONFIG_MODULES=y\n# CONFIG_MODULE_ALLOW_BTF_MISMATCH is not set\n";

fn allow_mismatch(text: &str) -> Option<bool> {
    KernelConfig::of_text(text, "here")?.allow_mismatch
}

#[test]
fn whether_modules_btf_is_read() {
    let of = |text| KernelConfig::of_text(text, "here").unwrap().module_btf;
    assert_eq!(of("CONFIG_DEBUG_INFO_BTF_MODULES=y\n"), Some(true));
    assert_eq!(
        of("# CONFIG_DEBUG_INFO_BTF_MODULES is not set\n"),
        Some(false)
    );
    assert_eq!(of("CONFIG_DEBUG_INFO_BTF=y\n"), Some(false));
    assert_eq!(KernelConfig::default().module_btf, None);
}

#[test]
fn the_option() {
    assert_eq!(allow_mismatch(YES), Some(true));
    assert_eq!(allow_mismatch(NO), Some(false));
    assert_eq!(
        allow_mismatch("#\n# Automatically generated\nCONFIG_X=\"a=b\"\n"),
        Some(false)
    );
    assert_eq!(
        allow_mismatch("CONFIG_MODULE_ALLOW_BTF_MISMATCH=y"),
        Some(true)
    );
    assert_eq!(
        allow_mismatch("CONFIG_MODULE_ALLOW_BTF_MISMATCH=y\r\n"),
        Some(true)
    );
    assert_eq!(
        allow_mismatch("CONFIG_MODULE_ALLOW_BTF_MISMATCH=n\n"),
        Some(false)
    );
    // The last one counts, as in Kconfig.
    assert_eq!(allow_mismatch(&format!("{YES}{NO}")), Some(false));
    assert_eq!(allow_mismatch(&format!("{NO}{YES}")), Some(true));
    // Longer names and comments are others.
    assert_eq!(
        allow_mismatch("CONFIG_MODULE_ALLOW_BTF_MISMATCH_X=y\n"),
        Some(false)
    );
    assert_eq!(
        allow_mismatch("CONFIG_X=y\n# CONFIG_MODULE_ALLOW_BTF_MISMATCH=y\n"),
        Some(false)
    );
}

#[test]
fn what_is_no_config() {
    for text in [
        "",
        "\n\n",
        "MODULES=y\n",
        "# CONFIG_ is a prefix\n",
        "CONFIG_A B=y\n",
    ] {
        assert_eq!(allow_mismatch(text), None, "{text:?}");
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

    let mut packed = flate2::write::GzEncoder::new(Vec::new(), Default::default());
    packed.write_all(NO.as_bytes()).unwrap();
    fs::write(&path, packed.finish().unwrap()).unwrap();
    assert_eq!(
        KernelConfig::from_file(&path).unwrap().allow_mismatch,
        Some(false)
    );

    for bad in [
        &b""[..],
        b"\x7fELF",
        b"\x1f\x8b\x08 cut short",
        &vec![b'\n'; MAX_CONFIG + 1],
    ] {
        fs::write(&path, bad).unwrap();
        assert!(matches!(
            KernelConfig::from_file(&path),
            Err(Error::Malformed(_))
        ));
    }
    assert!(matches!(
        KernelConfig::from_file(dir.path()),
        Err(Error::Io(_))
    ));
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

    assert_eq!(find(Some("6.1-x"), None), KernelConfig::default());
    assert_eq!(
        find(Some("6.1-x"), Some("nonsense")),
        KernelConfig::default()
    );
    let embedded = find(Some("6.1-x"), Some(YES));
    assert_eq!(embedded.allow_mismatch, Some(true));
    assert_eq!(
        embedded.source.as_deref(),
        Some("the config inside the image")
    );

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

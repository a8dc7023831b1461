// SPDX-License-Identifier: GPL-2.0-or-later
//! Generates the bindings from librpm's public headers.

use std::error::Error;
use std::path::PathBuf;
use std::process::Command;

/// Everything the plugin calls. One missing here is a compile error there.
const FUNCTIONS: &[&str] = &[
    "Fileno",
    "rpmExpand",
    "rpmPluginOpts",
    "rpmfilesBN",
    "rpmfilesDC",
    "rpmfilesDI",
    "rpmfilesDN",
    "rpmfilesFC",
    "rpmfilesFFlags",
    "rpmfilesFMode",
    "rpmfilesFState",
    "rpmfilesFree",
    "rpmfilesOBN",
    "rpmfilesODI",
    "rpmfilesODN",
    "rpmlog",
    "rpmteFiles",
    "rpmteNEVRA",
    "rpmteType",
    "rpmtsFlags",
    "rpmtsNotify",
    "rpmtsRootDir",
    "rpmtsiFree",
    "rpmtsiInit",
    "rpmtsiNext",
];

/// The enumerations whose constants the plugin passes or reads.
const ENUMERATIONS: &[&str] = &[
    "rpmCallbackType_e",
    "rpmElementType_e",
    "rpmRC",
    "rpmfileAttrs_e",
    "rpmfileState_e",
    "rpmlogLvl_e",
    "rpmtransFlags_e",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=wrapper.h");
    println!("cargo:rerun-if-env-changed=PKG_CONFIG_PATH");

    let mut builder = bindgen::Builder::default()
        .header("wrapper.h")
        .clang_args(include_flags()?)
        .dynamic_library_name("Table")
        .dynamic_link_require_all(true)
        .prepend_enum_name(false)
        .rust_edition(bindgen::RustEdition::Edition2024)
        .wrap_unsafe_ops(true)
        .formatter(bindgen::Formatter::None)
        .parse_callbacks(Box::new(bindgen::CargoCallbacks::new()));
    for function in FUNCTIONS {
        builder = builder.allowlist_function(function);
    }
    builder = builder.allowlist_var("RTLD_NOLOAD");
    for enumeration in ENUMERATIONS {
        builder = builder.allowlist_type(enumeration);
    }
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("cargo sets no OUT_DIR")?);
    builder.generate()?.write_to_file(out.join("bindings.rs"))?;
    std::fs::write(out.join("sonames.rs"), format!("{:?}", sonames()?))?;
    Ok(())
}

/// librpm's sonames, this machine's first: a plugin usually runs where it was
/// built, and looking for a library that is not there takes the loader 0.1 ms.
fn sonames() -> Result<[&'static str; 3], Box<dyn Error>> {
    let version = pkg_config("--modversion")?;
    let mut parts = version
        .split(|c: char| !c.is_ascii_digit())
        .map(str::parse::<u32>);
    let (Some(Ok(major)), Some(Ok(minor))) = (parts.next(), parts.next()) else {
        return Err(format!("{version:?} is no version of rpm").into());
    };
    Ok(match (major, minor) {
        (4, ..=14) => ["librpm.so.8", "librpm.so.9", "librpm.so.10"],
        (4, ..=18) => ["librpm.so.9", "librpm.so.10", "librpm.so.8"],
        _ => ["librpm.so.10", "librpm.so.9", "librpm.so.8"],
    })
}

/// Where librpm's headers lie. Nothing is linked, so its libraries do not matter.
fn include_flags() -> Result<Vec<String>, Box<dyn Error>> {
    let flags = pkg_config("--cflags")?;
    Ok(flags.split_whitespace().map(str::to_owned).collect())
}

fn pkg_config(question: &str) -> Result<String, Box<dyn Error>> {
    let tool = std::env::var_os("PKG_CONFIG").unwrap_or_else(|| "pkg-config".into());
    let output = Command::new(tool)
        .args([question, "rpm"])
        .output()
        .map_err(|error| format!("pkg-config does not start: {error}"))?;
    if !output.status.success() {
        return Err("pkg-config does not know rpm: install librpm's development package".into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! Generates the bindings from the shim's header.
//!
//! Only the header: the shim itself is C++ against one libzypp, built by the
//! Makefile where libzypp's headers are, and found at run time.

use std::error::Error;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=shim/zypp_shim.h");
    let bindings = bindgen::Builder::default()
        .header("shim/zypp_shim.h")
        .dynamic_library_name("Table")
        .dynamic_link_require_all(true)
        .allowlist_function("bgz_.*")
        .allowlist_type("bgz_.*")
        .allowlist_var("BGZ_ABI")
        .prepend_enum_name(false)
        .rust_edition(bindgen::RustEdition::Edition2024)
        .wrap_unsafe_ops(true)
        .formatter(bindgen::Formatter::None)
        .parse_callbacks(Box::new(bindgen::CargoCallbacks::new()))
        .generate()?;
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("cargo sets no OUT_DIR")?);
    bindings.write_to_file(out.join("bindings.rs"))?;
    Ok(())
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! BTF: the format, and what the kernel makes of it.
//!
//! [`Base`] is a kernel's own type information; [`verify_module`] is the
//! kernel's `btf_parse_module()`, which decides whether a module's split BTF
//! may continue it. Nothing here knows of files.

mod base;
mod chains;
mod ctype;
mod env;
pub mod error;
mod escape;
pub mod features;
mod find_in_image;
mod log_buffer;
mod log_format;
mod meta;
mod name_lengths;
mod provenance;
mod raw;
mod relocate;
mod split;
mod verify;
mod verify_error;

pub use base::Base;
pub use escape::printable;
pub use find_in_image::find_base;
pub use log_format::LogFormat;
pub use provenance::{
    BasePairMemo, Comparison, Difference, Evidence, Mismatch, base_strings, continues, evidence,
    fits, same_meaning,
};
pub use raw::Order;
pub use relocate::is_affordable;
pub use split::Split;
pub use verify::{read_module, verify_base, verify_module, verify_vmlinux};
pub use verify_error::{
    BaseFault, BtfRule, BtfSection, Parameter, TypeInfo, TypePart, VerifyError,
};

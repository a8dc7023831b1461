//! BTF: the format, and what the kernel makes of it.
//!
//! [`Base`] is a kernel's own type information; [`verify_module`] is the
//! kernel's `btf_parse_module()`, which decides whether a module's split BTF
//! may continue it. Nothing here knows of files.

mod base;
mod census;
mod chains;
mod embedded;
mod escape;
mod log;
mod lookup;
mod meta;
mod names;
mod origin;
mod raw;
mod relocate;
mod scope;
mod show;
mod sort;
mod verify;
mod verify_error;

pub use base::Base;
pub use embedded::find_base;
pub(crate) use escape::printable;
pub use origin::{
    BasePairMemo, Comparison, Difference, Evidence, Mismatch, Split, TypeRef, base_strings,
    evidence, fits, same_meaning,
};
pub use raw::Order;
pub use show::LogFormat;
pub use verify::{read_module, verify_base, verify_module};
pub use verify_error::{BtfRule, BtfSection, Element, Parameter, TypeInfo, VerifyError};

//! BTF: the format, and what the kernel makes of it.
//!
//! [`Base`] is a kernel's own type information; [`verify_module`] is the
//! kernel's `btf_parse_module()`, which decides whether a module's split BTF
//! may continue it. Nothing here knows of files.

pub mod base;
pub(crate) mod base_lookup;
pub(crate) mod chains;
pub(crate) mod ctype;
pub mod env;
pub mod error;
pub(crate) mod escape;
pub mod features;
pub(crate) mod find_in_image;
pub(crate) mod meta;
pub(crate) mod provenance;
pub mod raw;
pub(crate) mod relocate;
pub mod split;
pub(crate) mod string_index;
pub(crate) mod verifier_log;
pub(crate) mod verify;
pub(crate) mod verify_error;

pub use crate::verifier_log::format::LogFormat;
pub use base::Base;
pub use escape::printable;
pub use find_in_image::find_base;
pub use provenance::{BasePairMemo, Comparison, Difference, Evidence, Mismatch, base_strings, evidence, fits, same_meaning};
pub use provenance::TypeRef;
pub use raw::Order;
pub use split::Split;
pub use verify::{read_module, verify_base, verify_module};
pub use verify_error::{BtfRule, BtfSection, Element, Parameter, TypeInfo, VerifyError};

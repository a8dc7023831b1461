// SPDX-License-Identifier: GPL-2.0-or-later
//! What the kernels are asked.

mod ambiguous;
mod distilled;
mod edges;
mod genuine;
mod mutated;
mod permuted;
mod probes;

use std::borrow::Cow;
use std::fmt;

use anyhow::{Context, Result};
use btf_guard_btf::Base;
use btf_guard_core::kernel::Kernel;
use btf_guard_core::module;
use btf_guard_tests::Extracted;
use btf_guard_tests::mutate::Random;

use crate::carrier::Template;

/// A kernel that is asked, and whose modules it is asked about.
pub(crate) struct Subject<'a> {
    /// The kernel that boots; its template carries.
    pub(crate) runs: Cow<'a, Extracted>,
    /// The kernel whose base it has.
    pub(crate) kernel: &'a Extracted,
}

impl<'a> Subject<'a> {
    /// A distribution's kernel, as it is.
    pub(crate) fn itself(kernel: &'a Extracted) -> Self {
        Self {
            runs: Cow::Borrowed(kernel),
            kernel,
        }
    }

    /// One that was built around the base of `kernel`.
    pub(crate) fn around(built: Extracted, kernel: &'a Extracted) -> Self {
        Self {
            runs: Cow::Owned(built),
            kernel,
        }
    }

    /// Can it run the modules of the kernel whose base it has?
    fn runs_them(&self) -> bool {
        self.runs.name == self.kernel.name
    }
}

/// Everything that cases are made of.
pub(crate) struct Material<'a> {
    /// The kernel that is asked, or whose base it has.
    pub(crate) kernel: &'a Extracted,
    /// Can the modules be loaded as they are?
    pub(crate) loadable: bool,
    /// Its base.
    pub(crate) base: &'a Base,
    /// Does it relocate `.BTF.base`?
    pub(crate) relocates: bool,
    /// Does it look at the release in a vermagic? With `CONFIG_MODVERSIONS` it does not.
    pub(crate) compares_release: bool,
    /// The other kernels that are there, the nearest relatives first.
    pub(crate) others: Vec<&'a Extracted>,
}

impl<'a> Material<'a> {
    pub(crate) fn new(
        subject: &Subject<'a>,
        all: &'a [Extracted],
        opened: &'a Kernel,
    ) -> Result<Self> {
        let kernel = subject.kernel;
        let mut others: Vec<_> = all.iter().filter(|o| o.name != kernel.name).collect();
        let common = |other: &&Extracted| {
            let pairs = other.release.bytes().zip(kernel.release.bytes());
            pairs.take_while(|(a, b)| a == b).count()
        };
        // The same flavour of another build before another flavour.
        let flavour = |kernel: &Extracted| kernel.release.trim_start_matches(is_number).to_owned();
        others.sort_by_key(|other| {
            let related = flavour(other) == flavour(kernel);
            (!related, std::cmp::Reverse(common(other)))
        });
        Ok(Self {
            kernel,
            loadable: subject.runs_them(),
            base: &opened.base,
            relocates: opened.abilities.distilled_base,
            compares_release: !module_versions(kernel)?,
            others,
        })
    }
}

/// Does a release's number go on with this? `6.1.0-56`, `6.12.117+deb13`
fn is_number(c: char) -> bool {
    c.is_ascii_digit() || c == '.' || c == '-'
}

/// Was this kernel built with `CONFIG_MODVERSIONS`? Its modules say so.
fn module_versions(kernel: &Extracted) -> Result<bool> {
    let path = kernel.modules.first().context("a kernel without modules")?;
    let module = module::open(path).with_context(|| path.display().to_string())?;
    let vermagic = module.vermagic.unwrap_or_default();
    Ok(vermagic.split(' ').any(|word| word == "modversions"))
}

/// A family of cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Family {
    /// The kernel's own modules, carried.
    Own,
    /// Modules of other builds, flavours and versions, carried.
    Foreign,
    /// The kernel's own modules as they are.
    OwnAsIs,
    /// Modules of other builds as they are, but for the release in their vermagic
    /// where the kernel compares it.
    ForeignAsIs,
    /// Real BTF with a defect.
    Mutated,
    /// BTF of our own with defects.
    Generated,
    /// Distilled bases, whole and with defects.
    Distilled,
    /// Distilled bases of names that the kernel has several times.
    Ambiguous,
    /// The kernel's own modules as if its base had its types in another order.
    Permuted,
    /// None, empty, header only, something after the end, and the like.
    Edge,
    /// One rule each, at its border.
    Probe,
}

impl Family {
    /// All, with how many cases a whole run has of each at most.
    pub(crate) const ALL: [(Self, usize); 11] = [
        (Self::Own, 500),
        (Self::Foreign, 900),
        (Self::OwnAsIs, 400),
        (Self::ForeignAsIs, 400),
        (Self::Mutated, 1000),
        (Self::Generated, 400),
        (Self::Distilled, 800),
        (Self::Ambiguous, 500),
        (Self::Permuted, 200),
        (Self::Edge, 24),
        (Self::Probe, 0),
    ];
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Own => "own",
            Self::Foreign => "foreign",
            Self::OwnAsIs => "own-as-is",
            Self::ForeignAsIs => "foreign-as-is",
            Self::Mutated => "mutated",
            Self::Generated => "generated",
            Self::Distilled => "distilled",
            Self::Ambiguous => "ambiguous",
            Self::Permuted => "permuted",
            Self::Edge => "edge",
            Self::Probe => "probe",
        })
    }
}

/// One question to a kernel.
pub(crate) struct Case {
    pub(crate) family: Family,
    /// What it was made of, for people.
    pub(crate) label: String,
    pub(crate) content: Content,
    /// It is the carrier of the module that the case before has as it is.
    pub(crate) twin: bool,
}

/// What makes a case's file.
pub(crate) enum Content {
    /// A carrier with these sections.
    Carried {
        btf: Option<Vec<u8>>,
        base: Option<Vec<u8>>,
    },
    /// A whole module.
    AsIs(Vec<u8>),
}

impl Case {
    fn carried(family: Family, label: impl Into<String>, btf: Vec<u8>) -> Self {
        Self {
            family,
            label: label.into(),
            content: Content::Carried {
                btf: Some(btf),
                base: None,
            },
            twin: false,
        }
    }

    fn pair(family: Family, label: impl Into<String>, btf: Vec<u8>, base: Vec<u8>) -> Self {
        Self {
            family,
            label: label.into(),
            content: Content::Carried {
                btf: Some(btf),
                base: Some(base),
            },
            twin: false,
        }
    }

    /// The file that the kernel gets.
    pub(crate) fn file(&self, template: &Template) -> Result<Vec<u8>> {
        match &self.content {
            Content::Carried { btf, base } => template
                .carry(btf.as_deref(), base.as_deref())
                .with_context(|| self.label.clone()),
            Content::AsIs(bytes) => Ok(bytes.clone()),
        }
    }
}

/// All cases for a kernel; with `slice`, about so many of them, each family by its share.
pub(crate) fn all(material: &Material, slice: Option<usize>) -> Result<Vec<Case>> {
    let whole: usize = Family::ALL.iter().map(|(_, count)| count).sum();
    let mut cases = Vec::new();
    for (family, count) in Family::ALL {
        let count = match slice {
            Some(slice) => (count * slice).div_ceil(whole),
            None => count,
        };
        // Families do not disturb each other's numbers.
        let mut random = Random::new(0x0b7f + family as u64);
        let made = match family {
            Family::Own => genuine::own(material, count),
            Family::Foreign => genuine::foreign(material, count),
            Family::OwnAsIs | Family::ForeignAsIs if !material.loadable => continue,
            Family::OwnAsIs => genuine::own_as_is(material, count),
            Family::ForeignAsIs => genuine::foreign_as_is(material, count),
            Family::Mutated => mutated::real(material, count, &mut random),
            Family::Generated => mutated::generated(material, count, &mut random),
            Family::Distilled => distilled::pairs(material, count, &mut random),
            Family::Ambiguous if !material.relocates => continue,
            Family::Ambiguous => ambiguous::pairs(material, count, &mut random),
            Family::Permuted => permuted::modules(material, count, &mut random),
            // Few and dear: always all of them.
            Family::Edge => edges::all(material),
            Family::Probe => Ok(probes::all(material)),
        };
        cases.extend(made.with_context(|| format!("the cases '{family}'"))?);
    }
    Ok(cases)
}

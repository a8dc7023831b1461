// SPDX-License-Identifier: GPL-2.0-or-later
//! The base BTF of every kernel at hand: which of them a module was built for.
//!
//! The kernel accepts split BTF by its form. Whether it belongs to the base is
//! found by evidence in it, which needs nothing else; and where several bases
//! are at hand, by comparing what it means on them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use btf_guard_btf::{BasePairMemo, Comparison, Difference, Evidence, Mismatch, Split};
use serde::{Deserialize, Serialize};

use super::cause::Causes;
use super::{Judgement, Unknown, Verdict, follow_loader};
use crate::kernel::Kernel;
use crate::module::Module;

/// The base that a split BTF was built against, as far as that is certain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BuiltFor {
    /// Bytes of its string section.
    pub(crate) strings: u32,
    /// How many types; `void` is not counted. From here on only if the base is
    /// at hand.
    pub(crate) types: Option<u32>,
    /// `uname -r` of its kernel.
    pub(crate) release: Option<String>,
    /// Where that kernel is.
    pub(crate) source: Option<String>,
}

impl BuiltFor {
    pub(crate) fn unknown(strings: u32) -> Self {
        Self {
            strings,
            types: None,
            release: None,
            source: None,
        }
    }
}

/// One base, and the kernels that have it.
#[derive(Debug)]
struct KnownBase {
    /// One of the kernels.
    kernel: Kernel,
    /// Release and place of each.
    names: Vec<(Option<String>, String)>,
}

impl KnownBase {
    fn is_of(&self, release: &str) -> bool {
        self.names
            .iter()
            .any(|(name, _)| name.as_deref() == Some(release))
    }

    fn shown(&self) -> String {
        match self.names.first() {
            Some((Some(release), source)) => format!("{release} ({source})"),
            Some((None, source)) => source.clone(),
            None => String::new(),
        }
    }

    /// What a BTF is that was built against this one, where it means something else.
    fn means_otherwise(&self, difference: &Difference) -> Verdict {
        let clue = Mismatch::Meaning {
            built_for: self.shown(),
            difference: difference.clone(),
        };
        let evidence = vec![Evidence { clue, count: 1 }];
        Verdict::BtfWrong { evidence }
    }

    /// True if its kernels would take this BTF, and nothing shows that it is not theirs.
    fn fits(&self, module: &Module, split: &Split<'_>) -> bool {
        let (base, abilities) = (&self.kernel.base, &self.kernel.abilities);
        let relocates = abilities.distilled_base && module.btf_base.is_some();
        let is_taken = |raw| btf_guard_btf::verify_module(raw, None, base, abilities).is_ok();
        // In this order: what does not fit mostly shows at once.
        !relocates
            && btf_guard_btf::fits(split, base)
            && self.kernel.own_btf().fault.is_none()
            && module.btf.as_deref().is_some_and(is_taken)
    }
}

/// Where the BTF of a module may come from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin<'a> {
    bases: &'a BaseSet,
    /// The kernel that the module came with.
    own: Option<&'a Kernel>,
}

impl Origin<'_> {
    /// The verdict on `split`, the module's BTF, which `kernel` accepts.
    pub(super) fn resolve(self, module: &Module, kernel: &Kernel, split: &Split<'_>) -> Verdict {
        self.bases.resolve_origin(module, kernel, split, self.own)
    }
}

type Shared = Arc<Mutex<BasePairMemo>>;

/// The bases of all kernels of one run, each once.
#[derive(Debug, Default)]
pub struct BaseSet {
    all: Vec<KnownBase>,
    /// What comparisons have found, by the two places in `all`.
    known: Mutex<HashMap<(usize, usize), Shared>>,
}

impl BaseSet {
    /// Adds the base of a kernel; `source` says where that is, for people.
    pub fn add(&mut self, kernel: &Kernel, source: String) {
        if kernel.base.is_none() {
            return;
        }
        let name = (kernel.release.clone(), source);
        let mut all = self.all.iter_mut();
        match all.find(|known| same(&known.kernel, kernel)) {
            Some(known) => known.names.push(name),
            None => self.all.push(KnownBase {
                kernel: kernel.clone(),
                names: vec![name],
            }),
        }
    }

    /// What `kernel` will do with `module`, by the loader's checks in the loader's
    /// order (`load_module()`, kernel/module/main.c), as far as `causes` names them.
    ///
    /// Where other bases are at hand, BTF that fits several of them is compared.
    pub fn judge(&self, module: &Module, kernel: &Kernel, causes: &Causes) -> Judgement {
        self.judge_coming_with(None, module, kernel, causes)
    }

    /// The same of a module that came with the kernel `own`, if that is known.
    pub(crate) fn judge_coming_with(
        &self,
        own: Option<&Kernel>,
        module: &Module,
        kernel: &Kernel,
        causes: &Causes,
    ) -> Judgement {
        let origin = Origin { bases: self, own };
        follow_loader(module, kernel, causes, origin)
    }

    /// The verdict on `split`, the module's BTF, which `kernel` accepts.
    fn resolve_origin(
        &self,
        module: &Module,
        kernel: &Kernel,
        split: &Split<'_>,
        came_with: Option<&Kernel>,
    ) -> Verdict {
        if split.relocated {
            return Verdict::Loads;
        }
        let evidence = btf_guard_btf::evidence(split, &kernel.base);
        if evidence.is_empty() && came_with.is_some_and(|own| same(own, kernel)) {
            return Verdict::Loads;
        }
        let rivals = self.rivals(module, kernel, split);
        if !evidence.is_empty() {
            // What means the same as where it fits does no harm.
            let harmless = rivals.iter().any(|(_, met)| *met == Comparison::Same);
            return match harmless {
                true => Verdict::Loads,
                false => Verdict::BtfWrong { evidence },
            };
        }
        let is_own = |known: &KnownBase| came_with.is_some_and(|own| same(&known.kernel, own));
        let mut own_rivals = rivals.iter().filter(|(rival, _)| is_own(rival));
        match own_rivals.next() {
            Some((_, Comparison::Same)) => return Verdict::Loads,
            Some((own, Comparison::Different(difference))) => {
                return own.means_otherwise(difference);
            }
            _ => {}
        }
        let differing: Vec<(&KnownBase, Option<Difference>)> = rivals
            .into_iter()
            .filter_map(|(rival, met)| match met {
                Comparison::Same => None,
                Comparison::Different(difference) => Some((rival, Some(difference))),
                Comparison::Undecided => Some((rival, None)),
            })
            .collect();
        if differing.is_empty() {
            return Verdict::Loads;
        }
        let own = self.all.iter().find(|known| same(&known.kernel, kernel));
        let named = release(module).is_some_and(|release| {
            kernel.release.as_deref() == Some(release) || own.is_some_and(|own| own.is_of(release))
        });
        pick_by_vermagic(module, named, &differing)
    }

    /// The other bases that the module fits, and how its meaning there compares
    /// with that on the base of `kernel`.
    fn rivals(
        &self,
        module: &Module,
        kernel: &Kernel,
        split: &Split<'_>,
    ) -> Vec<(&KnownBase, Comparison)> {
        let mut all = self.all.iter();
        let here = all.position(|known| same(&known.kernel, kernel));
        let others = self.all.iter().enumerate();
        others
            .filter(|(index, other)| Some(*index) != here && !same(&other.kernel, kernel))
            .filter(|(_, other)| other.fits(module, split))
            .map(|(index, other)| {
                let known = here.map(|here| self.known(here, index)).unwrap_or_default();
                let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
                let (here, there) = (&kernel.base, &other.kernel.base);
                let met = btf_guard_btf::same_meaning(split, here, there, &mut known);
                (other, met)
            })
            .collect()
    }

    fn known(&self, here: usize, there: usize) -> Shared {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry((here, there)).or_default().clone()
    }

    /// The base that `module` was built against; `kernel` is one for whose base that was
    /// found, by loading there or otherwise. `None` where it cannot be told, or where it was
    /// built for no base in particular.
    pub(crate) fn built_for(&self, module: &Module, kernel: Option<&Kernel>) -> Option<BuiltFor> {
        let raw = module.btf.as_deref().filter(|raw| !raw.is_empty())?;
        if module.btf_base.is_some() {
            return None;
        }
        if let Some(kernel) = kernel {
            let known = self.all.iter().find(|known| same(&known.kernel, kernel));
            return known.map(|known| describe_base(known, module));
        }
        let order = self.all.first()?.kernel.base.order();
        let split = Split::parse(raw, order)?;
        let strings = btf_guard_btf::base_strings(&split)?;
        let mut fitting = self.all.iter().filter(|known| {
            let base = &known.kernel.base;
            base.strings_len() == strings && btf_guard_btf::fits(&split, base)
        });
        match (fitting.next(), fitting.next()) {
            (Some(one), None) => Some(describe_base(one, module)),
            // None, or no telling which.
            _ => Some(BuiltFor::unknown(strings)),
        }
    }
}

/// True if two kernels have the same base.
fn same(one: &Kernel, other: &Kernel) -> bool {
    Arc::ptr_eq(&one.base, &other.base) || one.sha256() == other.sha256()
}

fn release(module: &Module) -> Option<&str> {
    module.vermagic.as_deref()?.split_whitespace().next()
}

/// All that is known of a base, under the name that the module calls it by.
fn describe_base(base: &KnownBase, module: &Module) -> BuiltFor {
    let own = |(name, _): &&(Option<String>, String)| name.as_deref() == release(module);
    let name = base.names.iter().find(own).or(base.names.first());
    BuiltFor {
        strings: base.kernel.base.strings_len(),
        types: Some(base.kernel.base.types().saturating_sub(1)),
        release: name.and_then(|(release, _)| release.clone()),
        source: name.map(|(_, source)| source.clone()),
    }
}

/// It fits this kernel's base and others, and means something else there: the
/// release in its version magic decides, if it names one of them only. `here`
/// says that it names this kernel.
fn pick_by_vermagic(
    module: &Module,
    here: bool,
    differing: &[(&KnownBase, Option<Difference>)],
) -> Verdict {
    let release = release(module);
    let named = |other: &KnownBase| release.is_some_and(|release| other.is_of(release));
    let mut there = differing.iter().filter(|(other, _)| named(other));
    match (here, there.next(), there.next()) {
        (true, None, _) => return Verdict::Loads,
        (false, Some((other, Some(difference))), None) => {
            return other.means_otherwise(difference);
        }
        _ => {}
    }
    let mut differences = differing.iter().map(|(_, difference)| difference);
    Verdict::Unknown {
        why: Unknown::AmbiguousBase {
            others: differing.iter().map(|(other, _)| other.shown()).collect(),
            difference: differences.find_map(Clone::clone),
        },
    }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! Finding single types of a base by name, for [`crate::features::Features`].

use memchr::memmem;

use crate::base::Base;
use crate::raw::{Type, kind};

impl Base {
    /// The offset of `name` in the string section, which holds each string once.
    fn string_offset(&self, name: &[u8]) -> Option<u32> {
        let mut needle = Vec::with_capacity(name.len() + 2);
        needle.push(0);
        needle.extend_from_slice(name);
        needle.push(0);
        let at = memmem::find(self.strings(), &needle)? + 1;
        u32::try_from(at).ok()
    }

    fn find(&self, name: &[u8], wanted: u8) -> Option<(u32, Type)> {
        let name_off = self.string_offset(name)?;
        self.all()
            .find(|(_, t)| t.name_off == name_off && t.wide_kind() == wanted)
    }

    /// The highest kind that it uses itself.
    pub(crate) fn highest_kind(&self) -> u8 {
        self.kinds().iter().copied().max().unwrap_or(kind::VOID)
    }

    /// Does it hold a TYPE_TAG or DECL_TAG with `kind_flag`?
    pub(crate) fn has_flagged_tag(&self) -> bool {
        self.all()
            .any(|(_, t)| t.kflag() && matches!(t.wide_kind(), kind::TYPE_TAG | kind::DECL_TAG))
    }

    /// The id of the first struct called `name`.
    pub(crate) fn find_struct(&self, name: &[u8]) -> Option<u32> {
        Some(self.find(name, kind::STRUCT)?.0)
    }

    /// The id of the FUNC_PROTO of the first function called `name`.
    pub(crate) fn find_func(&self, name: &[u8]) -> Option<u32> {
        Some(self.find(name, kind::FUNC)?.1.size_or_type)
    }

    /// The type id of the member called `name` of struct `id`.
    pub(crate) fn member(&self, id: u32, name: &[u8]) -> Option<u32> {
        let vlen = self.type_at(id)?.wide_vlen() as usize;
        (0..vlen).find_map(|index| {
            let name_off = self.appended_word(id, 3 * index)?;
            let rest = self.strings().get(name_off as usize..)?;
            // Compared as a prefix: a name may be as long as the section.
            if rest.strip_prefix(name)?.first() != Some(&0) {
                return None;
            }
            self.appended_word(id, 3 * index + 1)
        })
    }

    /// The number of elements of array `id`.
    pub(crate) fn array_len(&self, id: u32) -> Option<u32> {
        if self.type_at(id)?.wide_kind() != kind::ARRAY {
            return None;
        }
        self.appended_word(id, 2)
    }

    /// The number of parameters of FUNC_PROTO `id`.
    pub(crate) fn parameter_count(&self, id: u32) -> Option<u32> {
        let t = self.type_at(id)?;
        (t.wide_kind() == kind::FUNC_PROTO).then(|| t.wide_vlen())
    }

    /// The value of the enumerator called `name`, in whichever enum it is.
    pub(crate) fn enumerator(&self, name: &[u8]) -> Option<u32> {
        let name_off = self.string_offset(name)?;
        self.all()
            .filter(|(_, t)| t.wide_kind() == kind::ENUM)
            .find_map(|(id, t)| {
                (0..t.wide_vlen() as usize).find_map(|index| {
                    if self.appended_word(id, 2 * index)? != name_off {
                        return None;
                    }
                    self.appended_word(id, 2 * index + 1)
                })
            })
    }
}

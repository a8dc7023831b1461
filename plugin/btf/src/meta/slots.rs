// SPDX-License-Identifier: GPL-2.0-or-later
//! Room for types: how many the kernel takes.

use crate::verify_error::BtfRule;

/// `btf_add_type()`: the array of types grows by a quarter, up to `BTF_MAX_TYPE`.
pub(crate) struct Slots {
    start_id: u32,
    max: u32,
    used: u32,
    size: u32,
}

impl Slots {
    pub(crate) fn new(start_id: u32, max: u32) -> Self {
        Self {
            start_id,
            max,
            used: 0,
            size: 0,
        }
    }

    #[inline(always)]
    pub(crate) fn take(&mut self) -> Result<(), BtfRule> {
        if self.used == self.size {
            self.grow()?;
        }
        self.used += 1;
        Ok(())
    }

    #[cold]
    fn grow(&mut self) -> Result<(), BtfRule> {
        if self.start_id + self.size == self.max {
            return Err(BtfRule::TooManyTypes);
        }
        let size = (self.size + (self.size >> 2).max(16)).min(self.max);
        if size == self.size {
            return Err(BtfRule::TypeArrayOverrun { id: size });
        }
        // A BTF that stands alone keeps slot 0 for void.
        if self.size == 0 && self.start_id == 0 {
            self.used = 1;
        }
        self.size = size;
        Ok(())
    }
}

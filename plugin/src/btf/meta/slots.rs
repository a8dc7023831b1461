//! Room for types: how many the kernel takes.

use super::super::log::Log;
use super::super::scope::{E2BIG, Stop};

/// `btf_add_type()`: the array of types grows by a quarter, up to `BTF_MAX_TYPE`.
pub(super) struct Slots {
    start_id: u32,
    max: u32,
    used: u32,
    size: u32,
}

impl Slots {
    pub(super) fn new(start_id: u32, max: u32) -> Self {
        Self {
            start_id,
            max,
            used: 0,
            size: 0,
        }
    }

    #[inline(always)]
    pub(super) fn take(&mut self, log: &mut Log) -> Result<(), Stop> {
        if self.used == self.size {
            self.grow(log)?;
        }
        self.used += 1;
        Ok(())
    }

    #[cold]
    fn grow(&mut self, log: &mut Log) -> Result<(), Stop> {
        if self.start_id + self.size == self.max {
            log.bpf(b"Exceeded max num of types");
            return Err(Stop::Errno(E2BIG));
        }
        let size = (self.size + (self.size >> 2).max(16)).min(self.max);
        if size == self.size {
            return Err(Stop::KernelBug(format!(
                "btf_add_type() writes past its array at type {size}"
            )));
        }
        // A BTF that stands alone keeps slot 0 for void.
        if self.size == 0 && self.start_id == 0 {
            self.used = 1;
        }
        self.size = size;
        Ok(())
    }
}

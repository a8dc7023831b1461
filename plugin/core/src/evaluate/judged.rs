// SPDX-License-Identifier: GPL-2.0-or-later
//! What came of modules.

use std::path::Path;

use btf_guard_sysroot::file_role::is_module_name;

use super::{Evaluator, JobResult, failed};
use crate::report::{ErrorEntry, ModuleEntry};
use crate::rpm::package::Package;
use crate::time_limit::TimeLimit;

/// What was judged, and what could not be read.
#[derive(Debug, Default)]
pub struct Judged {
    /// The modules.
    pub modules: Vec<ModuleEntry>,
    /// The rest.
    pub errors: Vec<ErrorEntry>,
}

impl Judged {
    /// Adds what came of modules.
    pub fn take(&mut self, results: impl IntoIterator<Item = JobResult>) {
        for result in results {
            match result {
                Ok(module) => self.modules.push(module),
                Err(error) => self.errors.push(error),
            }
        }
    }

    /// Adds what cannot be read.
    pub fn failed(&mut self, path: impl ToString, error: &impl ToString) {
        self.errors.push(failed(path.to_string(), error));
    }

    /// Adds what came of the modules of a package, shown as `name`, for which
    /// `kernels` has any.
    pub fn package(
        &mut self,
        evaluator: &Evaluator,
        package: &Package,
        name: impl ToString,
        kernels: impl Fn(&Path) -> Vec<usize> + Sync,
    ) {
        let kernels = |path: &Path| match path.file_name().is_some_and(is_module_name) {
            true => kernels(path),
            false => Vec::new(),
        };
        let (results, read) = evaluator.package(package, TimeLimit::default(), kernels);
        self.take(results.into_iter().map(|(_, result)| result));
        if let Err(error) = read {
            self.failed(name, &error);
        }
    }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! The modules of a package.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::{Batches, Evaluator, JobResult, failed};
use crate::module::{self, Module};
use crate::rpm::package::Package;
use crate::time_limit::{LATE, TimeLimit};

impl Evaluator {
    /// Judges the modules of a package for which `kernels` has any, sorted by path, as many
    /// as there is time for.
    /// Hard links that meet the same kernels are one module, under the first path.
    pub fn package(
        &self,
        package: &Package,
        limit: TimeLimit,
        kernels: impl Fn(&Path) -> Vec<usize> + Sync,
    ) -> (
        Vec<(PathBuf, JobResult)>,
        Result<(), crate::rpm::file_list::Error>,
    ) {
        let wanted = |path: &Path| !kernels(path).is_empty();
        let files = package.files().iter();
        let count = files.filter(|file| file.has_content() && wanted(&file.path));
        let count = count.count();
        if count == 0 {
            return (Vec::new(), Ok(()));
        }
        self.expect(count);
        let mut batches = Batches::new(|paths: &Vec<PathBuf>, content| {
            if limit.is_over() {
                let late = Err(LATE.to_owned());
                return self.packaged(package.nevra(), paths, &kernels, late, limit);
            }
            let first = paths.iter().min().and_then(|path| path.file_name());
            let name = first.unwrap_or_default().to_string_lossy();
            let module = module::parse(content, &name);
            let module = module.map_err(|error| error.to_string());
            self.packaged(package.nevra(), paths, &kernels, module, limit)
        });
        let mut is_cut = false;
        let read = package.extract(wanted, limit, |paths, content| {
            let paths = paths.iter().map(|path| path.to_path_buf());
            batches.push(paths.collect(), content);
            is_cut = limit.is_over();
            match is_cut {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        });
        let mut results: Vec<_> = batches.finish().into_iter().flatten().collect();
        if is_cut {
            let path = package.nevra();
            results.push((PathBuf::new(), Err(failed(path.to_owned(), &LATE))));
        }
        results.sort_by(|(one, _), (other, _)| one.cmp(other));
        (results, read)
    }

    /// Judges one module of a package, or tells why it cannot be read; once for
    /// each set of kernels that its paths meet, under the first of them.
    fn packaged(
        &self,
        nevra: &str,
        paths: &[PathBuf],
        kernels: impl Fn(&Path) -> Vec<usize>,
        module: Result<Module, String>,
        limit: TimeLimit,
    ) -> Vec<(PathBuf, JobResult)> {
        self.step(paths.len());
        let mut places: BTreeMap<Vec<usize>, &PathBuf> = BTreeMap::new();
        for path in paths {
            let kernels = kernels(path);
            if !kernels.is_empty() {
                let first = places.entry(kernels).or_insert(path);
                *first = (*first).min(path);
            }
        }
        match (module, places.values().min()) {
            (Ok(module), _) => places
                .into_iter()
                .map(|(kernels, path)| {
                    let (shown, package) = (path.display().to_string(), nevra.to_owned());
                    let entry = self.judge(&module, shown, Some(package), &kernels, limit);
                    (path.clone(), Ok(entry))
                })
                .collect(),
            (Err(error), Some(&first)) => {
                let at = format!("{nevra}: {}", first.display());
                vec![(first.clone(), Err(failed(at, &error)))]
            }
            (Err(_), None) => Vec::new(),
        }
    }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! `btf-guard check`, and with `--built` what a package's build has made, before it is
//! shipped: there each module meets the kernel that it says it is for, and no other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Context;
use btf_guard_core::check::kernels::{Targets, built_with, is_package};
use btf_guard_core::check::{self, CheckOptions, Checked};
use btf_guard_core::evaluate::{Evaluator, Job, Judged, package};
use btf_guard_core::kernel::KernelConfig;
use btf_guard_core::module;
use btf_guard_core::report;
use btf_guard_core::rpm::kernel_files::KernelFiles;
use btf_guard_core::rpm::package::Package;
use btf_guard_sysroot::Root;
use btf_guard_sysroot::file_role::{Role, is_release};
use btf_guard_sysroot::module_tree::{self, ModuleFile};

use crate::args::Check;
use crate::cache_dir;
use crate::output::{self, Outcome};
use crate::progress::Progress;

pub(crate) fn run(args: Check) -> anyhow::Result<Outcome> {
    if args.built {
        return run_built(args);
    }
    let way = args.way;
    let subject = args.package.clone();
    let Checked {
        report,
        causes,
        complete,
    } = check::judge(CheckOptions {
        observer: Some(Box::new(Progress::of_modules(!way.quiet))),
        mode: way.mode,
        cache: cache_dir::open(args.machine.cache.as_deref()),
        paths: args.paths,
        kernels: args.kernels,
        kernel_config: args.kernel_config,
        root: args.root,
        esps: args.esps,
        causes: args.causes,
        jobs: args.jobs,
        config: args.machine.config,
    })?;
    output::report(&report, complete, &causes, way, subject.as_deref())?;
    Ok(Outcome::of(report.decision, complete))
}

fn run_built(args: Check) -> anyhow::Result<Outcome> {
    let root = Root::new(&args.root).with_context(|| format!("--root {}", args.root.display()))?;
    let config = check::kernel_config(args.kernel_config.as_deref())?;
    check::threads(args.jobs)?;
    let mut evaluator = Evaluator::new(args.causes)
        .with_observer(Some(Box::new(Progress::of_modules(!args.way.quiet))));
    let mut targets = Targets::new(&root, config.clone());
    if !args.kernels.is_empty() {
        targets.add_all(&args.kernels, true, &mut evaluator)?;
    }
    let mut check = BuildCheck {
        root: &root,
        config: config.as_ref(),
        evaluator,
        kernels: BTreeMap::new(),
        judged: Judged {
            modules: Vec::new(),
            errors: targets.errors,
        },
    };
    let input = check.collect(&args.paths);
    for release in input.releases() {
        let ids = match args.kernels.is_empty() {
            true => check.found_for(&release, &input),
            // They are all there are.
            false => check.given_for(&release),
        };
        check.kernels.insert(release, ids);
    }
    check.judge(&input);
    let Judged { modules, errors } = check.judged;
    let causes = check.evaluator.causes().clone();
    let kernels = check.evaluator.into_entries();
    let report = report::assemble(kernels, modules, errors, args.way.mode);
    let report = report::as_built(report, args.way.mode);
    let complete = report.errors.is_empty();
    output::report(
        &report,
        complete,
        &causes,
        args.way,
        args.package.as_deref(),
    )?;
    Ok(Outcome::of(report.decision, complete))
}

#[derive(Default)]
struct Input {
    /// Modules on the disk, each with the release that it is for.
    files: Vec<(ModuleFile, String)>,
    packages: Vec<Package>,
    /// Directories, which may be build roots with a kernel in them.
    roots: Vec<Root>,
}

impl Input {
    fn releases(&self) -> BTreeSet<String> {
        let files = self.files.iter().map(|(_, release)| release.clone());
        let packaged = self.packages.iter().flat_map(Package::files);
        let packaged = packaged.filter(|file| file.has_content());
        let packaged = packaged.filter_map(|file| module_release(&file.path));
        files.chain(packaged.map(str::to_owned)).collect()
    }
}

fn module_release(path: &Path) -> Option<&str> {
    match Role::of(path) {
        Some(Role::Module { release, .. }) => Some(release),
        _ => None,
    }
}

/// The release of a module in a build root: the last `lib/modules/RELEASE` of its path.
fn release_in(path: &Path) -> Option<String> {
    let parts: Vec<_> = path.iter().collect();
    let mut places = parts.windows(3).rev().filter_map(|part| match part {
        [lib, modules, release] if *lib == "lib" && *modules == "modules" => release.to_str(),
        _ => None,
    });
    let release = places.find(|release| is_release(release))?;
    // The module itself is no directory.
    (path.file_name()? != release).then(|| release.to_owned())
}

struct BuildCheck<'a> {
    root: &'a Root,
    config: Option<&'a KernelConfig>,
    evaluator: Evaluator,
    /// The kernels of each release, by their ids.
    kernels: BTreeMap<String, Vec<usize>>,
    judged: Judged,
}

impl BuildCheck<'_> {
    fn collect(&mut self, paths: &[PathBuf]) -> Input {
        let mut input = Input::default();
        for path in paths {
            if path.is_dir() {
                match Root::new(path) {
                    Ok(root) => self.directory(path, root, &mut input),
                    Err(error) => self.judged.failed(path.display(), &error),
                }
            } else if is_package(path) {
                match Package::open(path) {
                    Ok(package) => input.packages.push(package),
                    Err(error) => self.judged.failed(path.display(), &error),
                }
            } else {
                let file = ModuleFile {
                    path: path.clone(),
                    file: path.clone(),
                };
                self.file(file, &mut input);
            }
        }
        input
    }

    fn directory(&mut self, path: &Path, root: Root, input: &mut Input) {
        let found = module_tree::walk(path, &root);
        for (path, error) in found.unreadable {
            self.judged.failed(path.display(), &error);
        }
        for file in found.modules {
            self.file(file, input);
        }
        input.roots.push(root);
    }

    /// Takes a module with the release that its place names, or else it itself.
    fn file(&mut self, found: ModuleFile, input: &mut Input) {
        let release = release_in(&found.path).map(Ok).unwrap_or_else(|| {
            let vermagic = module::open(&found.file)?.vermagic.unwrap_or_default();
            let release = vermagic.split_whitespace().next();
            Ok::<_, module::Error>(release.unwrap_or_default().to_owned())
        });
        match release {
            Ok(release) => input.files.push((found, release)),
            Err(error) => self.judged.failed(found.path.display(), &error),
        }
    }

    /// Of the kernels given, those of the release; where none is, all.
    fn given_for(&self, release: &str) -> Vec<usize> {
        let entries = self.evaluator.entries();
        let of_it = entries
            .iter()
            .filter(|e| e.release.as_deref() == Some(release));
        let ids: Vec<usize> = of_it.map(|entry| entry.id).collect();
        match ids.is_empty() {
            true => entries.iter().map(|entry| entry.id).collect(),
            false => ids,
        }
    }

    /// The kernel of the release that the build has made, or else the installed one.
    fn found_for(&mut self, release: &str, input: &Input) -> Vec<usize> {
        for package in &input.packages {
            let files = KernelFiles::of(package);
            if !files.has_image_of(release) {
                continue;
            }
            let reading = &mut package::KernelReading::default();
            for found in package::kernels(package, &files, reading, &mut self.judged.errors) {
                if found.release == release {
                    let mut kernel = found.kernel;
                    kernel.config = self.config.cloned().unwrap_or(kernel.config);
                    let source = found.path.display().to_string();
                    return vec![self.evaluator.add(kernel, source, Some(package.nevra()))];
                }
            }
        }
        let roots = input.roots.iter().chain([self.root]);
        match built_with(roots, release, self.config) {
            Ok((kernel, shown)) => vec![self.evaluator.add(kernel, shown, None)],
            Err(errors) => {
                for (path, error) in errors {
                    self.judged.failed(path, &error);
                }
                let error = "no kernel of this release was found, in the build or in the root: \
                             name one with --kernel";
                self.judged.failed(format!("kernel {release}"), &error);
                Vec::new()
            }
        }
    }

    fn judge(&mut self, input: &Input) {
        let ids = |release: &str| self.kernels.get(release).cloned().unwrap_or_default();
        let jobs = input.files.iter().map(|(found, release)| Job {
            found: found.clone(),
            kernels: ids(release),
        });
        // What meets no kernel has its error already.
        let jobs: Vec<Job> = jobs.filter(|job| !job.kernels.is_empty()).collect();
        self.judged.take(self.evaluator.files(&jobs));
        for package in &input.packages {
            let meets = |path: &Path| module_release(path).map(ids).unwrap_or_default();
            let (evaluator, name) = (&self.evaluator, package.nevra());
            self.judged.package(evaluator, package, name, meets);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_release_is_that_of_the_last_module_directory() {
        for (path, release) in [
            ("/b/usr/lib/modules/6.1/extra/x.ko", Some("6.1")),
            (
                "/usr/lib/modules/5.0/build/root/lib/modules/6.1/x.ko",
                Some("6.1"),
            ),
            ("lib/modules/6.1/x.ko", Some("6.1")),
            ("/lib/modules/x.ko", None),
            ("/lib/modules/../x.ko", None),
            ("x.ko", None),
        ] {
            assert_eq!(release_in(Path::new(path)).as_deref(), release, "{path}");
        }
    }
}

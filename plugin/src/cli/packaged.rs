//! The kernels of a package, and on the way to them its modules: one pass.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use btf_guard::kernel::cache::Cache;
use btf_guard::kernel::{Config, Error, Kernel, Source, image};
use btf_guard::place::Role;
use btf_guard::place::package::Package;
use btf_guard::place::transaction::images;
use btf_guard::report::ErrorEntry;

use super::bench::failed;
use super::shelf::{Kept, Shelf, Tools};
use super::stream::{self, Piece};

/// Images of one package that are read. Kernel packages have one, under two or
/// three names.
const MAX_IMAGES: usize = 16;

/// A kernel of a package, with its release and its image's path.
pub(crate) type Brought = (String, PathBuf, Kernel);

/// The kernels in a package. What cannot be read is added to the errors.
pub(crate) fn kernels(
    package: &Package,
    cache: Option<&Cache>,
    errors: &mut Vec<ErrorEntry>,
) -> Vec<Brought> {
    let shelf = Shelf::new();
    read(package, cache, |_| false, &shelf, errors).0
}

/// The kernels in a package, and those of its modules that are `wanted`, as far
/// as the shelf has room.
pub(crate) fn read(
    package: &Package,
    cache: Option<&Cache>,
    wanted: impl Fn(&Path) -> bool + Sync,
    shelf: &Shelf,
    errors: &mut Vec<ErrorEntry>,
) -> (Vec<Brought>, Vec<Kept>) {
    let nevra = package.nevra();
    let images = images(package);
    if images.len() > MAX_IMAGES {
        let error = format!("more than {MAX_IMAGES} kernel images; the others are not read");
        errors.push(failed(nevra.to_owned(), &error));
    }
    let releases: BTreeMap<&Path, &str> = images
        .into_iter()
        .take(MAX_IMAGES)
        .map(|(release, path)| (path, release))
        .collect();
    let is_image = |path: &Path| releases.contains_key(path);
    let with_content = || package.files().iter().filter(|file| file.has_content());
    let is_kernel = |path: &Path| is_image(path) || is_config(path);
    let mut ahead = with_content().filter(|f| is_kernel(&f.path)).count();
    let with_modules = with_content().any(|file| wanted(&file.path));
    let go_on = |paths: &[&Path]| {
        let kernels = paths.iter().filter(|path| is_kernel(path)).count();
        ahead = ahead.saturating_sub(kernels);
        // With the modules, all of it is held against the header.
        match ahead == 0 && (!with_modules || shelf.is_full()) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    };
    // Decompressed, one is some sixty megabytes.
    let one_at_a_time = Mutex::new(());
    let work = |tools: &mut Tools, piece: Piece| {
        let paths = |is: &dyn Fn(&Path) -> bool| -> Vec<PathBuf> {
            let paths = piece.paths.iter().filter(|path| is(path));
            paths.cloned().collect()
        };
        let configs = paths(&is_config);
        let text = match configs.is_empty() {
            true => String::new(),
            false => String::from_utf8_lossy(&piece.content).into_owned(),
        };
        let configs = configs.into_iter().filter_map(|path| {
            let source = format!("{} in {nevra}", path.display());
            Some((path, Config::of_text(&text, source)?))
        });
        let configs: Vec<_> = configs.collect();
        let images = paths(&is_image);
        let kernel = images.first().map(|path| {
            let one = one_at_a_time.lock();
            let _one = one.unwrap_or_else(PoisonError::into_inner);
            Arc::new(parse(&piece.content, path, cache))
        });
        let modules = paths(&wanted);
        let module = match modules.is_empty() {
            true => None,
            false => shelf.put(tools, modules, &piece.content),
        };
        let images = images.into_iter().zip(kernel.into_iter().cycle());
        (configs, images.collect::<Vec<_>>(), module)
    };
    let wanted_or_kernel = |path: &Path| is_kernel(path) || wanted(path);
    let (pieces, result) = stream::each(package, wanted_or_kernel, Tools::new, work, go_on);
    if let Err(error) = result {
        errors.push(failed(nevra.to_owned(), &error));
    }
    let (mut configs, mut found, mut kept) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
    for (texts, images, module) in pieces {
        configs.extend(texts);
        found.extend(images);
        kept.extend(module);
    }
    let mut kernels = Vec::new();
    for (path, kernel) in found {
        let Some(release) = releases.get(path.as_path()) else {
            continue;
        };
        match kernel.as_ref() {
            Ok(kernel) => {
                let mut kernel = named(kernel.clone(), release);
                kernel.source = Source::File(path.clone());
                let own = |path: &Path| Role::of(path) == Some(Role::Config { release });
                if let Some((_, config)) = configs.iter().find(|(path, _)| own(path)) {
                    kernel.config = Config::clone(config);
                }
                kernels.push(((*release).to_owned(), path, kernel));
            }
            Err(error) => {
                let path = format!("{nevra}: {}", path.display());
                errors.push(failed(path, error));
            }
        }
    }
    (kernels, kept)
}

fn is_config(path: &Path) -> bool {
    matches!(Role::of(path), Some(Role::Config { .. }))
}

/// The kernel of an image in a package, with the config inside the image.
fn parse(content: &[u8], path: &Path, cache: Option<&Cache>) -> Result<Kernel, Error> {
    let image = match cache {
        Some(cache) => cache.parse(content)?,
        None => image::parse(content)?,
    };
    let embedded = image.config.as_deref();
    let config = Config::embedded(embedded);
    Kernel::from_image(image, path, config)
}

/// An image that does not tell its release has that of its place.
fn named(mut kernel: Kernel, release: &str) -> Kernel {
    kernel.release.get_or_insert_with(|| release.to_owned());
    kernel
}

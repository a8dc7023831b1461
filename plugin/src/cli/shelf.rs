//! Modules of a package that were read before their kernels were known.
//!
//! A package may bring its kernel behind its modules, and its payload can only be
//! read from its begin. What decides over a module is small, and its BTF packs
//! well: that of 4,000 modules takes some 20 MB.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use btf_guard::module::{Module, Reader, is_compressed};
use zstd::bulk::{Compressor, Decompressor};

/// What may be kept of a transaction's packages, in bytes. What comes then is read
/// again.
const LIMIT: usize = 48 << 20;

/// How much of that stays as it was read: to pack it takes longer than the rest.
const UNPACKED: usize = 8 << 20;

/// zstd's fastest.
const LEVEL: i32 = 1;

/// A module that was read.
pub(crate) struct Kept {
    /// The paths it is installed under: several for hard links.
    pub(crate) paths: Vec<PathBuf>,
    module: Form,
}

enum Form {
    /// The file as it is.
    Whole(Vec<u8>),
    Read(Module),
    Packed(Packed),
    /// Why it cannot be read.
    Unreadable(String),
}

/// A module, packed.
struct Packed {
    /// All but its BTF.
    rest: Module,
    btf: Option<Block>,
    btf_base: Option<Block>,
}

struct Block {
    packed: Vec<u8>,
    length: usize,
}

/// How much is on the shelf.
pub(crate) struct Shelf {
    limit: usize,
    unpacked: usize,
    held: AtomicUsize,
    #[cfg(test)]
    count: AtomicUsize,
}

/// What a thread needs to put a module there.
pub(crate) struct Tools {
    reader: Reader,
    compressor: io::Result<Compressor<'static>>,
}

impl Tools {
    pub(crate) fn new() -> Self {
        Self {
            reader: Reader::new(),
            compressor: Compressor::new(LEVEL),
        }
    }
}

impl Shelf {
    pub(crate) fn new() -> Self {
        Self {
            unpacked: UNPACKED,
            ..Self::with_room_for(LIMIT)
        }
    }

    /// With room for so many bytes, all of them packed.
    pub(crate) fn with_room_for(limit: usize) -> Self {
        Self {
            limit,
            unpacked: 0,
            held: AtomicUsize::new(0),
            #[cfg(test)]
            count: AtomicUsize::new(0),
        }
    }

    /// How many modules were put there.
    #[cfg(test)]
    pub(crate) fn reads(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.held.load(Ordering::Relaxed) > self.limit
    }

    /// Keeps a compressed module as it is, and of others what decides over them;
    /// `None` where there is no room any more.
    pub(crate) fn put(
        &self,
        tools: &mut Tools,
        paths: Vec<PathBuf>,
        content: &[u8],
    ) -> Option<Kept> {
        if self.is_full() {
            return None;
        }
        let room = self.limit.saturating_sub(self.held.load(Ordering::Relaxed));
        let module = match is_compressed(content) && content.len() <= room {
            true => Form::Whole(content.to_vec()),
            false => match tools.reader.parse(content, &name(&paths)) {
                Ok(module)
                    if self.held.load(Ordering::Relaxed) + size(&module) <= self.unpacked =>
                {
                    Form::Read(module)
                }
                Ok(module) => {
                    let compressor = tools.compressor.as_mut().ok()?;
                    Form::Packed(Packed::of(module, compressor).ok()?)
                }
                Err(error) => Form::Unreadable(error.to_string()),
            },
        };
        let kept = Kept { paths, module };
        self.held.fetch_add(kept.bytes(), Ordering::Relaxed);
        #[cfg(test)]
        self.count.fetch_add(1, Ordering::Relaxed);
        Some(kept)
    }
}

/// What names a module that does not name itself: the first of its paths.
pub(crate) fn name(paths: &[PathBuf]) -> String {
    let first = paths.iter().min().and_then(|path| path.file_name());
    first.unwrap_or_default().to_string_lossy().into_owned()
}

impl Kept {
    /// The file, where it was kept as it is.
    pub(crate) fn whole(&self) -> Option<&[u8]> {
        match &self.module {
            Form::Whole(content) => Some(content),
            Form::Read(_) | Form::Packed(_) | Form::Unreadable(_) => None,
        }
    }

    /// The module, or why it cannot be read.
    pub(crate) fn module(&self, reader: &mut Reader) -> Result<Module, String> {
        match &self.module {
            Form::Whole(content) => {
                let module = reader.parse(content, &name(&self.paths));
                module.map_err(|error| error.to_string())
            }
            Form::Read(module) => Ok(module.clone()),
            Form::Packed(packed) => packed.unpack().map_err(|error| error.to_string()),
            Form::Unreadable(why) => Err(why.clone()),
        }
    }

    fn bytes(&self) -> usize {
        let paths: usize = self.paths.iter().map(|path| path.as_os_str().len()).sum();
        let module = match &self.module {
            Form::Whole(content) => content.len(),
            Form::Read(module) => size(module),
            Form::Packed(packed) => packed.bytes(),
            Form::Unreadable(why) => why.len(),
        };
        size_of::<Self>() + paths + module
    }
}

/// The bytes of what decides over a module.
fn size(module: &Module) -> usize {
    let sections = [&module.btf, &module.btf_base].into_iter().flatten();
    sections.map(Vec::len).sum()
}

/// The paths of all of these.
pub(crate) fn paths(kept: &[Kept]) -> BTreeSet<&Path> {
    let paths = kept.iter().flat_map(|kept| &kept.paths);
    paths.map(PathBuf::as_path).collect()
}

impl Packed {
    fn of(mut module: Module, compressor: &mut Compressor<'_>) -> io::Result<Self> {
        let mut pack = |btf: Option<Vec<u8>>| btf.map(|btf| Block::of(&btf, compressor));
        let btf = pack(module.btf.take()).transpose()?;
        let btf_base = pack(module.btf_base.take()).transpose()?;
        Ok(Self {
            rest: module,
            btf,
            btf_base,
        })
    }

    fn unpack(&self) -> io::Result<Module> {
        let unpack = |block: &Option<Block>| block.as_ref().map(Block::unpack).transpose();
        let mut module = self.rest.clone();
        module.btf = unpack(&self.btf)?;
        module.btf_base = unpack(&self.btf_base)?;
        Ok(module)
    }

    fn bytes(&self) -> usize {
        let blocks = [&self.btf, &self.btf_base].into_iter().flatten();
        blocks.map(|block| block.packed.len()).sum()
    }
}

impl Block {
    fn of(bytes: &[u8], compressor: &mut Compressor<'_>) -> io::Result<Self> {
        let mut packed = compressor.compress(bytes)?;
        packed.shrink_to_fit();
        let length = bytes.len();
        Ok(Self { packed, length })
    }

    fn unpack(&self) -> io::Result<Vec<u8>> {
        Decompressor::new()?.decompress(&self.packed, self.length)
    }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! A small root that boots, in one of the ways in which tools lay it out.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::LazyLock;

use btf_guard_tests::bootable::{BootRoot, pair};
use btf_guard_tests::image::uki;
use btf_guard_tests::initrd;
use btf_guard_tests::mutate::Random;

/// Modules of a root.
const MODULES: usize = 4;
/// The largest that a module may be, in bytes: what is compared is verdicts, not time.
const SMALL: u64 = 20_000;

pub(crate) const MACHINE: &str = "0123456789abcdef0123456789abcdef";
pub(crate) const OTHER_MACHINE: &str = "fedcba9876543210fedcba9876543210";

/// A module that both builds of the kernel have.
pub(crate) struct BuiltTwice {
    pub(crate) name: String,
    pub(crate) new: Vec<u8>,
    pub(crate) old: Vec<u8>,
}

/// The small ones.
fn small_modules() -> &'static [BuiltTwice] {
    static ALL: LazyLock<Vec<BuiltTwice>> = LazyLock::new(|| {
        let small = |path: &&PathBuf| path.metadata().unwrap().len() < SMALL;
        let new = pair().new.modules.iter().filter(small);
        let both = new.filter_map(|new| {
            let name = new.file_name()?;
            let mut all = pair().old.modules.iter().filter(small);
            let old = all.find(|old| old.file_name() == Some(name))?;
            Some(BuiltTwice {
                name: new.file_stem()?.to_str()?.to_owned(),
                new: fs::read(new).unwrap(),
                old: fs::read(old).unwrap(),
            })
        });
        let both: Vec<BuiltTwice> = both.take(60).collect();
        assert!(both.len() > 20, "few small modules: {}", both.len());
        both
    });
    &ALL
}

/// How what boots is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// A copy in `/boot`, and nothing that names it.
    Plain,
    /// A link in `/boot` to the image in the module directory.
    Linked,
    /// Debian's: the image is in `/boot` alone, and `grub.cfg` names it.
    Grub,
    /// Entries on an EFI system partition, one of them the default.
    Entries,
    /// The same without one that is chosen.
    Unchosen,
    /// A unified kernel image.
    Unified,
}

impl Layout {
    const ALL: [Self; 6] = [
        Self::Plain,
        Self::Linked,
        Self::Grub,
        Self::Entries,
        Self::Unchosen,
        Self::Unified,
    ];
}

/// The root.
pub(crate) struct LaidOutRoot {
    pub(crate) files: BootRoot,
    pub(crate) layout: Layout,
    /// What it has in `kernel/`.
    pub(crate) modules: Vec<&'static BuiltTwice>,
}

impl LaidOutRoot {
    /// One with a few modules, and nothing wrong.
    pub(crate) fn new(random: &mut Random) -> Self {
        let mut modules: Vec<&BuiltTwice> = Vec::new();
        while modules.len() < MODULES {
            let all = small_modules();
            let module = &all[random.below(all.len())];
            if modules.iter().all(|known| known.name != module.name) {
                modules.push(module);
            }
        }
        let root = Self {
            files: BootRoot::empty(),
            layout: random.pick(&Layout::ALL),
            modules,
        };
        root.lay_out();
        root
    }

    /// The release's module directory.
    pub(crate) fn tree(&self, below: &str) -> String {
        format!("usr/lib/modules/{}/{below}", pair().release)
    }

    /// The image that copies are made of.
    pub(crate) fn own_image(&self) -> String {
        match self.layout {
            Layout::Grub => self.copy(),
            _ => self.tree("vmlinuz"),
        }
    }

    /// The image that boots.
    pub(crate) fn copy(&self) -> String {
        match self.layout {
            Layout::Plain | Layout::Linked | Layout::Grub => {
                format!("boot/vmlinuz-{}", pair().release)
            }
            Layout::Entries | Layout::Unchosen => {
                format!("efi/{MACHINE}/{}/linux", pair().release)
            }
            Layout::Unified => format!("efi/EFI/Linux/{MACHINE}-{}.efi", pair().release),
        }
    }

    /// The initrd that goes with it.
    pub(crate) fn initrd(&self) -> String {
        match self.layout {
            Layout::Entries | Layout::Unchosen => {
                format!("efi/{MACHINE}/{}/initrd", pair().release)
            }
            _ => format!("boot/initrd.img-{}", pair().release),
        }
    }

    /// An initrd with one module of this root, of the newer build or of the older.
    pub(crate) fn initrd_with(&self, is_new: bool) -> Vec<u8> {
        let module = self.modules[0];
        let path = self.tree(&format!("kernel/{}.ko", module.name));
        initrd::with_file(&path, if is_new { &module.new } else { &module.old })
    }

    /// Writes the image that boots, in the form that the layout has it in.
    pub(crate) fn put_copy(&self, image: &[u8], initrd: &[u8]) {
        let path = self.copy();
        // A link is replaced, not what it leads to.
        let _ = fs::remove_file(self.files.at(&path));
        if self.layout != Layout::Unified {
            return self.files.put(&path, image);
        }
        let options = format!("root=UUID=aa-1 systemd.machine_id={MACHINE}");
        let unified = uki(&[
            (".osrel", b"ID=test\nVERSION_ID=1\nPRETTY_NAME=\"Test 1\"\n"),
            (".uname", pair().release.as_bytes()),
            (".cmdline", options.as_bytes()),
            (".initrd", initrd),
            (".linux", image),
        ]);
        self.files.put(&path, &unified);
    }

    /// An entry of the Boot Loader Specification, on the partition that the layout uses.
    pub(crate) fn entry(&self, id: &str, image: &str, more: &str) {
        let release = &pair().release;
        let text = format!("title {id}\nversion {release}\nlinux {image}\n{more}\n");
        let path = format!("efi/loader/entries/{id}.conf");
        self.files.put(&path, text.as_bytes());
    }

    fn lay_out(&self) {
        let files = &self.files;
        let release = &pair().release;
        files.put("etc/machine-id", format!("{MACHINE}\n").as_bytes());
        files.put("etc/fstab", b"UUID=aa-1 / ext4 defaults 0 1\n");
        files.put(&self.tree("config"), b"CONFIG_MODULES=y\n");
        symlink("usr/lib", files.at("lib")).unwrap();
        for module in &self.modules {
            let path = self.tree(&format!("kernel/{}.ko", module.name));
            files.put(&path, &module.new);
        }
        files.put(&self.own_image(), &pair().new_image);
        let initrd = self.initrd_with(true);
        if self.layout != Layout::Unified {
            files.put(&self.initrd(), &initrd);
        }
        match self.layout {
            Layout::Grub => {
                let config = format!(
                    "set default=0\nmenuentry 'Test' --id test {{\n  \
                     linux /boot/vmlinuz-{release} root=UUID=aa-1 ro\n  \
                     initrd /boot/initrd.img-{release}\n}}\n"
                );
                files.put("boot/grub/grub.cfg", config.as_bytes());
            }
            Layout::Linked => {
                let target = format!("../{}", self.own_image());
                symlink(target, files.at(&self.copy())).unwrap();
            }
            Layout::Plain | Layout::Unified => self.put_copy(&pair().new_image, &initrd),
            Layout::Entries | Layout::Unchosen => {
                self.put_copy(&pair().new_image, &initrd);
                let id = format!("{MACHINE}-{release}");
                let initrd = format!("/{MACHINE}/{release}/initrd");
                let more = format!("initrd {initrd}\noptions root=UUID=aa-1");
                self.entry(&id, &format!("/{MACHINE}/{release}/linux"), &more);
                if self.layout == Layout::Entries {
                    let default = format!("default {id}.conf\n");
                    files.put("efi/loader/loader.conf", default.as_bytes());
                }
            }
        }
    }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! What goes wrong with a root, one by one.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::LazyLock;

use btf_guard_core::kernel::image;
use btf_guard_tests::bootable::{build_of, pair};
use btf_guard_tests::elf;
use btf_guard_tests::mutate::Random;
use btf_guard_tests::parts::Parts;

use crate::laid_out::{BuiltTwice, LaidOutRoot, MACHINE, OTHER_MACHINE};

/// A release without a kernel, whose modules others link to.
const LINKED: &str = "6.1.0-1-linked";

/// One thing that is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Damage {
    StaleCopy,
    SameTypesOtherBuild,
    StaleInitrd,
    CutCopy,
    EmptyCopy,
    TextCopy,
    CutOwnImage,
    InvalidBase,
    EntryWithoutImage,
    EntryWithoutInitrd,
    SecondBuild,
    SecondBuildByDefault,
    Rescue,
    ForeignEntry,
    ForeignDefault,
    ListedBackup,
    UnlistedBackup,
    UnlistedCut,
    LinkToNoImage,
    EntryThatIsNone,
    OtherBuildInKernel,
    OtherBuildInUpdates,
    ShadowedByAGoodOne,
    GoodOneHidden,
    Override,
    UnreadableOrder,
    WeakUpdate,
    DanglingLink,
    LoopOfLinks,
    EmptyModule,
    TextModule,
    CutModule,
    SameNameTwice,
    TolerantConfig,
    NoConfig,
    SecondRelease,
    OnlyModulesDep,
    EmptyTree,
    NoTree,
    NoModuleDirectories,
}

/// The base BTF of the newer build.
fn base() -> &'static [u8] {
    static BASE: LazyLock<Vec<u8>> =
        LazyLock::new(|| image::open(&pair().new.image).unwrap().base_btf);
    &BASE
}

/// A kernel whose own BTF it rejects itself: a type refers to one that there is not.
fn with_invalid_base() -> &'static [u8] {
    static IMAGE: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let mut parts = Parts::of(base()).unwrap();
        let last = parts.references().last().copied().unwrap();
        parts.set(last.at, 0x00ff_fff0);
        elf::vmlinux(&pair().release, &parts.build())
    });
    &IMAGE
}

/// Another build of the newer kernel, in which no type has changed.
fn with_same_types() -> &'static [u8] {
    static IMAGE: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let vmlinux = elf::vmlinux(&pair().release, base());
        let payload = zstd::encode_all(&vmlinux[..], 1).unwrap();
        let image = elf::bzimage(&pair().release, &payload);
        assert_ne!(build_of(&image), build_of(&pair().new_image));
        image
    });
    &IMAGE
}

impl Damage {
    /// Every one, what takes most away last.
    pub(crate) const ALL: [Self; 40] = [
        Self::StaleCopy,
        Self::SameTypesOtherBuild,
        Self::StaleInitrd,
        Self::CutCopy,
        Self::EmptyCopy,
        Self::TextCopy,
        Self::CutOwnImage,
        Self::InvalidBase,
        Self::EntryWithoutImage,
        Self::EntryWithoutInitrd,
        Self::SecondBuild,
        Self::SecondBuildByDefault,
        Self::Rescue,
        Self::ForeignEntry,
        Self::ForeignDefault,
        Self::ListedBackup,
        Self::UnlistedBackup,
        Self::UnlistedCut,
        Self::LinkToNoImage,
        Self::EntryThatIsNone,
        Self::OtherBuildInKernel,
        Self::OtherBuildInUpdates,
        Self::ShadowedByAGoodOne,
        Self::GoodOneHidden,
        Self::Override,
        Self::UnreadableOrder,
        Self::WeakUpdate,
        Self::DanglingLink,
        Self::LoopOfLinks,
        Self::EmptyModule,
        Self::TextModule,
        Self::CutModule,
        Self::SameNameTwice,
        Self::TolerantConfig,
        Self::NoConfig,
        Self::SecondRelease,
        Self::OnlyModulesDep,
        Self::EmptyTree,
        Self::NoTree,
        Self::NoModuleDirectories,
    ];

    /// Does it to a root.
    pub(crate) fn apply(self, root: &LaidOutRoot, random: &mut Random) {
        let module = root.modules[random.below(root.modules.len())];
        self.apply_to_images(root);
        self.apply_to_modules(root, module);
        self.apply_to_tree(root);
    }

    fn apply_to_images(self, root: &LaidOutRoot) {
        let release = &pair().release;
        let (new, old) = (&pair().new_image, &pair().old_image);
        let put = |path: String, bytes: &[u8]| root.files.put(&path, bytes);
        let initrd = root.initrd_with(self != Self::StaleInitrd);
        let copy = |image: &[u8]| root.put_copy(image, &initrd);
        let raw_copy = |bytes: &[u8]| {
            let path = root.files.at(&root.copy());
            let _ = fs::remove_file(&path);
            fs::write(path, bytes).unwrap();
        };
        // On a partition of its own, beside the others.
        let more = |name: &str, image: &[u8]| {
            put(format!("efi/more/{name}"), image);
            format!("/more/{name}")
        };
        let own = format!("{MACHINE}-more");
        match self {
            Self::StaleCopy => copy(old),
            Self::SameTypesOtherBuild => copy(with_same_types()),
            Self::StaleInitrd => match root.files.at(&root.initrd()).exists() {
                true => put(root.initrd(), &initrd),
                false => copy(new),
            },
            Self::CutCopy => raw_copy(&new[..new.len() / 2]),
            Self::EmptyCopy => raw_copy(b""),
            Self::TextCopy => raw_copy(b"no kernel\n"),
            Self::CutOwnImage => put(root.own_image(), &new[..new.len() / 3]),
            Self::InvalidBase => copy(with_invalid_base()),
            Self::EntryWithoutImage => root.entry(&own, "/more/nothing", ""),
            Self::EntryWithoutInitrd => {
                let image = more("whole", new);
                root.entry(&format!("{MACHINE}-bare"), &image, "initrd /more/nothing");
            }
            Self::SecondBuild => {
                let image = more("second", old);
                root.entry(
                    &format!("{MACHINE}-second"),
                    &image,
                    "options root=UUID=aa-1",
                );
            }
            Self::SecondBuildByDefault => {
                let image = more("chosen", old);
                root.entry("chosen", &image, "");
                put(
                    "efi/loader/loader.conf".to_owned(),
                    b"default chosen.conf\n",
                );
            }
            Self::Rescue => {
                let name = format!("vmlinuz-0-rescue-{MACHINE}");
                put(format!("boot/{name}"), old);
                let image = more(&name, old);
                root.entry(&format!("{MACHINE}-0-rescue"), &image, "");
            }
            Self::ForeignEntry => {
                let image = more("foreign", old);
                root.entry(&format!("{OTHER_MACHINE}-{release}"), &image, "");
            }
            Self::ForeignDefault => {
                let image = more("foreign-default", old);
                root.entry("theirs", &image, "options root=UUID=bb-2");
                put(
                    "efi/loader/loader.conf".to_owned(),
                    b"default theirs.conf\n",
                );
            }
            Self::ListedBackup => {
                put(format!("boot/vmlinuz-{release}.old"), old);
                let image = more("backup", old);
                root.entry(&format!("{MACHINE}-backup"), &image, "");
            }
            Self::UnlistedBackup => put(format!("boot/vmlinuz-{release}.bak"), old),
            Self::UnlistedCut => put(format!("boot/vmlinuz-{release}.cut"), &new[..100_000]),
            Self::LinkToNoImage => {
                fs::create_dir_all(root.files.at("boot")).unwrap();
                symlink("nowhere", root.files.at("boot/vmlinuz-6.0.0-gone")).unwrap();
            }
            Self::EntryThatIsNone => {
                put("efi/loader/entries/none.conf".to_owned(), b"title none\n");
            }
            _ => {}
        }
    }

    fn apply_to_modules(self, root: &LaidOutRoot, module: &BuiltTwice) {
        let BuiltTwice { name, new, old } = module;
        let put = |path: String, bytes: &[u8]| root.files.put(&path, bytes);
        let at = |dir: &str| root.tree(&format!("{dir}/{name}.ko"));
        let link = |path: &str, target: &str| {
            let path = root.files.at(&root.tree(path));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let _ = fs::remove_file(&path);
            symlink(target, path).unwrap();
        };
        let order = |text: String| put("etc/depmod.d/test.conf".to_owned(), text.as_bytes());
        match self {
            Self::OtherBuildInKernel => put(at("kernel"), old),
            Self::OtherBuildInUpdates => put(at("updates"), old),
            Self::ShadowedByAGoodOne => {
                put(at("kernel"), old);
                put(at("updates"), new);
            }
            Self::GoodOneHidden => {
                put(at("extra"), old);
                order("search updates extra built-in\n".to_owned());
            }
            Self::Override => {
                put(at("chosen"), old);
                order(format!("override {name} * chosen\n"));
            }
            Self::UnreadableOrder => {
                let dir = root.files.at("usr/lib/depmod.d");
                fs::create_dir_all(&dir).unwrap();
                symlink("loop.conf", dir.join("loop.conf")).unwrap();
            }
            Self::WeakUpdate => {
                let other = format!("usr/lib/modules/{LINKED}/extra/weak_{name}.ko");
                put(other, old);
                let target = format!("../../{LINKED}/extra/weak_{name}.ko");
                link(&format!("weak-updates/weak_{name}.ko"), &target);
            }
            Self::DanglingLink => link(&format!("extra/gone_{name}.ko"), "nowhere.ko"),
            Self::LoopOfLinks => link("loop", "loop"),
            Self::EmptyModule => put(at("kernel"), b""),
            Self::TextModule => put(at("kernel"), b"no module\n"),
            Self::CutModule => put(at("kernel"), &new[..new.len() / 2]),
            // Which of them is loaded, nothing tells.
            Self::SameNameTwice => {
                put(at("kernel/one"), old);
                put(at("kernel/two"), new);
            }
            _ => {}
        }
    }

    fn apply_to_tree(self, root: &LaidOutRoot) {
        let remove = |path: &str| {
            // Another damage may have been here.
            let _ = fs::remove_dir_all(root.files.at(&root.tree(path)));
        };
        let remove_modules = || {
            for dir in ["kernel", "updates", "extra", "chosen", "weak-updates"] {
                remove(dir);
            }
        };
        match self {
            Self::TolerantConfig => {
                let config = b"CONFIG_MODULES=y\nCONFIG_MODULE_ALLOW_BTF_MISMATCH=y\n";
                root.files.put(&root.tree("config"), config);
            }
            Self::NoConfig => {
                let _ = fs::remove_file(root.files.at(&root.tree("config")));
            }
            Self::SecondRelease => {
                let release = &pair().old.release;
                let image = fs::read(&pair().old.image).unwrap();
                let dir = format!("usr/lib/modules/{release}");
                root.files.put(&format!("{dir}/vmlinuz"), &image);
                let module = root.modules[0];
                let path = format!("{dir}/kernel/{}.ko", module.name);
                root.files.put(&path, &module.new);
            }
            Self::OnlyModulesDep => {
                remove_modules();
                root.files.put(&root.tree("modules.dep"), b"kernel/a.ko:\n");
            }
            Self::EmptyTree => remove_modules(),
            Self::NoTree => remove(""),
            Self::NoModuleDirectories => {
                let _ = fs::remove_dir_all(root.files.at("usr/lib/modules"));
            }
            _ => {}
        }
    }
}

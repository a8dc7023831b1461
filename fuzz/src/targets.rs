// SPDX-License-Identifier: GPL-2.0-or-later
//! What each fuzz target does with its input. The regression test over kept
//! crashers (`tests/tests/crashers.rs`) calls the same functions.

use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::OnceLock;

use btf_guard_btf::features::Features;
use btf_guard_btf::{
    Base, BasePairMemo, LogFormat, Order, Split, base_strings, evidence, fits, same_meaning,
    verify_base, verify_module,
};
use btf_guard_core::boot::ModulesRoot;
use btf_guard_core::boot::bls::{EntryName, Type1Entry};
use btf_guard_core::boot::grub::{BlsEntry, Menu, parse_grubenv};
use btf_guard_core::boot::systemd_boot::{
    EfiVariables, Ids, LoaderEntry, choose, loader_conf_default, wishes,
};
use btf_guard_core::initrd::{self, Contents};
use btf_guard_core::kernel::{KernelConfig, image};
use btf_guard_core::module;
use btf_guard_core::rpm::package::Package;
use btf_guard_core::time_limit::TimeLimit;
use btf_guard_core::transaction::changes::Transaction;
use btf_guard_core::vercmp;
use btf_guard_protocol::plan::Plan;
use btf_guard_sysroot::Root;
use btf_guard_tests::btf::Era;
use btf_guard_zypp::{steps, stomp};

pub(crate) mod kept;
pub(crate) mod machine;
pub(crate) mod programs;
mod scene;
pub(crate) mod wishes;

fn bases() -> &'static [(Base, Features)] {
    static BASES: OnceLock<Vec<(Base, Features)>> = OnceLock::new();
    BASES.get_or_init(|| {
        Era::ALL
            .iter()
            .filter_map(|era| {
                let base = Base::parse(era.base().build()).ok()?;
                let abilities = Features::of(&base, Some(era.release()));
                Some((base, abilities))
            })
            .collect()
    })
}

/// The first byte chooses the kernel; a second, not zero, says how many 16-byte
/// steps of the rest are a distilled base; what is left is the split BTF.
pub(crate) fn btf(data: &[u8]) {
    let [era, cut, rest @ ..] = data else {
        return;
    };
    let all = bases();
    let Some((base, abilities)) = all.get(usize::from(*era) % all.len()) else {
        return;
    };
    let _ = verify_base(rest, Order::Little, abilities);
    let _ = verify_base(rest, Order::Big, abilities);
    if let Some((distilled, split)) = rest.split_at_checked(usize::from(*cut) * 16)
        && *cut != 0
    {
        let _ = verify_module(split, Some(distilled), base, abilities);
    }
    if let Err(error) = verify_module(rest, None, base, abilities) {
        let log = error.log(LogFormat::new(abilities, era & 0x80 != 0));
        assert!(log.iter().all(|line| line.is_ascii()), "{log:?}");
    }
    origin(rest, all, Order::Little);
    if let Ok(base) = Base::parse(rest.to_vec()) {
        let abilities = Features::of(&base, None);
        let _ = verify_module(rest, None, &base, &abilities);
        let _ = verify_module(rest, Some(rest), &base, &abilities);
        // A hostile base, and one that differs from it.
        let order = base.order();
        let Ok(other) = Base::parse(Era::V7_3.base().build()) else {
            return;
        };
        let pair = [(base, abilities.clone()), (other, abilities)];
        origin(rest, &pair, order);
    }
}

/// Asks where a split BTF comes from, be it one that a kernel would take or not.
fn origin(raw: &[u8], bases: &[(Base, Features)], order: Order) {
    let Some(split) = Split::parse(raw, order) else {
        return;
    };
    let _ = base_strings(&split);
    for ((here, _), (there, _)) in bases.iter().zip(bases.iter().skip(1)) {
        let found = evidence(&split, here);
        assert_eq!(found.is_empty(), fits(&split, here));
        let _ = same_meaning(&split, here, there, &mut BasePairMemo::default());
    }
}

/// A module file, compressed or not.
pub(crate) fn module(data: &[u8]) {
    let _ = module::parse(data, "fuzz.ko");
}

/// A kernel image, and the same bytes as a kernel's config.
pub(crate) fn image(data: &[u8]) {
    let _ = KernelConfig::of_text(&String::from_utf8_lossy(data), "fuzz");
    if let Ok(image) = image::parse(data)
        && let Ok(base) = Base::parse(image.base_btf)
    {
        let _ = Features::of(&base, image.release.as_deref());
    }
}

/// A package: its header, and its payload, read to the end.
pub(crate) fn package(data: &[u8]) {
    let mut file = tempfile::tempfile().expect("a file for the package");
    file.write_all(data).expect("room for the package");
    let Ok(package) = Package::of(file) else {
        return;
    };
    let _ = package.extract(
        |_| true,
        TimeLimit::default(),
        |_, bytes| {
            let _ = module::parse(&bytes, "fuzz.ko");
            ControlFlow::Continue(())
        },
    );
}

/// An initrd, its modules read.
pub(crate) fn initrd(data: &[u8]) {
    let mut contents = Contents::default();
    let _ = initrd::parse(data, &mut |item| match item {
        initrd::InitrdItem::Module { path, content } => {
            let name = module::parse(&content, &path).map(|module| module.name);
            contents.file(path, name.ok());
        }
        initrd::InitrdItem::Link { path, target } => contents.link(path, &target),
    });
    let _ = contents.of_release("6.1");
}

/// A plan, as a hook would hand it over.
pub(crate) fn plan(data: &[u8]) {
    if let Ok(plan) = serde_json::from_slice::<Plan>(data) {
        let files = plan.elements.iter().map(|_| None);
        if let Ok(root) = Root::new(Path::new("/proc")) {
            let _ = Transaction::read(&plan, files, &root);
        }
    }
}

/// The texts that boot loaders read. The input is each of them: an entry, a
/// `loader.conf`, an EFI variable; and up to a NUL a `grubenv`, behind it a
/// `grub.cfg`.
pub(crate) fn boot(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut items = Vec::new();
    if let Ok(entry) = Type1Entry::parse(&text) {
        let _ = entry.release();
        if let Ok(root) = Root::new(Path::new("/proc")) {
            let _ = ModulesRoot::of(&root, entry.options.as_deref());
        }
        let file = entry.title.as_deref().unwrap_or("a+1-2.conf");
        items.extend(EntryName::of(file, ".conf").map(|name| {
            let mut item = LoaderEntry::named(name);
            item.sort_key.clone_from(&entry.sort_key);
            item.machine_id.clone_from(&entry.machine_id);
            item.version.clone_from(&entry.version);
            item
        }));
    }
    items.extend(text.lines().filter_map(|line| {
        let name = EntryName::of(line, ".efi").or_else(|| EntryName::of(line, ".conf"));
        name.map(LoaderEntry::named)
    }));
    let variables = EfiVariables {
        default: EfiVariables::text(data).ok(),
        ..EfiVariables::default()
    };
    let conf = loader_conf_default(&text);
    let wishes = wishes(&variables, conf, "loader.conf");
    let _ = choose(&items, &wishes, Ids::possible(text.lines().next()));
    if let Some((one, two)) = text.split_once('\n') {
        let order = vercmp::compare(one, two);
        assert_eq!(vercmp::compare(two, one), order.reverse());
    }

    let (env, script) = text.split_once('\0').unwrap_or(("", &text));
    let menu = Menu::parse(script, parse_grubenv(env));
    let id = "0123456789abcdef0123456789abcdef-6.1".to_owned();
    let title = "Fedora (6.1)".to_owned();
    let _ = menu.default(&[BlsEntry { id, title }]);
}

/// What libzypp says to its commit plugin.
pub(crate) fn frames(mut data: &[u8]) {
    while let Ok(Some(frame)) = stomp::read(&mut data) {
        let _ = steps::parse(&frame.body);
    }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! Which command brings a stale copy of a kernel up to date.

use std::borrow::Cow;
use std::path::Path;

use btf_guard_sysroot::Root;

use super::entries::os_release_value;
use super::volume::Volume;
use super::{BootMethod, Bootable};

/// The longest entry token that is read, in bytes: it is a part of file names.
const MAX_TOKEN: u64 = 4096;

/// The command that puts the present build of `release` in place of the image
/// `kernel`, to be run inside `root`: that of the tool which made the copy, by
/// its layout and by what is installed.
pub(crate) fn refresh_command(root: &Root, kernel: &Bootable, release: &str) -> String {
    let version = quoted(release);
    let image = module_image(root, kernel, release);
    let file = kernel.path.file_name().and_then(|name| name.to_str());
    let copied_by_sdbootutil = file.is_some_and(is_sdbootutil_name);
    let is_entry = has(kernel, BootMethod::Entry) || has(kernel, BootMethod::Uki);

    if copied_by_sdbootutil || has(kernel, BootMethod::Entry) && has_tool(root, "sdbootutil") {
        // Without the option, it takes a kernel of that release for installed.
        let command = format!("sdbootutil --no-reuse-initrd add-kernel {version}");
        return match kernel.home.snapshot() {
            Some(number) => format!("{command} {number}"),
            None => command,
        };
    }
    if has(kernel, BootMethod::Kernelstub) || is_entry && has_tool(root, "kernelstub") {
        return "kernelstub".to_owned();
    }
    let shown = root
        .inside(&kernel.path)
        .unwrap_or_else(|| kernel.path.clone());
    let path = shown.display().to_string();
    let path = quoted(&path);
    let in_boot = has(kernel, BootMethod::Boot) || has(kernel, BootMethod::Grub);
    if in_boot && !is_entry && is_suse(root) {
        // Its scripts leave a file alone where they would put a link.
        return format!(
            "rm {path} && zypper install --force \
             \"$(rpm -qf --qf '%{{NAME}}=%{{VERSION}}-%{{RELEASE}}' {image})\""
        );
    }
    if in_boot && !is_entry && has_tool(root, "dpkg") {
        return format!(
            "apt-get install --reinstall {}",
            quoted(&format!("linux-image-{release}"))
        );
    }
    if has_tool(root, "kernel-install") && (is_entry || in_boot) {
        let add = format!("kernel-install add {version} {image}");
        return match left_entry(root, kernel, release) {
            Some(entry) => format!("rm {entry} && {add}"),
            None => add,
        };
    }
    if let Some(uki) = kernel.via.iter().find(|via| via.unified) {
        // A kernel alone in its place would boot without command line and initrd.
        let options = quoted(uki.options.as_deref().unwrap_or_default());
        return format!(
            "ukify build --linux={image} --initrd=INITRD --cmdline={options} --output={path}"
        );
    }
    format!("cp {image} {path}")
}

/// The command that makes the initrd in the file `initrd` of the kernel
/// `kernel` anew, to be run inside `root`: that of the tool which is installed.
/// `None` if none is known.
pub(crate) fn refresh_initrd_command(
    root: &Root,
    kernel: &Bootable,
    release: &str,
    initrd: &Path,
) -> Option<String> {
    let version = quoted(release);
    if has(kernel, BootMethod::Entry) && has_tool(root, "sdbootutil") {
        return Some(refresh_command(root, kernel, release));
    }
    // It hands on what it makes to whatever copies it.
    if has_tool(root, "update-initramfs") {
        return Some(format!("update-initramfs -u -k {version}"));
    }
    // kernel-install puts the file into a directory of its own, or makes it a part of a
    // unified kernel image.
    let inside = root
        .inside(initrd)
        .filter(|_| !has(kernel, BootMethod::Uki));
    let in_boot = inside.filter(|path| path.parent() == Some(Path::new("/boot")));
    if in_boot.is_none() && has_tool(root, "kernel-install") {
        let image = module_image(root, kernel, release);
        return Some(format!("kernel-install add {version} {image}"));
    }
    if has_tool(root, "dracut") {
        return Some(match in_boot.map(|path| path.display().to_string()) {
            Some(path) => format!("dracut --force {} {version}", quoted(&path)),
            None => format!("dracut --force --kver {version}"),
        });
    }
    has_tool(root, "mkinitcpio").then(|| "mkinitcpio -P".to_owned())
}

/// An entry that kernel-install has made under another entry token than the
/// present one, and makes no more: kernel-install(8).
fn left_entry(root: &Root, kernel: &Bootable, release: &str) -> Option<String> {
    let whole = Volume::part_of(root, Path::new("/"));
    let present = whole.read("etc/kernel/entry-token", MAX_TOKEN).ok()??;
    let mut entries = kernel.via.iter().filter(|via| via.way == BootMethod::Entry);
    let left = entries.find(|via| {
        let id = via.id.as_deref().and_then(|id| id.strip_suffix(".conf"));
        let token = id.and_then(|id| id.strip_suffix(release)?.strip_suffix('-'));
        via.foreign.is_none()
            && token.is_some_and(|token| !token.eq_ignore_ascii_case(present.trim()))
    })?;
    let entry = root.inside(&left.source)?.display().to_string();
    Some(quoted(&entry).into_owned())
}

fn has(kernel: &Bootable, way: BootMethod) -> bool {
    kernel.via.iter().any(|via| via.way == way)
}

/// `linux-<sha1 of the image>`.
fn is_sdbootutil_name(name: &str) -> bool {
    let hash = name.strip_prefix("linux-");
    hash.is_some_and(|hash| hash.len() == 40 && hash.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Where the release's module directory has its image, inside the root.
fn module_image(root: &Root, kernel: &Bootable, release: &str) -> String {
    let image = kernel.home.root(root).and_then(|home| {
        let mut images = home.images(release).into_iter();
        let image = images.find(|image| !image.inside.starts_with("/boot"))?;
        root.inside(&home.outside(&image.inside))
    });
    let usual = || Path::new("/usr/lib/modules").join(release).join("vmlinuz");
    let image = image.unwrap_or_else(usual);
    quoted(&image.display().to_string()).into_owned()
}

fn has_tool(root: &Root, name: &str) -> bool {
    let mut dirs = ["/usr/bin", "/usr/sbin", "/bin", "/sbin"].iter();
    dirs.any(|dir| {
        let path = root.resolve(&Path::new(dir).join(name));
        path.is_ok_and(|path| path.is_file())
    })
}

fn is_suse(root: &Root) -> bool {
    let whole = Volume::part_of(root, Path::new("/"));
    let mut texts = ["etc/os-release", "usr/lib/os-release"]
        .iter()
        .filter_map(|path| whole.read(path, 64 << 10).ok()?);
    let text = texts.next().unwrap_or_default();
    let ids = [
        os_release_value(&text, "ID"),
        os_release_value(&text, "ID_LIKE"),
    ];
    let mut words = ids.iter().flatten().flat_map(|ids| ids.split_whitespace());
    words.any(|id| matches!(id, "suse" | "opensuse" | "sles" | "sled"))
}

/// One word for a shell. A release comes from an image, which may say
/// anything; what a terminal would act upon is left out.
fn quoted(word: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._+-~@:/=,%".contains(c);
    if !word.is_empty() && !word.starts_with('-') && word.chars().all(plain) {
        return word.into();
    }
    let printed: String = word.chars().filter(|c| !c.is_control()).collect();
    format!("'{}'", printed.replace('\'', r"'\''")).into()
}

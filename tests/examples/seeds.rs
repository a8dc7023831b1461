// SPDX-License-Identifier: GPL-2.0-or-later
//! Writes a first corpus, so that the fuzzer need not invent ELF or rpm.
//!
//! Usage: `seeds DIR`; each target gets a directory in there.

use std::fs;
use std::io::Write;
use std::path::Path;

use btf_guard_tests::btf::{Btf, Era};
use btf_guard_tests::mutate::{Random, generate};
use btf_guard_tests::{elf, image, initrd, seeds};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    let dir = std::env::args_os().nth(1).ok_or("usage: seeds DIR")?;
    let dir = Path::new(&dir);
    for target in [
        "btf", "module", "image", "initrd", "package", "plan", "boot", "frames",
    ] {
        fs::create_dir_all(dir.join(target))?;
    }
    for (target, name, text) in seeds::TEXTS {
        fs::create_dir_all(dir.join(target))?;
        fs::write(dir.join(target).join(name), text)?;
    }
    let mut split = Vec::new();
    for (index, era) in Era::ALL.into_iter().enumerate() {
        for seed in 0..20 {
            let mut random = Random::new(seed + 1);
            let mut btf = Btf::split(&era.base());
            generate(&mut btf, random.pick(&[1, 3, 10, 40]), &mut random);
            split = btf.build();
            let mut input = vec![index as u8, 0];
            input.extend_from_slice(&split);
            fs::write(dir.join("btf").join(format!("split-{index}-{seed}")), input)?;
        }
        let mut distilled = Btf::base();
        let head = distilled.named("list_head", 4, 0, 16, &[]);
        let mut own = Btf::split(&distilled);
        own.structure("holder", 64, &[("m", head, 0)]);
        let mut raw = distilled.build();
        while !raw.len().is_multiple_of(16) {
            distilled.string("");
            raw = distilled.build();
        }
        let mut own = Btf::split(&distilled);
        own.structure("holder", 64, &[("m", head, 0)]);
        let mut input = vec![index as u8, (raw.len() / 16) as u8];
        input.extend_from_slice(&raw);
        input.extend_from_slice(&own.build());
        fs::write(dir.join("btf").join(format!("distilled-{index}")), input)?;
    }
    let base = Era::V6_18.base().build();
    let ko = elf::named_module("seed", &split);
    let distilled = elf::module(&[
        (".modinfo", b"name=d\0"),
        (".BTF", &split),
        (".BTF.base", &base),
    ]);
    let vmlinux = elf::vmlinux("6.18.15", &base);
    for (name, bytes) in [("plain", &ko), ("distilled", &distilled)] {
        fs::write(dir.join("module").join(name), bytes)?;
        fs::write(
            dir.join("module").join(format!("{name}.zst")),
            zstd::encode_all(&bytes[..], 3)?,
        )?;
        fs::write(dir.join("module").join(format!("{name}.gz")), gzip(bytes)?)?;
    }
    let plan = r#"{"schema":2,"root":"/nowhere","test":false,"mode":"warn","elements":[
        {"nevra":"a-1-1.x86_64","action":"install","file":null,"paths":["/lib/modules/6.1/extra/a.ko"]},
        {"nevra":"b-1-1.x86_64","action":"erase","file":null,"paths":["/boot/vmlinuz-6.1"]}]}"#;
    fs::write(dir.join("plan/plan"), plan)?;
    let transcripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("protocol");
    for transcript in fs::read_dir(transcripts)? {
        let transcript = transcript?;
        let said = fs::read_to_string(transcript.path())?.replace("^@\n", "\0");
        fs::write(dir.join("frames").join(transcript.file_name()), said)?;
    }
    let zst = zstd::encode_all(&vmlinux[..], 3)?;
    fs::write(dir.join("image/raw"), &base)?;
    fs::write(dir.join("image/vmlinux"), &vmlinux)?;
    fs::write(dir.join("image/vmlinux.zst"), &zst)?;
    fs::write(dir.join("image/bzimage.zst"), elf::bzimage("6.18.15", &zst))?;
    fs::write(
        dir.join("image/bzimage.gz"),
        elf::bzimage("6.18.15", &gzip(&vmlinux)?),
    )?;
    images(&dir.join("image"))?;
    let plain = initrd::archive(&ko);
    fs::write(dir.join("initrd/plain"), &plain)?;
    fs::write(dir.join("initrd/gzip"), gzip(&plain)?)?;
    fs::write(dir.join("initrd/zstd"), zstd::encode_all(&plain[..], 3)?)?;
    fs::write(dir.join("initrd/joined"), initrd::joined(&ko))?;
    for (name, text) in BOOT {
        fs::write(dir.join("boot").join(name), text)?;
    }
    for (name, compression) in [
        ("none", rpm::CompressionType::None),
        ("gzip", rpm::CompressionType::Gzip),
        ("zstd", rpm::CompressionType::Zstd),
    ] {
        let path = "/lib/modules/6.18.15/extra/seed.ko";
        let config = rpm::BuildConfig::default().compression(compression);
        let package = rpm::PackageBuilder::new("seed", "1", "GPL-2.0-or-later", "x86_64", "seed")
            .using_config(config)
            .with_file_contents(ko.clone(), rpm::FileOptions::new(path))?
            .build()?;
        let mut bytes = Vec::new();
        package.write(&mut bytes)?;
        fs::write(dir.join("package").join(name), bytes)?;
    }
    Ok(())
}

/// Raw kernels and those that wrap them, and UKIs.
fn images(dir: &Path) -> Result<()> {
    let put = |name: &str, bytes: &[u8]| fs::write(dir.join(name), bytes);
    let mut base = Era::V6_18.base();
    base.structure("task_struct", 8, &[("pid", 1, 0)]);
    let memory = image::memory("6.18.15", &base.build());
    let arm64 = image::arm64(&memory);
    put("arm64", &arm64)?;
    put("arm64.gz", &gzip(&arm64)?)?;
    put("riscv64", &image::riscv64(&memory))?;
    put("loongarch64", &image::loongarch64(&memory))?;
    put("zboot", &image::zboot(&gzip(&arm64)?))?;
    let mut base = Btf::base().big_endian();
    base.int();
    base.structure("task_struct", 8, &[("pid", 1, 0)]);
    let memory = image::memory("6.18.15", &base.build());
    put("s390x", &image::s390x(&memory))?;
    put(
        "s390x.zst",
        &image::s390x(&zstd::encode_all(&memory[..], 3)?),
    )?;
    let kernel = elf::vmlinux("6.18.15", &Era::V6_18.base().build());
    // One block that is stored as it is.
    let mut lzop = b"\x89LZO\0\r\n\x1a\n\x10\x40\x20\xa0\x09\x40\x03\x09\x03\0\0\x01".to_vec();
    lzop.extend_from_slice(&[0; 17]);
    for length in [kernel.len(); 2] {
        lzop.extend_from_slice(&(length as u32).to_be_bytes());
    }
    lzop.extend_from_slice(&[0; 4]);
    lzop.extend_from_slice(&kernel);
    lzop.extend_from_slice(&[0; 4]);
    // And one that is not: 512 zeros.
    let packed = b"\0\0\x02\0\0\0\0\x0a\0\0\0\0\x12\0\x20\0\xdf\0\0\x11\0\0\0\0\0\0";
    lzop.truncate(lzop.len() - 4);
    lzop.extend_from_slice(packed);
    put("bzimage.lzo", &elf::bzimage("6.18.15", &lzop))?;
    let bzimage = elf::bzimage("6.18.15", &gzip(&kernel)?);
    for (name, linux) in [("bzimage", &bzimage), ("arm64", &arm64)] {
        let sections: &[(&str, &[u8])] = &[
            (".osrel", b"ID=x\n"),
            (".uname", b"6.18.15"),
            (".cmdline", b"quiet"),
            (".linux", linux),
            (".initrd", b"initrd"),
            (".profile", b"ID=a\nTITLE=b\n"),
            (".cmdline", b"single"),
        ];
        put(&format!("uki-{name}"), &image::uki(sections))?;
    }
    Ok(())
}

/// What boot loaders read: an entry, a `loader.conf`, an EFI variable, and a
/// `grubenv` with a `grub.cfg` behind a NUL.
const BOOT: [(&str, &str); 5] = [
    (
        "entry",
        "# comment\r\ntitle a+1-2.conf\r\nversion 5@6.1\nmachine-id 0\nsort-key debian\n\
         options root=1 rootflags=subvol=@/.snapshots/5/snapshot\nlinux /id/6.1/linux\n\
         initrd /id/6.1/initrd $tuned_initrd\narchitecture x64\n",
    ),
    (
        "loader.conf",
        "timeout 3\ndefault id-[0-9]*?.conf\nid-6.1+3.conf\nid-7.efi\n",
    ),
    ("variable", "\x07\0\0\0@\0s\0a\0v\0e\0d\0\0\0"),
    (
        "grub",
        "# GRUB Environment Block\nsaved_entry=more>1\n######\0load_env\n\
         if [ \"${next_entry}\" ] ; then set default=\"${next_entry}\"; set next_entry=\n\
         elif [ ! -s $prefix/x -a $a != 1 ]; then set default=\"${saved_entry}\"; fi\n\
         function f {\n if test -z $x; then x=y; fi\n}\n\
         submenu 'more' --id=more {\n menuentry a $menuentry_id_option 'b' {\n\
         linux ($root)/vmlinuz root=UUID=1\n initrd /initrd\n }\n}\n",
    ),
    (
        "blscfg",
        "# GRUB Environment Block\nsaved_entry=0\n\0load_env -f ${config_directory}/grubenv\n\
         set default=${saved_entry}\nfor i in 1 2; do a=$i; done\nblscfg\n",
    ),
];

fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}

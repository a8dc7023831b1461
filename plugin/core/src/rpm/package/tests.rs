// SPDX-License-Identifier: GPL-2.0-or-later
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::HashMap;
use std::io::{Seek, Write};

use rpm::{CompressionType, FileOptions};

use super::*;
use crate::rpm::file_list::FileKind;
use crate::rpm::payload::Archive;
use crate::time_limit::TimeLimit;

mod payloads;

fn build(compression: CompressionType, fill: impl FnOnce(&mut rpm::PackageBuilder)) -> Vec<u8> {
    let mut builder = rpm::PackageBuilder::new("kmp", "1.0", "GPL-2.0", "x86_64", "modules");
    builder.using_config(rpm::BuildConfig::v4().compression(compression));
    fill(&mut builder);
    let mut bytes = Vec::new();
    builder.build().unwrap().write(&mut bytes).unwrap();
    bytes
}

fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn package(bytes: &[u8]) -> Result<Package, Error> {
    Package::of(file(bytes))
}

fn is_ko(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "ko")
}

type Content = Vec<(Vec<String>, Vec<u8>)>;

fn extract(package: &Package) -> Result<Content, Error> {
    let mut content = Vec::new();
    package.extract(is_ko, TimeLimit::default(), |paths, bytes| {
        let paths = paths.iter().map(|p| p.display().to_string()).collect();
        content.push((paths, bytes));
        ControlFlow::Continue(())
    })?;
    content.sort();
    Ok(content)
}

fn sample(compression: CompressionType) -> Vec<u8> {
    build(compression, |builder| {
        let files: [(&str, Vec<u8>); 4] = [
            ("/lib/modules/6.1/b.ko", vec![7; 300_001]),
            ("/lib/modules/6.1/a.ko", b"ko".to_vec()),
            ("/lib/modules/6.1/empty.ko", Vec::new()),
            ("/usr/share/doc/big", vec![1; 70_000]),
        ];
        for (path, content) in files {
            let options = FileOptions::new(path);
            builder.with_file_contents(content, options).unwrap();
        }
        for name in ["x.ko", "y.ko", "z"] {
            let options = FileOptions::new(format!("/lib/modules/6.1/{name}")).hardlink("one");
            builder.with_file_contents("linked", options).unwrap();
        }
        builder
            .with_ghost(FileOptions::ghost("/lib/modules/6.1/ghost.ko"))
            .unwrap()
            .with_symlink(FileOptions::symlink("/lib/modules/6.1/link.ko", "a.ko"))
            .unwrap()
            .with_dir_entry(FileOptions::dir("/lib/modules/6.1/updates"))
            .unwrap();
    })
}

#[test]
fn files_come_out_of_every_compression() {
    for compression in [
        CompressionType::None,
        CompressionType::Gzip,
        CompressionType::Xz,
        CompressionType::Zstd,
    ] {
        let package = package(&sample(compression)).unwrap();
        assert_eq!(package.nevra(), "kmp-1.0-1.x86_64");
        let content = extract(&package).unwrap();
        let shown: Vec<String> = content
            .iter()
            .map(|(paths, bytes)| {
                let same = bytes.iter().all(|byte| *byte == bytes[0]);
                let text = String::from_utf8_lossy(if same { &[] } else { bytes });
                format!("{} {} {text}", paths.join(" "), bytes.len())
            })
            .collect();
        assert_eq!(
            shown,
            [
                "/lib/modules/6.1/a.ko 2 ko",
                "/lib/modules/6.1/b.ko 300001 ",
                "/lib/modules/6.1/empty.ko 0 ",
                "/lib/modules/6.1/x.ko /lib/modules/6.1/y.ko 6 linked"
            ],
            "{compression}"
        );
    }
}

#[test]
fn the_position_of_a_file_does_not_matter() {
    let mut file = file(&sample(CompressionType::Gzip));
    // It is shared with whoever opened the file.
    file.seek(io::SeekFrom::Start(17)).unwrap();
    let mut shared = file.try_clone().unwrap();
    let package = Package::of(file).unwrap();
    assert_eq!(extract(&package).unwrap().len(), 4);
    assert_eq!(extract(&package).unwrap().len(), 4);
    assert_eq!(shared.stream_position().unwrap(), 17);
}

#[test]
fn a_pipe_is_refused_and_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("pipe.rpm");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR).unwrap();
    for path in [&pipe, dir.path()] {
        let error = Package::open(path).unwrap_err().to_string();
        assert_eq!(error, "not a regular file");
    }
}

#[test]
fn a_reader_may_stop_early() {
    let package = package(&sample(CompressionType::Zstd)).unwrap();
    let mut seen = 0;
    let result = package.extract(is_ko, TimeLimit::default(), |_, _| {
        seen += 1;
        ControlFlow::Break(())
    });
    assert!(result.is_ok());
    assert_eq!(seen, 1);
}

#[test]
fn a_cut_package_is_an_error_wherever_it_is_cut() {
    for compression in [CompressionType::None, CompressionType::Zstd] {
        let bytes = sample(compression);
        let steps = (0..bytes.len()).step_by(bytes.len() / 97);
        for length in steps.chain(bytes.len() - 3..bytes.len()) {
            // Uncompressed, the last bytes are padding behind the trailer.
            let padding = compression == CompressionType::None && length + 3 >= bytes.len();
            let result = package(&bytes[..length]).and_then(|package| extract(&package));
            assert!(result.is_err() || padding, "{compression} cut at {length}");
        }
    }
}

#[test]
fn a_damaged_header_is_survived() {
    let bytes = build(CompressionType::None, |builder| {
        builder
            .with_file_contents("ko", FileOptions::new("/lib/modules/6.1/a.ko"))
            .unwrap();
    });
    let end = package(&bytes).unwrap().payload as usize;
    let mut refused = 0;
    for at in 0..end {
        for value in [0, 0x7f, 0xff, bytes[at] ^ 1] {
            let mut bytes = bytes.clone();
            bytes[at] = value;
            let result = package(&bytes).and_then(|package| extract(&package));
            refused += usize::from(result.is_err());
        }
    }
    assert!(refused > 1000, "only {refused} were noticed");
}

#[test]
fn a_header_says_what_is_wrong_with_it() {
    let good = sample(CompressionType::None);
    let overlap = "at offset 0x70: expected an entry whose data lie in the header's data section \
                   and overlap no other's";
    for (at, with, complaint) in [
        (
            0,
            &b"PK"[..],
            "at offset 0x0: expected the magic of an rpm package (ed ab ee db)",
        ),
        (
            96,
            b"PK",
            "at offset 0x60: expected the magic of a header (8e ad e8 01)",
        ),
        (
            96 + 8,
            &[0xff; 4],
            "at offset 0x68: expected 1 to 65535 index entries",
        ),
        (
            96 + 12,
            &[0xff; 4],
            "at offset 0x6c: expected at most 67108864 bytes of data",
        ),
        (96 + 16 + 4, &[0xff; 4], overlap),
        (96 + 16 + 8, &[0xff; 4], overlap),
        (96 + 16 + 12, &[0xff; 4], overlap),
    ] {
        let mut bytes = good.clone();
        bytes[at..at + with.len()].copy_from_slice(with);
        assert_eq!(package(&bytes).unwrap_err().to_string(), complaint);
    }
}

/// An archive entry in `newc` form.
fn newc(name: &str, data: &[u8]) -> Vec<u8> {
    let mut entry = format!("070701{:048}{:08x}{:032}", 0, data.len(), 0).into_bytes();
    write!(entry, "{:08x}{:08}", name.len() + 1, 0).unwrap();
    entry.extend_from_slice(name.as_bytes());
    entry.push(0);
    entry.resize(entry.len().next_multiple_of(4), 0);
    entry.extend_from_slice(data);
    entry.resize(entry.len().next_multiple_of(4), 0);
    entry
}

fn stripped(index: u32, data: &[u8]) -> Vec<u8> {
    let mut entry = format!("07070X{index:08x}\0\0").into_bytes();
    entry.extend_from_slice(data);
    entry.resize(entry.len().next_multiple_of(4), 0);
    entry
}

fn listed(path: &str, size: u64, kind: FileKind) -> PackagedFile {
    PackagedFile {
        path: path.into(),
        size,
        kind,
        target: None,
        inode: None,
    }
}

/// Reads a whole archive against a file list.
fn read(
    files: &[PackagedFile],
    links: &Links,
    bytes: &[u8],
) -> Result<Vec<(usize, Vec<u8>)>, Error> {
    let mut archive = Archive::new(bytes, files, links)?;
    let mut content = Vec::new();
    while let Some(index) = archive.next()? {
        content.push((index, archive.read()?));
    }
    archive.finish()?;
    Ok(content)
}

#[test]
fn archive_and_header_must_agree() {
    let files = [
        listed("/a.ko", 2, FileKind::Regular),
        listed("/b.ko", 5, FileKind::Regular),
        listed("/ghost", 9, FileKind::Ghost),
        listed("/dir", 4096, FileKind::Bare),
    ];
    let end = newc("TRAILER!!!", b"");
    let dir = newc("./dir", b"");
    let read = |entries: &[Vec<u8>]| {
        read(&files, &Links::default(), &entries.concat()).map_err(|e| e.to_string())
    };

    let a = newc("./a.ko", b"aa");
    let b = newc("/b.ko", b"bbbbb");
    let whole = Ok(vec![
        (1, b"bbbbb".to_vec()),
        (3, Vec::new()),
        (0, b"aa".to_vec()),
    ]);
    let by_name = [b.clone(), dir.clone(), a.clone(), end.clone()];
    assert_eq!(read(&by_name), whole);
    let by_number = [
        stripped(1, b"bbbbb"),
        stripped(3, b""),
        stripped(0, b"aa"),
        end.clone(),
    ];
    assert_eq!(read(&by_number), whole);

    for (entries, complaint) in [
        (
            vec![a.clone(), dir.clone(), end.clone()],
            "in the payload, at offset 0x16c: expected /b.ko before the trailer, as in the header",
        ),
        (
            vec![a.clone(), a.clone()],
            "in the payload, at offset 0x7c: expected /a.ko once, not twice",
        ),
        (
            vec![newc("./c.ko", b"")],
            "in the payload, at offset 0x6e: expected a file of the header, not ./c.ko",
        ),
        (
            vec![newc("./x/../../a.ko", b"aa")],
            "in the payload, at offset 0x6e: expected a file of the header, not ./x/../../a.ko",
        ),
        (
            vec![newc("./a.ko", b"aaa")],
            "in the payload, at offset 0x0: expected 2 bytes for /a.ko, as in the header",
        ),
        (
            vec![stripped(4, b"")],
            "in the payload, at offset 0x0: expected the index of a file in the header",
        ),
        (
            vec![a[..100].to_vec()],
            "in the payload, at offset 0x64: expected 10 more bytes; the archive is cut off",
        ),
        (
            vec![b"07070Xzzzzzzzz\0\0".to_vec()],
            "in the payload, at offset 0x6: expected a number of eight hexadecimal digits",
        ),
        (
            vec![b"PK\x03\x04 and more than lzma's header".to_vec()],
            "in the payload, at offset 0x0: expected a payload compressed with gzip, bzip2, xz, \
             lzma or zstd, or not at all",
        ),
    ] {
        assert_eq!(read(&entries), Err(complaint.to_owned()));
    }
}

#[test]
fn the_content_of_hard_links_comes_once() {
    let files = [
        listed("/a.ko", 2, FileKind::Regular),
        listed("/b.ko", 2, FileKind::Regular),
    ];
    let links = Links {
        sets: vec![vec![0, 1]],
        set_of: HashMap::from([(0, 0), (1, 0)]),
    };
    let end = newc("TRAILER!!!", b"");
    let read = |entries: &[Vec<u8>]| read(&files, &links, &entries.concat());

    let first_empty = [newc("a.ko", b""), newc("b.ko", b"bb"), end.clone()];
    let by_number = [stripped(0, b""), stripped(1, b"bb"), end.clone()];
    for entries in [first_empty, by_number] {
        let content = read(&entries).unwrap();
        assert_eq!(content, [(0, vec![]), (1, b"bb".to_vec())]);
    }
    let twice = [newc("a.ko", b"aa"), newc("b.ko", b"bb"), end.clone()];
    let never = [newc("a.ko", b""), newc("b.ko", b""), end];
    assert!(read(&twice).is_err() && read(&never).is_err());
}

#[test]
fn many_hard_links_take_no_longer_than_as_many_files() {
    const COUNT: u32 = 60_000;
    let linked = |number| PackagedFile {
        inode: Some((1, 1)),
        ..listed(&format!("/{number}.ko"), 2, FileKind::Regular)
    };
    let mut payload = Vec::new();
    for number in 0..COUNT {
        let last = number + 1 == COUNT;
        payload.extend(stripped(number, if last { b"ko" } else { b"" }));
    }
    payload.extend(newc("TRAILER!!!", b""));
    let package = Package {
        file: file(&payload),
        vendor: None,
        nevra: "links".into(),
        files: (0..COUNT).map(linked).collect(),
        payload: 0,
    };
    let start = std::time::Instant::now();
    let content = extract(&package).unwrap();
    assert_eq!((content.len(), content[0].0.len()), (1, COUNT as usize));
    // Some hundredths of a second; tens of seconds if each looks for all others.
    let took = start.elapsed();
    assert!(took < std::time::Duration::from_secs(3), "{took:?}");
}

#[test]
fn a_module_of_unbelievable_size_is_not_read() {
    let files = [listed("/a.ko", 1 << 40, FileKind::Regular)];
    let mut archive = stripped(0, b"");
    archive.resize(1 << 20, 0);
    let error = read(&files, &Links::default(), &archive).unwrap_err();
    assert_eq!(
        error.to_string(),
        "in the payload, at offset 0x10: expected a module or kernel image of at most 256 MiB"
    );
}

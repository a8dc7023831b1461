// SPDX-License-Identifier: GPL-2.0-or-later
//! What cannot be judged hides nothing that can: an answer comes, and the block is in it.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use btf_guard_protocol::decision::Mode;
use serde_json::json;

use crate::common::judge::{Answer, Transaction, kmp, kmp_of};
use crate::common::{Build, Place, RELEASE, base, btf, in_tree, module, module_path, program, run};

/// What is said not to have been judged: each path, and how many more there are.
fn unjudged(answer: &Answer) -> (Vec<String>, u64) {
    let errors = answer.0["errors"].as_array().unwrap().iter();
    let paths = errors.map(|error| error["path"].as_str().unwrap().to_owned());
    let more = answer.0["left_off"]["errors"].as_u64().unwrap_or(0);
    (paths.collect(), more)
}

#[test]
fn an_answer_is_no_longer_than_its_reader_takes() {
    let root = Place::booting(Build::New);
    let count = 20_000;
    let files = |build, what: &str| {
        let names = (0..count).map(|number| format!("{what}_{number}"));
        let files = names.map(|name| (module_path(&name), module("many", build)));
        files.collect::<Vec<_>>()
    };
    let bad = root.package("bad", &files(Build::Old, "bad"));
    let answer = Transaction::on(&root).install(&bad).judge();
    answer.is("block");
    assert_eq!(answer.0["summary"]["refused"], count);
    let listed = answer.0["modules"].as_array().unwrap().len() as u64;
    let left_off = answer.0["left_off"]["modules"].as_u64().unwrap();
    assert!(listed > 1000 && left_off > 1000, "{listed} {left_off}");
    assert_eq!(listed + left_off, count);
    assert!(answer.0.to_string().len() < 12 << 20);

    // Unreadable ones beside one that is refused.
    let mut files = files(Build::New, "cut");
    for (_, content) in &mut files {
        content.truncate(40);
        content.extend([0xff; 200]);
    }
    let cut = root.package("cut", &files);
    let bad = kmp_of(&root, "stale", Build::Old);
    let transaction = Transaction::on(&root).install(&cut).install(&bad);
    let answer = transaction.judge();
    answer.is("block");
    answer.says("(in stale-1-1.x86_64)");
}

#[test]
fn what_there_was_no_time_for_is_named_and_the_answer_comes() {
    let root = Place::booting(Build::New);
    let bad = kmp(&root, "bad", &[("one", Build::Old), ("two", Build::Old)]);
    let none = Transaction::on(&root).install(&bad).within(0).judge();
    none.is("allow").finds(&[]);
    let (paths, _) = unjudged(&none);
    assert!(
        paths.iter().any(|path| path.contains("bad-1-1")),
        "{paths:?}"
    );
    none.says("there was no time left");
    let enough = Transaction::on(&root).install(&bad).within(60_000).judge();
    enough.is("block");
    assert_eq!(unjudged(&enough), (Vec::new(), 0));
}

/// What unpacks to `length` bytes: these, and zeros.
fn zeros_behind(head: &[u8], length: usize) -> Vec<u8> {
    let mut content = head.to_vec();
    content.resize(length, 0);
    zstd::encode_all(&content[..], 1).unwrap()
}

#[test]
fn what_unpacks_to_too_much_is_given_up_alone() {
    let root = Place::booting(Build::New);
    let bad = kmp_of(&root, "stale", Build::Old);

    // A section each that is as long as the file.
    let plain = module("huge", Build::New);
    let mut huge = plain.clone();
    let table = u64::from_le_bytes(huge[40..48].try_into().unwrap()) as usize;
    let names = table + 64 * usize::from(u16::from_le_bytes(huge[62..64].try_into().unwrap()));
    let names_at = u64::from_le_bytes(huge[names + 24..names + 32].try_into().unwrap()) as usize;
    for header in (table..huge.len() - 63).step_by(64) {
        let name = u32::from_le_bytes(huge[header..header + 4].try_into().unwrap()) as usize;
        if huge[names_at + name..].starts_with(b".BTF\0") {
            huge[header + 24..header + 32].fill(0);
            huge[header + 32..header + 40].copy_from_slice(&(200_u64 << 20).to_le_bytes());
        }
    }
    let content = zeros_behind(&huge, 200 << 20);
    let paths = (0..8).map(|number| (module_path(&format!("huge_{number}")), content.clone()));
    let paths = paths.map(|(path, content)| (format!("{path}.zst"), content));
    let huge = root.package("huge", &Vec::from_iter(paths));
    let answer = Transaction::on(&root).install(&huge).install(&bad).judge();
    answer.is("block").says("(in stale-1-1.x86_64)");
    let (unread, _) = unjudged(&answer);
    assert_eq!(unread.len(), 8, "{unread:?}");

    // Bases of which each alone could be read.
    let mut btf = vec![0x9f, 0xeb, 1, 0];
    let length = 60 << 20;
    for word in [24, 0, 0, 0, length - 24] {
        btf.extend(u32::to_le_bytes(word));
    }
    let content = zeros_behind(&btf, length as usize);
    let images = (0..8).map(|number| (format!("/boot/vmlinuz-6.{number}"), content.clone()));
    let images = root.package("images", &Vec::from_iter(images));
    let answer = Transaction::on(&root)
        .install(&images)
        .install(&bad)
        .judge();
    answer.is("block").says("(in stale-1-1.x86_64)");
}

#[test]
fn names_that_are_slow_to_compare_are_not_compared() {
    const INT: u32 = 1 << 24;
    const STRUCT: u32 = 4 << 24;
    let strings = b"\0int\0module\0btf_data\0btf_base_data\0";
    let at = |name: &str| {
        let mut places = strings.windows(name.len());
        places.position(|text| text == name.as_bytes()).unwrap() as u32
    };
    let int = [at("int"), INT, 4, 32];
    let members = [at("btf_data"), 1, 0, at("btf_base_data"), 1, 32];
    let kernel = [&int[..], &[at("module"), STRUCT | 2, 8], &members].concat();
    let root = Place::new();
    root.config(false);
    root.file(&format!("boot/vmlinuz-{RELEASE}"), btf(&kernel, strings));

    let misfit = btf(&[9999, STRUCT, 0], b"x\0");
    let bad = in_tree("stale", &[(".BTF", &misfit)]);
    let bad = root.package("bad", &[(module_path("stale"), bad)]);
    // Each type is named by another end of one string.
    let long = |types: u32, length: usize| {
        let types = (1..=types).flat_map(|name| [name, INT, 4, 32]);
        let strings = [b"\0", vec![b'a'; length].as_slice(), b"\0"].concat();
        btf(&Vec::from_iter(types), &strings)
    };
    let slow = long(150_000, 3_600_000);
    let split = btf(&[0, INT, 4, 32], b"");
    let slow = in_tree("slow", &[(".BTF", &split), (".BTF.base", &slow)]);
    let slow = root.package("slow", &[(module_path("slow"), slow)]);
    let transaction = Transaction::on(&root).install(&slow).install(&bad);
    let answer = transaction.within(60_000).judge();
    answer.is("block");
    answer.finds(&["slow unknown info", "stale refused block"]);
    let (unread, _) = unjudged(&answer);
    assert_eq!(
        unread,
        [format!("slow-1-1.x86_64: {}", module_path("slow"))]
    );
}

#[test]
fn what_is_not_judged_stops_a_transaction_where_the_configuration_says_so() {
    let (root, machine) = (Place::booting(Build::New), Place::new());
    machine.file("etc/btf-guard.toml", "on_error = 'block'");
    for parent in ["run/x", "var/lib/x"] {
        machine.file(parent, "");
    }
    let path = module_path("closed");
    let good = kmp_of(&root, "good", Build::New);
    let unread = || {
        let transaction = Transaction::on(&root).under(&machine);
        let transaction = transaction.install_closed("closed", &[&path]);
        transaction.install(&good)
    };
    let blocked = unread().judge();
    blocked.is("block");
    blocked.says("1 input could not be judged, and on_error is \"block\"");
    blocked.says("nothing was changed");
    unread().mode(Mode::Warn).judge().is("allow");
    let readable = Transaction::on(&root).under(&machine).install(&good);
    readable.judge().is("allow").is_silent();

    let config = machine.path().to_str().unwrap();
    let words = ["allow", "--next", "--reason", "known", "--config", config];
    let (code, out, _) = run(&words);
    let id = out.split(' ').next().unwrap();
    assert_eq!(code, 0, "{out}");
    let passed = unread().judge();
    passed.is("allow");
    assert_eq!(passed.0["once"], json!([id]));
    assert_eq!(passed.0["fallback"]["decision"], "block");

    machine.file("etc/btf-guard.toml", "");
    unread().judge().is("allow");
}

#[test]
fn what_is_stopped_all_the_same_uses_nothing_up() {
    let (root, machine) = (Place::booting(Build::New), Place::new());
    machine.file("etc/btf-guard.toml", "on_error = 'block'");
    for parent in ["run/x", "var/lib/x"] {
        machine.file(parent, "");
    }
    let config = machine.path().to_str().unwrap();
    let words = ["allow", "--next", "--package", "bad", "--reason", "known"];
    assert_eq!(run(&[&words[..], &["--config", config]].concat()).0, 0);
    let bad = kmp_of(&root, "bad", Build::Old);
    let transaction = || Transaction::on(&root).under(&machine).install(&bad);
    let passed = transaction().judge();
    passed.is("warn");
    assert_eq!(passed.0["once"].as_array().unwrap().len(), 1);
    let path = module_path("closed");
    let stopped = transaction().install_closed("closed", &[&path]).judge();
    stopped.is("block").says("and on_error is");
    assert!(stopped.0["once"].is_null(), "{}", stopped.0["once"]);
}

#[test]
fn time_for_what_nobody_asks_for_is_counted() {
    let root = Place::booting(Build::New);
    let bad = kmp_of(&root, "stale", Build::Old);
    // It lies before what is asked for.
    let zeros = ("/boot/aaa".to_owned(), vec![0; 1 << 20]);
    let image = (format!("/boot/vmlinuz-{RELEASE}"), base(Build::New));
    let hostile = root.package("hostile", &[zeros, image]);
    let none = Transaction::on(&root).install(&hostile).install(&bad);
    let (unread, _) = unjudged(&none.within(0).judge());
    let is_named = |name: &str| unread.iter().any(|path| path.starts_with(name));
    assert!(is_named("hostile-1-1"), "{unread:?}");
}

#[test]
fn a_tree_that_is_too_large_is_said() {
    let root = Place::booting(Build::New);
    root.install("own", Build::New);
    let outside = root.path().join("srv/much");
    fs::create_dir_all(&outside).unwrap();
    for number in 0..17_000 {
        fs::write(outside.join(number.to_string()), "").unwrap();
    }
    let dir = format!("lib/modules/{RELEASE}/extra");
    root.link(&dir, "/srv/much");
    let good = kmp_of(&root, "good", Build::New);
    let (unread, _) = unjudged(&Transaction::on(&root).install(&good).judge());
    assert!(!unread.is_empty());
}

#[test]
fn a_judge_does_not_outlive_who_asked() {
    let script = "exec 3<&0; \"$0\" judge --timeout=60000 <&3 & echo $!; wait";
    let mut shell = Command::new("sh")
        .args(["-c", script, program().get_program().to_str().unwrap()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut id = String::new();
    let mut output = BufReader::new(shell.stdout.take().unwrap());
    output.read_line(&mut id).unwrap();
    let stat = format!("/proc/{}/stat", id.trim());
    let state = || {
        let stat = fs::read_to_string(&stat).unwrap_or_default();
        let behind = stat.split(") ").nth(1).unwrap_or("X").to_owned();
        behind.chars().next().unwrap()
    };
    // It waits for the rest of the plan, which does not come.
    let patience = Duration::from_millis(500);
    thread::sleep(patience);
    assert_eq!(state(), 'S');
    shell.kill().unwrap();
    let begun = Instant::now();
    while !['X', 'Z'].contains(&state()) {
        assert!(begun.elapsed() < 20 * patience, "it is still there");
        thread::sleep(patience / 50);
    }
    shell.wait().unwrap();
}

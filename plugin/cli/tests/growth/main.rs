// SPDX-License-Identifier: GPL-2.0-or-later
//! How much more is done for twice the input. What is counted are instructions, not time
//! (valgrind's cachegrind): of a family of inputs, as it doubles and doubles again.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

#[path = "../common/mod.rs"]
mod common;
mod disk;
mod modules;
mod packages;
mod policy;

use std::process::{Command, Stdio};

use common::{Place, program};

/// What is added by the second doubling, as a multiple of what is added by the first: 2
/// where work is linear in the input, 4 where it is quadratic. Sorting, and what a larger
/// table costs, is in between.
const MOST: f64 = 2.6;

/// The program, counted.
fn counted() -> Command {
    let mut valgrind = Command::new("valgrind");
    valgrind
        .args([
            "--tool=cachegrind",
            "--cache-sim=no",
            "--cachegrind-out-file=/dev/null",
        ])
        .arg(program().get_program())
        .stdin(Stdio::null());
    valgrind
}

/// The count in what valgrind says in the end.
fn instructions(said: &str) -> f64 {
    let line = said
        .lines()
        .find(|line| line.contains("I   refs:"))
        .expect(said);
    let digits: String = line
        .rsplit(':')
        .next()
        .unwrap()
        .chars()
        .filter(char::is_ascii_digit)
        .collect();
    digits.parse().expect(line)
}

/// Holds the growth of what `count` counts for `size`, twice and four times that.
#[track_caller]
fn grows_linearly(size: usize, count: impl Fn(usize) -> f64 + Sync) {
    let counts = std::thread::scope(|scope| {
        let runs = [1, 2, 4].map(|times| {
            let count = &count;
            scope.spawn(move || count(times * size))
        });
        runs.map(|run| run.join().unwrap())
    });
    let [one, two, four] = counts;
    let growth = (four - two) / (two - one);
    assert!(growth < MOST, "{growth:.2}: {counts:?} instructions");
    // Else the input is too small to say anything.
    assert!(four - two > 1e6, "{counts:?} instructions");
}

/// What `check` of a root takes.
fn check(root: &Place, words: &[&str]) -> f64 {
    let root = root.path().to_str().unwrap();
    let mut command = counted();
    command
        .args(["check", "--cache", "none", "--root", root])
        .args(words);
    let output = command.output().expect("valgrind is not installed");
    assert!(
        output.status.code().is_some_and(|code| code <= 2),
        "{output:?}"
    );
    instructions(&String::from_utf8(output.stderr).unwrap())
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! Our declaration of the hook table against `<rpm/rpmplugin.h>`, where this
//! machine has it (rpm 4.20 and later).
#![allow(clippy::unwrap_used, clippy::panic)]

use std::io::Write;
use std::mem::offset_of;
use std::process::{Command, Stdio};

use rpm_plugin_sys::PluginHooks;

/// What the C compiler needs to find librpm's headers.
fn include_flags() -> Vec<String> {
    let output = Command::new("pkg-config")
        .args(["--cflags", "rpm"])
        .output()
        .unwrap();
    assert!(output.status.success(), "pkg-config does not know rpm");
    let flags = String::from_utf8(output.stdout).unwrap();
    flags.split_whitespace().map(str::to_owned).collect()
}

/// Asks the compiler, so that its own search path (and `CPATH`) count.
fn header_exists() -> bool {
    let mut compiler = Command::new("cc")
        .args(include_flags())
        .args(["-E", "-x", "c", "-", "-o", "/dev/null"])
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut source = compiler.stdin.take().unwrap();
    source.write_all(b"#include <rpm/rpmplugin.h>\n").unwrap();
    drop(source);
    compiler.wait().unwrap().success()
}

#[test]
fn the_hook_table_has_librpms_layout() {
    if !header_exists() {
        // Past libtest's capture: a check that did not happen must be seen.
        std::io::stderr()
            .write_all(
                b"NOT CHECKED: the hook table's layout: this machine has no \
                  <rpm/rpmplugin.h> (rpm 4.20 and later have it)\n",
            )
            .unwrap();
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("layout");
    let status = Command::new("cc")
        .args(["-Werror", "-o"])
        .arg(&program)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/layout.c"))
        .args(include_flags())
        .status()
        .unwrap();
    assert!(status.success(), "layout.c does not compile");
    let output = Command::new(program).output().unwrap();
    let theirs = String::from_utf8(output.stdout).unwrap();

    macro_rules! ours {
        ($($hook:ident)*) => { [$((stringify!($hook), offset_of!(PluginHooks, $hook))),*] };
    }
    let ours = ours!(init cleanup tsm_pre tsm_post psm_pre psm_post scriptlet_pre
        scriptlet_fork_post scriptlet_post fsm_file_pre fsm_file_post fsm_file_prepare);
    let mut lines = theirs.lines();
    for (hook, offset) in ours {
        assert_eq!(lines.next(), Some(format!("{hook} {offset}").as_str()));
    }
    let size = lines.next().and_then(|line| line.strip_prefix("size "));
    let size: usize = size.unwrap().parse().unwrap();
    assert!(
        size <= size_of::<PluginHooks>(),
        "librpm reads {size} bytes of hooks: give PluginHooks more room"
    );
}

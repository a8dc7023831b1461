//! Every input that once crashed a fuzz target, through the same function.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout
)]

use std::path::Path;

#[path = "../../fuzz/src/targets.rs"]
mod targets;

/// The kept inputs of one target.
fn replay(target: &str, run: fn(&[u8])) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz/crashers")
        .join(target);
    let Ok(entries) = std::fs::read_dir(&dir) else {
        // Nothing of this target has crashed yet.
        return;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        println!("{}", path.display());
        run(&std::fs::read(&path).unwrap());
    }
}

#[test]
fn kept_inputs_crash_no_more() {
    replay("btf", targets::btf);
    replay("module", targets::module);
    replay("image", targets::image);
    replay("package", targets::package);
    replay("plan", targets::plan);
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! Runs in a root, against its real libzypp: what a handle on it must stand.
//! One line for each thing that was tried.
//!
//!   zypp_probe SHIM ROOT

#![allow(clippy::panic)]

use std::error::Error;
use std::io::Write;
use std::path::Path;

use zypp_sys::{Lock, SolverVerb, Zypp};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(shim), Some(root)) = (arguments.next(), arguments.next()) else {
        return Err("usage: zypp_probe SHIM ROOT".into());
    };
    let (shim, root) = (Path::new(&shim), Path::new(&root));
    let mut out = std::io::stdout();

    let mut zypp = Zypp::open(shim, root, Lock::Take)?;
    let second = Zypp::open(shim, root, Lock::Take).err();
    writeln!(out, "second: {second:?}")?;

    let panicked = zypp.load(true, &mut |_| panic!("as a test does"));
    writeln!(out, "panicked: {panicked:?}")?;
    zypp.load(true, &mut |_| true)?;
    let stopped = zypp.load(true, &mut |_| false);
    writeln!(out, "stopped: {stopped:?}")?;

    // The solver must not remember what it was asked before.
    for verb in [
        SolverVerb::Update,
        SolverVerb::DistUpgrade,
        SolverVerb::Update,
    ] {
        zypp.resolve(verb, &[])?;
        let steps = zypp.steps()?;
        let names = steps.iter().map(|step| {
            let (name, version) = (&step.name, &step.version);
            format!("{name}-{version}-{}.{}", step.release, step.arch)
        });
        let names: Vec<_> = names.collect();
        writeln!(out, "{verb:?}: {}", names.join(" "))?;
    }
    let beyond = zypp.cached(1000);
    writeln!(out, "beyond: {beyond:?}")?;

    drop(zypp);
    let mut zypp = Zypp::open(shim, root, Lock::Take)?;
    zypp.load(false, &mut |_| true)?;
    zypp.resolve(SolverVerb::Update, &[])?;
    writeln!(out, "reopened: {}", zypp.steps()?.len())?;
    Ok(())
}

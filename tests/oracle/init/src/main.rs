// SPDX-License-Identifier: GPL-2.0-or-later
//! `/init` of the oracle's guest: gives every file of `/cases` to
//! `finit_module(2)`, in order of their names, and tells on the second serial
//! port what the kernel answered. Then it ends the guest.
//!
//! A line each, fields parted by TABs; `table.rs` of the oracle reads them:
//!
//! ```text
//! kernel  <release>  <version>  <bytes of /sys/kernel/btf/vmlinux, or ->
//! begin   <file>
//! log     <a line of the kernel's log, as /dev/kmsg escapes it>
//! lost                                   the kernel overwrote lines before they were read
//! end     <file>  <errno>  <bytes of /sys/kernel/btf/<module>, or ->
//! stuck   <module>  <errno>              it loaded and cannot be unloaded
//! done    <files>
//! ```
//!
//! A file that makes the kernel panic has a `begin` and no `end`.

mod kmsg;
mod load;

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::mount::{MountFlags, mount};
use rustix::system::{RebootCommand, reboot, uname};

use kmsg::Log;

fn main() {
    if let Err(error) = run() {
        // Nobody can read a return value here; the console is shown if the table is not whole.
        let _ = fs::write("/dev/console", format!("oracle: {error:#}\n"));
    }
    let _ = reboot(RebootCommand::PowerOff);
    // A kernel without power management; `-no-reboot` makes this an end as well.
    let _ = reboot(RebootCommand::Restart);
}

fn run() -> Result<()> {
    for (source, place) in [("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev")] {
        fs::create_dir_all(place)?;
        mount(source, place, source, MountFlags::empty(), None)
            .with_context(|| format!("cannot mount {place}"))?;
    }
    let table = File::options().write(true).open("/dev/ttyS1");
    let mut table = BufWriter::new(table.context("/dev/ttyS1")?);
    let mut log = Log::open().context("/dev/kmsg")?;
    log.drain(|_| Ok(()))?;

    let kernel = uname();
    writeln!(
        table,
        "kernel\t{}\t{}\t{}",
        kernel.release().to_string_lossy(),
        kernel.version().to_string_lossy(),
        or_dash(load::btf_bytes("vmlinux"))
    )?;
    let files = cases().context("/cases")?;
    for file in &files {
        one(file, &mut log, &mut table)?;
    }
    writeln!(table, "done\t{}", files.len())?;
    table.flush()?;
    // What the serial port has taken may still be on its way.
    rustix::termios::tcdrain(table.get_ref())?;
    Ok(())
}

fn cases() -> io::Result<Vec<PathBuf>> {
    let mut files = fs::read_dir("/cases")?
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<Vec<_>>>()?;
    files.sort();
    Ok(files)
}

fn one(file: &Path, log: &mut Log, table: &mut BufWriter<File>) -> Result<()> {
    let name = file
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    writeln!(table, "begin\t{name}")?;
    // Should the kernel die of it, this line must be out.
    table.flush()?;
    let loaded = load::load(file)?;
    let module = load::newest()?.filter(|_| loaded.added || loaded.errno == 0);
    let btf = module.as_deref().and_then(load::btf_bytes);
    log.drain(|line| {
        match line {
            Some(line) => writeln!(table, "log\t{line}")?,
            None => writeln!(table, "lost")?,
        }
        Ok(())
    })?;
    writeln!(table, "end\t{name}\t{}\t{}", loaded.errno, or_dash(btf))?;
    if let Some(module) = module.filter(|_| loaded.errno == 0)
        && let Err(error) = load::unload(&module)
    {
        writeln!(table, "stuck\t{module}\t{}", error.raw_os_error())?;
    }
    // What unloading says is not the next file's.
    log.drain(|_| Ok(()))
}

fn or_dash(bytes: Option<u64>) -> String {
    bytes.map_or_else(|| "-".to_owned(), |bytes| bytes.to_string())
}

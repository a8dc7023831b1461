// SPDX-License-Identifier: GPL-2.0-or-later
//! What the kernel has refused since it was booted, by its log.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::module::same_name;

/// One record: the kernel's own limit is 2048 bytes (`PRINTK_MESSAGE_MAX`), and as many
/// properties.
const MAX_RECORD: usize = 8192;

/// The longest log that is read, in bytes: the largest that can be set up by default
/// has 32 MiB (`CONFIG_LOG_BUF_SHIFT`).
const MAX_LOG: usize = 256 << 20;

/// Modules that are remembered.
const MAX_MODULES: usize = 10_000;

/// A module that was refused for its BTF.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedModule {
    /// The negative errno.
    pub(crate) errno: i32,
    /// The first line behind `BPF: `, if there was one.
    pub(crate) log: Option<String>,
}

/// What the log tells.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct KernelLog {
    /// By the module's name, the last time.
    pub refused: BTreeMap<String, RefusedModule>,
    /// Its beginning was overwritten.
    pub(crate) is_cut: bool,
}

/// Reads the log in `file`: `/dev/kmsg`, or what was recorded from it.
pub(crate) fn read(file: &Path) -> io::Result<KernelLog> {
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    parse(File::options().read(true).custom_flags(flags).open(file)?)
}

/// Reads the log from what is open: it ends where there is nothing more for now.
pub fn parse(mut input: impl Read) -> io::Result<KernelLog> {
    let mut log = KernelLog::default();
    let mut text = Vec::new();
    // The device hands out one record a read, a file as much as there is room for.
    let mut record = [0; MAX_RECORD];
    while text.len() < MAX_LOG {
        match input.read(&mut record) {
            Ok(0) => break,
            Ok(length) => text.extend_from_slice(record.get(..length).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            // What was to be read next has been overwritten; the next is there.
            Err(error) if error.raw_os_error() == Some(Errno::PIPE.raw_os_error()) => {
                log.is_cut = true;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    // "<priority>,<sequence>,<time>,<flags>;<text>"; properties begin with a blank.
    let text = String::from_utf8_lossy(&text);
    let mut lines = text
        .lines()
        .filter_map(|line| line.split_once(';'))
        .peekable();
    let first = lines.peek().and_then(|(head, _)| head.split(',').nth(1));
    log.is_cut |= first.is_some_and(|sequence| sequence != "0");
    // What was said first of the module that is being looked at.
    let mut reason = None;
    for (_, text) in lines {
        if let Some(said) = text.strip_prefix("BPF:").map(str::trim) {
            if reason.is_none() && !said.is_empty() {
                reason = Some(said.to_owned());
            }
        } else if let Some((name, errno)) = refused(text) {
            let refused = RefusedModule {
                errno,
                log: reason.take(),
            };
            if log.refused.len() < MAX_MODULES {
                log.refused.insert(same_name(name), refused);
            }
        }
    }
    Ok(log)
}

/// The module and the errno of `btf_module_notify()` (kernel/bpf/btf.c).
fn refused(text: &str) -> Option<(&str, i32)> {
    let rest = text.strip_prefix("failed to validate module [")?;
    let (name, errno) = rest.split_once("] BTF: ")?;
    Some((name, errno.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn read_text(text: impl AsRef<[u8]>) -> KernelLog {
        parse(text.as_ref()).unwrap()
    }

    #[test]
    fn what_was_refused_and_why() {
        let log = read_text(
            "6,0,1,-;Linux version 6.18\n\
             4,812,5,-;BPF: [114893] STRUCT aegis_block \n SUBSYSTEM=x\n\
             4,813,5,-;BPF: size=392 vlen=17\n\
             4,814,5,-;BPF:  \n\
             4,815,5,-;failed to validate module [aegis128] BTF: -22\n\
             6,816,6,-;failed to validate module [quiet-one] BTF: -40\n\
             6,817,6,-;failed to validate module [odd] BTF: x\n\
             6,818,6,-;failed to validate module\n",
        );
        let one = |errno, log: Option<&str>| RefusedModule {
            errno,
            log: log.map(str::to_owned),
        };
        let expected = [
            ("aegis128", one(-22, Some("[114893] STRUCT aegis_block"))),
            ("quiet_one", one(-40, None)),
        ];
        assert_eq!(
            log.refused,
            expected.map(|(name, r)| (name.to_owned(), r)).into()
        );
        assert!(!log.is_cut);
        // One that begins later is cut.
        assert!(read_text("6,7,1,-;x\n").is_cut);
        assert!(!read_text("").is_cut);
    }

    #[test]
    fn long_and_strange_lines_do_no_harm() {
        let mut text = vec![b'a'; 5 * MAX_RECORD];
        text.extend_from_slice(b"\n1,0,0,-;failed to validate module [m] BTF: -22");
        text.extend_from_slice(&[0xff, 0, b'\n', b';', b'\n']);
        assert_eq!(read_text(&text).refused.len(), 0);
        text.extend_from_slice(b"1,0,0,-;failed to validate module [m] BTF: -22");
        assert_eq!(read_text(&text).refused.len(), 1);
    }

    #[test]
    fn the_kernels_own_log_can_be_read() {
        // It blocks where there is nothing more, unless it is told not to.
        if Path::new("/dev/kmsg").exists() && rustix::process::geteuid().is_root() {
            read(Path::new("/dev/kmsg")).unwrap();
        }
    }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! The kernel's log, record by record (`/dev/kmsg`, Documentation/ABI/testing/dev-kmsg).

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;

use anyhow::{Result, bail};
use rustix::fs::OFlags;
use rustix::io::Errno;

/// One record; the kernel's own limit is `PRINTK_MESSAGE_MAX`, 2048.
const RECORD: usize = 8192;

/// What is written into the log behind a case.
const MARK: &str = "btf-guard oracle: end of case ";

/// An open `/dev/kmsg`.
pub(crate) struct Log {
    file: File,
    marks: u32,
}

enum Record {
    Text(String),
    Lost,
    None,
}

impl Log {
    pub(crate) fn open() -> io::Result<Self> {
        let flags = OFlags::NONBLOCK.bits() as i32;
        let file = File::options()
            .read(true)
            .write(true)
            .custom_flags(flags)
            .open("/dev/kmsg")?;
        Ok(Self { file, marks: 0 })
    }

    /// Hands every line up to now to `take`; `None` stands for lines that were lost.
    ///
    /// A line that the kernel did not end shows only when another begins, so a
    /// line of our own is put behind it, and everything before that is read.
    pub(crate) fn drain(&mut self, mut take: impl FnMut(Option<&str>) -> Result<()>) -> Result<()> {
        self.marks += 1;
        let mark = format!("{MARK}{}", self.marks);
        self.file.write_all(format!("{mark}\n").as_bytes())?;
        loop {
            match self.next()? {
                Record::Text(line) if line == mark => return Ok(()),
                Record::Text(line) => take(Some(&line))?,
                Record::Lost => take(None)?,
                Record::None => bail!("a line written to /dev/kmsg does not come back"),
            }
        }
    }

    fn next(&mut self) -> io::Result<Record> {
        let mut record = [0; RECORD];
        match self.file.read(&mut record) {
            Ok(0) => Ok(Record::None),
            Ok(len) => {
                let record = String::from_utf8_lossy(record.get(..len).unwrap_or_default());
                // "<prefix>;<text>\n", then properties of the device, if any.
                let text = record.split_once(';').map_or("", |(_, text)| text);
                let line = text.split('\n').next().unwrap_or_default();
                Ok(Record::Text(line.to_owned()))
            }
            Err(error) if error.raw_os_error() == Some(Errno::PIPE.raw_os_error()) => {
                Ok(Record::Lost)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Record::None),
            Err(error) => Err(error),
        }
    }
}

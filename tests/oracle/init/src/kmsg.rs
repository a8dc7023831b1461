//! The kernel's log, record by record (`/dev/kmsg`, Documentation/ABI/testing/dev-kmsg).

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;

use anyhow::Result;
use rustix::fs::OFlags;
use rustix::io::Errno;

/// One record; the kernel's own limit is `PRINTK_MESSAGE_MAX`, 2048.
const RECORD: usize = 8192;

/// An open `/dev/kmsg`.
pub(crate) struct Log(File);

enum Record {
    Text(String),
    Lost,
    None,
}

impl Log {
    pub(crate) fn open() -> io::Result<Self> {
        let flags = OFlags::NONBLOCK.bits() as i32;
        File::options()
            .read(true)
            .custom_flags(flags)
            .open("/dev/kmsg")
            .map(Self)
    }

    /// Passes over everything that is there.
    pub(crate) fn skip(&mut self) -> Result<()> {
        while !matches!(self.next()?, Record::None) {}
        Ok(())
    }

    /// Writes everything that is there into the table.
    pub(crate) fn copy(&mut self, table: &mut impl Write) -> Result<()> {
        loop {
            match self.next()? {
                Record::Text(line) => writeln!(table, "log\t{line}")?,
                Record::Lost => writeln!(table, "lost")?,
                Record::None => return Ok(()),
            }
        }
    }

    fn next(&mut self) -> io::Result<Record> {
        let mut record = [0; RECORD];
        match self.0.read(&mut record) {
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

// SPDX-License-Identifier: GPL-2.0-or-later
//! libzypp's plugin protocol, after STOMP: a command, headers, an empty line, a
//! body, a NUL.
//!
//! Since libzypp 17.34.2 a `content-length` header gives the body's length;
//! before, the body reaches to the first NUL. Rules of
//! `zypp-core/rpc/PluginFrame.cc`. The other side is not trusted: what is held
//! in memory is bounded, and whatever is no frame is an error.

use std::io::{self, BufRead, Read, Write};

/// The longest line, in bytes. libzypp's own have some dozen.
const MAX_LINE: u64 = 64 << 10;

/// Headers of one frame.
const MAX_HEADERS: usize = 256;

/// The longest body, in bytes: a commit of half a million packages.
const MAX_BODY: u64 = 64 << 20;

/// Empty lines between two frames, which STOMP permits.
const MAX_BLANKS: usize = 64;

/// Why there is no frame.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system's word.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The stream ends within a frame.
    #[error("the stream ends within a frame")]
    End,
    /// More than anybody needs.
    #[error("{0} is too long")]
    TooLong(&'static str),
    /// No frame.
    #[error("{0}")]
    Malformed(&'static str),
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// What it is.
    pub command: String,
    /// What follows its headers, without the NUL.
    pub body: Vec<u8>,
}

/// Reads one frame; `None` where the stream ends before it. After an error it is not
/// known where the next frame would begin.
pub fn read(input: &mut impl BufRead) -> Result<Option<Frame>, Error> {
    let Some(command) = command(input)? else {
        return Ok(None);
    };
    let mut length = None;
    for _ in 0..=MAX_HEADERS {
        let line = line(input)?.ok_or(Error::End)?;
        if line.is_empty() {
            let body = body(input, length)?;
            return Ok(Some(Frame { command, body }));
        }
        let header = line.split_once(':');
        let (name, value) = header.ok_or(Error::Malformed("a header has no colon"))?;
        // The other headers say nothing that is of use.
        if name == "content-length" && length.is_none() {
            let number = value.parse();
            length = Some(number.map_err(|_| Error::Malformed("content-length is not a number"))?);
        }
    }
    Err(Error::TooLong("the list of headers"))
}

fn command(input: &mut impl BufRead) -> Result<Option<String>, Error> {
    for _ in 0..MAX_BLANKS {
        let Some(line) = line(input)? else {
            return Ok(None);
        };
        if line.is_empty() {
            continue;
        }
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        return match line.bytes().all(is_word) {
            true => Ok(Some(line)),
            false => Err(Error::Malformed("a command is expected")),
        };
    }
    Err(Error::TooLong("what is between two frames"))
}

/// A line without its end; `None` where the stream has ended.
fn line(input: &mut impl BufRead) -> Result<Option<String>, Error> {
    let mut line = Vec::new();
    let read = input.take(MAX_LINE).read_until(b'\n', &mut line)? as u64;
    if read == 0 {
        return Ok(None);
    }
    if line.pop() != Some(b'\n') {
        return Err(match read {
            MAX_LINE => Error::TooLong("a line"),
            _ => Error::End,
        });
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    let line = String::from_utf8(line).map_err(|_| Error::Malformed("a line is not UTF-8"))?;
    Ok(Some(line))
}

/// What has this length, or reaches to the first NUL, which follows in any case.
fn body(input: &mut impl BufRead, length: Option<u64>) -> Result<Vec<u8>, Error> {
    let mut body = Vec::new();
    let most = length.unwrap_or(MAX_BODY);
    if most > MAX_BODY {
        return Err(Error::TooLong("the body"));
    }
    let mut input = input.take(most + 1);
    let read = match length {
        Some(_) => input.read_to_end(&mut body)?,
        None => input.read_until(0, &mut body)?,
    };
    let is_whole = read as u64 > most;
    match body.pop() {
        Some(0) if is_whole || length.is_none() => Ok(body),
        _ if !is_whole => Err(Error::End),
        _ if length.is_some() => Err(Error::Malformed("no NUL follows the body")),
        _ => Err(Error::TooLong("the body")),
    }
}

/// Writes a frame without a body, and without headers but for its exit status: every
/// libzypp reads it.
pub fn write(output: &mut impl Write, command: &str, exit: Option<u8>) -> io::Result<()> {
    let exit = exit.map_or_else(String::new, |exit| format!("exit:{exit}\n"));
    output.write_all(format!("{command}\n{exit}\n\0").as_bytes())?;
    output.flush()
}

#[cfg(test)]
mod tests;

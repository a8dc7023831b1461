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
    /// Names and values, without escapes, in their order.
    pub headers: Vec<(String, String)>,
    /// What follows, without the NUL.
    pub body: Vec<u8>,
}

/// Reads one frame; `None` where the stream ends before it.
///
/// # Errors
/// [`Error`]; where the next frame would begin is then not known.
pub fn read(input: &mut impl BufRead) -> Result<Option<Frame>, Error> {
    let Some(command) = command(input)? else {
        return Ok(None);
    };
    let mut headers = Vec::new();
    loop {
        let line = line(input)?.ok_or(Error::End)?;
        if line.is_empty() {
            break;
        }
        if headers.len() == MAX_HEADERS {
            return Err(Error::TooLong("the list of headers"));
        }
        headers.push(header(&line)?);
    }
    let body = match length(&headers)? {
        Some(length) => body_of(input, length)?,
        None => body(input)?,
    };
    Ok(Some(Frame {
        command,
        headers,
        body,
    }))
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
        return if line.bytes().all(is_word) {
            Ok(Some(line))
        } else {
            Err(Error::Malformed("a command is expected"))
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
    let line = String::from_utf8(line);
    line.map(Some)
        .map_err(|_| Error::Malformed("a line is not UTF-8"))
}

fn header(line: &str) -> Result<(String, String), Error> {
    let (name, value) = line
        .split_once(':')
        .ok_or(Error::Malformed("a header has no colon"))?;
    Ok((unescape(name)?, unescape(value)?))
}

fn unescape(text: &str) -> Result<String, Error> {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        plain.push(match character {
            '\\' => match characters.next() {
                Some('n') => '\n',
                Some('r') => '\r',
                Some('c') => ':',
                Some('\\') => '\\',
                _ => return Err(Error::Malformed("a header has an unknown escape")),
            },
            character => character,
        });
    }
    Ok(plain)
}

fn length(headers: &[(String, String)]) -> Result<Option<u64>, Error> {
    let Some((_, value)) = headers.iter().find(|(name, _)| name == "content-length") else {
        return Ok(None);
    };
    let length = value.parse();
    let length = length.map_err(|_| Error::Malformed("content-length is not a number"))?;
    if length > MAX_BODY {
        return Err(Error::TooLong("the body"));
    }
    Ok(Some(length))
}

fn body_of(input: &mut impl BufRead, length: u64) -> Result<Vec<u8>, Error> {
    let mut body = Vec::new();
    input.take(length + 1).read_to_end(&mut body)?;
    if (body.len() as u64) <= length {
        return Err(Error::End);
    }
    match body.pop() {
        Some(0) => Ok(body),
        _ => Err(Error::Malformed("no NUL follows the body")),
    }
}

fn body(input: &mut impl BufRead) -> Result<Vec<u8>, Error> {
    let mut body = Vec::new();
    let read = input.take(MAX_BODY + 1).read_until(0, &mut body)? as u64;
    match body.pop() {
        Some(0) => Ok(body),
        _ if read > MAX_BODY => Err(Error::TooLong("the body")),
        _ => Err(Error::End),
    }
}

/// Writes a frame without a body: every libzypp reads it. The names and values
/// need no escapes.
///
/// # Errors
/// Those of the system.
pub fn write(output: &mut impl Write, command: &str, headers: &[(&str, &str)]) -> io::Result<()> {
    let mut frame = format!("{command}\n");
    for (name, value) in headers {
        frame.push_str(&format!("{name}:{value}\n"));
    }
    frame.push_str("\n\0");
    output.write_all(frame.as_bytes())?;
    output.flush()
}

#[cfg(test)]
mod tests;

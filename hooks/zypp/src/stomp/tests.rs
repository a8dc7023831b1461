// SPDX-License-Identifier: GPL-2.0-or-later
use super::*;

fn all(mut bytes: &[u8]) -> Result<Vec<Frame>, Error> {
    let mut frames = Vec::new();
    while let Some(frame) = read(&mut bytes)? {
        frames.push(frame);
    }
    Ok(frames)
}

const WITHOUT: &[u8] = b"PLUGINBEGIN\nuserdata:a\\cb\\\\c\\nd\n\n\0COMMITBEGIN\n\n{\"x\":1}\0";
const WITH: &[u8] =
    b"PLUGINBEGIN\ncontent-length:0\nuserdata:a:b\\\\c\\nd\n\n\0COMMITBEGIN\ncontent-length:7\n\n{\"\0\":1}\0";

#[test]
fn frames_are_read_with_and_without_their_length() {
    let frames = all(WITHOUT).unwrap();
    assert_eq!(frames.len(), 2);
    assert_eq!(frames[0].command, "PLUGINBEGIN");
    assert_eq!(frames[0].body, b"");
    assert_eq!(frames[1].body, b"{\"x\":1}");
    // A NUL within a body of known length.
    assert_eq!(all(WITH).unwrap()[1].body, b"{\"\0\":1}");
}

#[test]
fn an_end_at_any_byte_is_an_end_between_frames_or_an_error() {
    for stream in [WITHOUT, WITH] {
        let first = stream.iter().position(|byte| *byte == 0).unwrap() + 1;
        for end in 0..stream.len() {
            let cut = all(&stream[..end]);
            match cut {
                Ok(frames) if end == 0 => assert_eq!(frames.len(), 0),
                Ok(frames) if end == first => assert_eq!(frames.len(), 1),
                Err(Error::End) => {}
                other => panic!("{end}: {other:?}"),
            }
        }
    }
}

#[test]
fn empty_lines_between_frames_are_passed_over_but_not_for_ever() {
    assert_eq!(all(b"\n\r\nA\r\nk:v\r\n\r\nbody\0\n\n").unwrap().len(), 1);
    let endless = vec![b'\n'; 1000];
    assert!(matches!(all(&endless), Err(Error::TooLong(_))));
}

#[test]
fn garbage_is_no_frame() {
    for garbage in [
        &b"two words\n\n\0"[..],
        b"\0\n\n\0",
        b"\xff\xfe\n\n\0",
        b"A\nno colon\n\n\0",
        b"A\nk:\\",
        b"A\ncontent-length:-1\n\n\0",
        b"A\ncontent-length:x\n\n\0",
        b"A\ncontent-length:99999999999999999999\n\n\0",
        b"A\ncontent-length:2\n\nabc\0",
    ] {
        let error = all(garbage).unwrap_err();
        assert!(
            matches!(error, Error::Malformed(_) | Error::End),
            "{garbage:?}: {error}"
        );
    }
}

#[test]
fn nothing_is_read_without_bound() {
    let claims = b"A\ncontent-length:18446744073709551615\n\n";
    assert!(matches!(all(claims), Err(Error::TooLong("the body"))));
    let line = vec![b'x'; (MAX_LINE + 5) as usize];
    assert!(matches!(all(&line), Err(Error::TooLong("a line"))));
    let mut endless = io::BufReader::new(b"A\n\n".chain(io::repeat(b'x')));
    let endless = read(&mut endless);
    assert!(matches!(endless, Err(Error::TooLong("the body"))));
    let mut headers = b"A\n".to_vec();
    headers.extend(b"k:v\n".repeat(MAX_HEADERS + 1));
    headers.extend(b"\n\0");
    assert!(matches!(all(&headers), Err(Error::TooLong(_))));
    headers.drain(2..6);
    assert_eq!(all(&headers).unwrap().len(), 1);
}

#[test]
fn answers_are_frames_themselves() {
    let mut bytes = Vec::new();
    write(&mut bytes, "ACK", Some(0)).unwrap();
    assert_eq!(bytes, b"ACK\nexit:0\n\n\0");
    write(&mut bytes, "_ENOMETHOD", None).unwrap();
    assert_eq!(all(&bytes).unwrap()[1].command, "_ENOMETHOD");
}

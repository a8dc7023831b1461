//! The same types under other ids: what a parallel `pahole` may make of a
//! kernel that is built twice.

use crate::btf::kind;

/// A little-endian BTF that stands alone with a header of 24 bytes, its types in
/// another order. `order` lists the old ids (from 1) in their new places.
pub fn renumber(raw: &[u8], order: &[u32]) -> Vec<u8> {
    let word = |at: usize| u32::from_le_bytes(raw[at..at + 4].try_into().unwrap());
    let types = types(raw);
    assert_eq!(order.len(), types.len());
    let mut new_id = vec![0u32; types.len() + 1];
    for (place, &old) in (1u32..).zip(order) {
        assert_eq!(new_id[old as usize], 0, "{old} comes twice");
        new_id[old as usize] = place;
    }
    let mut out = raw.to_vec();
    let mut at = 24 + word(8) as usize;
    for &old in order {
        let (start, end) = types[old as usize - 1];
        let mut body = raw[start..end].to_vec();
        for place in references(&body) {
            let id = u32::from_le_bytes(body[place..place + 4].try_into().unwrap());
            body[place..place + 4].copy_from_slice(&new_id[id as usize].to_le_bytes());
        }
        out[at..at + body.len()].copy_from_slice(&body);
        at += body.len();
    }
    out
}

/// How many types it holds.
pub fn count(raw: &[u8]) -> u32 {
    types(raw).len() as u32
}

/// Begin and end of each type.
pub fn types(raw: &[u8]) -> Vec<(usize, usize)> {
    let word = |at: usize| u32::from_le_bytes(raw[at..at + 4].try_into().unwrap()) as usize;
    let mut at = word(4) + word(8);
    let end = at + word(12);
    let mut types = Vec::new();
    while at < end {
        let info = word(at + 4) as u32;
        let vlen = (info & 0xffff) as usize;
        let appended = match info >> 24 & 0x1f {
            kind::INT | kind::VAR | kind::DECL_TAG => 4,
            kind::ARRAY => 12,
            kind::STRUCT | kind::UNION | kind::DATASEC | kind::ENUM64 => 12 * vlen,
            kind::ENUM | kind::FUNC_PROTO => 8 * vlen,
            _ => 0,
        };
        types.push((at, at + 12 + appended));
        at += 12 + appended;
    }
    types
}

/// Where in a type ids stand.
fn references(body: &[u8]) -> Vec<usize> {
    let info = u32::from_le_bytes(body[4..8].try_into().unwrap());
    let vlen = (info & 0xffff) as usize;
    let elements = |stride: usize, place: usize| (0..vlen).map(move |i| 12 + i * stride + place);
    match info >> 24 & 0x1f {
        kind::ARRAY => vec![12, 16],
        kind::STRUCT | kind::UNION => elements(12, 4).collect(),
        kind::DATASEC => elements(12, 0).collect(),
        kind::FUNC_PROTO => std::iter::once(8).chain(elements(8, 4)).collect(),
        kind::INT | kind::ENUM | kind::ENUM64 | kind::FWD | kind::FLOAT => Vec::new(),
        _ => vec![8],
    }
}

/// Where in a type name offsets stand.
pub fn names(body: &[u8]) -> Vec<usize> {
    let info = u32::from_le_bytes(body[4..8].try_into().unwrap());
    let stride = match info >> 24 & 0x1f {
        kind::STRUCT | kind::UNION | kind::ENUM64 => 12,
        kind::ENUM | kind::FUNC_PROTO => 8,
        _ => return vec![0],
    };
    let elements = (0..(info & 0xffff) as usize).map(|index| 12 + index * stride);
    std::iter::once(0).chain(elements).collect()
}

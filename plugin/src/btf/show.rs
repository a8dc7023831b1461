//! A failed rule in the kernel's words: `btf_verifier_log_*()` and each kind's
//! `->log_details()` (`kernel/bpf/btf.c`).
//!
//! Every call the kernel makes to `bpf_verifier_vlog()` is a log line of its
//! own when it verifies a module, so what userspace knows as one line arrives
//! in pieces.

use super::log::Log;
use super::raw::{ByteOrder, kind, words3};
use super::scope::{EINVAL, Fault, Item, Scope, parameters};

/// Logs `fault`; returns its errno. A `quiet` kernel leaves out types and members,
/// but not the variables of a DATASEC: `btf_verifier_log_vsi()` does not ask.
#[cold]
pub(super) fn fault<O: ByteOrder>(
    fault: &Fault,
    id: u32,
    item: &Item<'_>,
    scope: &Scope<'_>,
    quiet: bool,
    log: &mut Log,
) -> i32 {
    let errno = match fault {
        Fault::Type(errno, _) => *errno,
        _ => EINVAL,
    };
    if let Fault::Plain(text) = fault {
        log.bpf(text.as_bytes());
        return errno;
    }
    if quiet && !matches!(fault, Fault::Variable(..)) {
        return errno;
    }
    let message: &str = match fault {
        Fault::Type(_, message) => {
            head(id, item, scope, b" ", log);
            details::<O>(item, scope, log);
            message
        }
        Fault::Basic(message) => {
            head(id, item, scope, b"", log);
            message
        }
        Fault::Member(index, message) => {
            member::<O>(*index, item, scope, log);
            message
        }
        Fault::Variable(index, message) => {
            variable::<O>(*index, item, log);
            message
        }
        Fault::Plain(_) => "",
    };
    log.bpf(b" ");
    log.bpf(message.as_bytes());
    log.bpf(b"\n");
    errno
}

/// `[id] KIND name`
fn head(id: u32, item: &Item<'_>, scope: &Scope<'_>, tail: &[u8], log: &mut Log) {
    let kind = kind::NAMES
        .get(usize::from(item.kind))
        .copied()
        .unwrap_or("UNKNOWN");
    let mut line = format!("[{id}] {kind} ").into_bytes();
    line.extend_from_slice(scope.shown(item.t.name_off));
    line.extend_from_slice(tail);
    log.bpf(&line);
}

/// `btf_type_ops(t)->log_details()`.
fn details<O: ByteOrder>(item: &Item<'_>, scope: &Scope<'_>, log: &mut Log) {
    let word = |index: usize| O::u32_at(item.appended, 4 * index).unwrap_or(0);
    let size_or_type = item.t.size_or_type;
    let line = match item.kind {
        kind::INT => {
            let data = word(0);
            let encoding = match (data >> 24) & 0xf {
                0 => "(none)",
                1 => "SIGNED",
                2 => "CHAR",
                4 => "BOOL",
                _ => "UNKN",
            };
            format!(
                "size={size_or_type} bits_offset={} nr_bits={} encoding={encoding}",
                (data >> 16) & 0xff,
                data & 0xff
            )
        }
        kind::PTR
        | kind::TYPEDEF
        | kind::VOLATILE
        | kind::CONST
        | kind::RESTRICT
        | kind::FUNC
        | kind::TYPE_TAG => format!("type_id={size_or_type}"),
        kind::ARRAY => format!(
            "type_id={} index_type_id={} nr_elems={}",
            word(0),
            word(1),
            word(2)
        ),
        kind::STRUCT | kind::UNION | kind::ENUM | kind::ENUM64 | kind::DATASEC => {
            format!("size={size_or_type} vlen={}", item.vlen)
        }
        kind::FWD if item.t.kflag() => "union".to_owned(),
        kind::FWD => "struct".to_owned(),
        kind::FUNC_PROTO => return prototype::<O>(item, scope, log),
        kind::VAR => format!("type_id={size_or_type} linkage={}", word(0)),
        kind::FLOAT => format!("size={size_or_type}"),
        kind::DECL_TAG => format!("type={size_or_type} component_idx={}", word(0) as i32),
        _ => String::new(),
    };
    log.bpf(line.as_bytes());
}

/// `btf_func_proto_log()`: each parameter is a line.
fn prototype<O: ByteOrder>(item: &Item<'_>, scope: &Scope<'_>, log: &mut Log) {
    log.bpf(format!("return={} args=(", item.t.size_or_type).as_bytes());
    let all = parameters::<O>(item);
    let count = all.len();
    if count == 0 {
        log.bpf(b"void");
    }
    for (index, (name_off, type_id)) in all.enumerate() {
        // A nameless last parameter of type void is "...".
        let is_last = index + 1 == count;
        let comma = if index == 0 { "" } else { ", " };
        if is_last && type_id == 0 {
            log.bpf(format!("{comma}vararg").as_bytes());
            continue;
        }
        let mut line = format!("{comma}{type_id} ").into_bytes();
        line.extend_from_slice(scope.shown(name_off));
        log.bpf(&line);
    }
    log.bpf(b")");
}

/// `btf_verifier_log_member()`.
fn member<O: ByteOrder>(index: u32, item: &Item<'_>, scope: &Scope<'_>, log: &mut Log) {
    let (name_off, type_id, offset) = element::<O>(index, item);
    let mut line = b"\t".to_vec();
    line.extend_from_slice(scope.shown(name_off));
    let rest = if item.t.kflag() {
        format!(
            " type_id={type_id} bitfield_size={} bits_offset={}",
            offset >> 24,
            offset & 0x00ff_ffff
        )
    } else {
        format!(" type_id={type_id} bits_offset={offset}")
    };
    line.extend_from_slice(rest.as_bytes());
    log.bpf(&line);
}

/// `btf_verifier_log_vsi()`.
fn variable<O: ByteOrder>(index: u32, item: &Item<'_>, log: &mut Log) {
    let (type_id, offset, size) = element::<O>(index, item);
    log.bpf(format!("\t type_id={type_id} offset={offset} size={size}").as_bytes());
}

fn element<O: ByteOrder>(index: u32, item: &Item<'_>) -> (u32, u32, u32) {
    let (elements, _) = item.appended.as_chunks::<12>();
    elements.get(index as usize).map_or((0, 0, 0), words3::<O>)
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! A failed rule in the kernel's words: `btf_verifier_log_*()` and each kind's
//! `->log_details()` (`kernel/bpf/btf.c`).
//!
//! Every call the kernel makes to `bpf_verifier_vlog()` is a log line of its
//! own when it verifies a module, so what userspace knows as one line arrives
//! in pieces.

use crate::env::{MetaError, TypeRecord, VerifierEnv};
use crate::escape::escape;
use crate::features::Features;
use crate::log_buffer::{EDGE, Log, unescape};
use crate::raw::kind;
use crate::verify_error::{BtfRule, BtfSection, Parameter, TypeInfo, TypePart, VerifyError};

/// How a kernel writes its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogFormat {
    /// The longest text of one line, prefix included.
    line_max: usize,
    /// Types and members are left out: `__btf_verifier_log_type()` since Linux 6.3
    /// where mismatches are permitted, but only for BTF that has a base.
    quiet: bool,
}

impl LogFormat {
    /// That of a kernel with these abilities; `discards` says that it is built with
    /// `CONFIG_MODULE_ALLOW_BTF_MISMATCH`.
    pub fn new(abilities: &Features, discards: bool) -> Self {
        Self {
            line_max: abilities.log_line_max,
            quiet: discards && abilities.discards_quietly,
        }
    }
}

impl VerifyError {
    /// What stands before each of the kernel's lines.
    pub fn log_prefix(&self) -> &'static str {
        match self.rule.is_logged_bare() {
            true => "",
            false => "BPF: ",
        }
    }

    /// The kernel's log lines: what follows `BPF: `, or the bare message where
    /// it prints no prefix. Trailing blanks are trimmed, blank lines dropped,
    /// and bytes that do not print escaped as `/dev/kmsg` does (`\xNN`).
    pub fn log(&self, format: LogFormat) -> Vec<String> {
        let mut log = Log::new(format.line_max);
        let quiet = format.quiet && self.section == BtfSection::Split;
        let Some(subject) = &self.subject else {
            match self.rule.is_logged_bare() {
                _ if self.rule.is_kernel_bug() => {}
                true => log.bare(&self.rule.words()),
                false => log.bpf(&self.rule.words()),
            }
            return log.into_entries();
        };
        match &self.element {
            // btf_verifier_log_vsi() does not ask whether it is to be quiet.
            Some(TypePart::Variable {
                type_id,
                offset,
                size,
                ..
            }) => {
                let line = format!("\t type_id={type_id} offset={offset} size={size}");
                self.tail(line.as_bytes(), &mut log);
            }
            _ if quiet => {}
            Some(TypePart::Member {
                name,
                type_id,
                offset,
                ..
            }) => {
                let (size, bits) = (offset >> 24, offset & 0x00ff_ffff);
                let rest = match subject.kind_flag {
                    true => format!(" type_id={type_id} bitfield_size={size} bits_offset={bits}"),
                    false => format!(" type_id={type_id} bits_offset={offset}"),
                };
                let line = [b"\t", &*unescape(name), rest.as_bytes()].concat();
                self.tail(&line, &mut log);
            }
            None => {
                let head = format!("[{}] {} ", subject.id, kind::word(subject.kind));
                let mut head = [head.as_bytes(), &unescape(&subject.name)].concat();
                // btf_verifier_log_basic() leaves out the details.
                if !matches!(
                    self.rule,
                    BtfRule::CutType { .. } | BtfRule::InvalidIntData { .. }
                ) {
                    head.push(b' ');
                    log.bpf(&head);
                    subject.log_details(&mut log);
                    head.clear();
                }
                self.tail(&head, &mut log);
            }
        }
        log.into_entries()
    }

    fn tail(&self, line: &[u8], log: &mut Log) {
        log.bpf(line);
        log.bpf(b" ");
        log.bpf(&self.rule.words());
        log.bpf(b"\n");
    }
}

impl TypeInfo {
    /// `btf_type_ops(t)->log_details()`.
    fn log_details(&self, log: &mut Log) {
        let word = |index: usize| self.words.get(index).copied().unwrap_or(0);
        let size_or_type = self.size_or_type;
        let line = match self.kind {
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
                format!("size={size_or_type} vlen={}", self.vlen)
            }
            kind::FWD if self.kind_flag => "union".to_owned(),
            kind::FWD => "struct".to_owned(),
            kind::FUNC_PROTO => return self.log_prototype(log),
            kind::VAR => format!("type_id={size_or_type} linkage={}", word(0)),
            kind::FLOAT => format!("size={size_or_type}"),
            kind::DECL_TAG => format!("type={size_or_type} component_idx={}", word(0) as i32),
            _ => String::new(),
        };
        log.bpf(line.as_bytes());
    }

    /// `btf_func_proto_log()`: each parameter is a line.
    fn log_prototype(&self, log: &mut Log) {
        log.bpf(format!("return={} args=(", self.size_or_type).as_bytes());
        let count = self.parameters.len();
        if count == 0 {
            log.bpf(b"void");
        }
        for (index, Parameter { name, type_id }) in self.parameters.iter().enumerate() {
            if index == EDGE {
                log.skip((self.vlen as usize).saturating_sub(count));
            }
            // A nameless last parameter of type void is "...".
            let is_last = index + 1 == count;
            let comma = if index == 0 { "" } else { ", " };
            if is_last && *type_id == 0 {
                log.bpf(format!("{comma}vararg").as_bytes());
                continue;
            }
            let line = format!("{comma}{type_id} ");
            log.bpf(&[line.as_bytes(), &unescape(name)].concat());
        }
        log.bpf(b")");
    }
}

/// What is to be known of a type that breaks a rule.
pub(crate) fn error(
    fault: MetaError,
    id: u32,
    item: &TypeRecord<'_>,
    env: &VerifierEnv<'_>,
) -> VerifyError {
    let section = env.below.section();
    let shown = |name_off| escape(env.shown(name_off));
    let element = |index: u32| item.elements().nth(index as usize).unwrap_or([0; 3]);
    let (rule, element) = match fault {
        MetaError::Alone(rule) => return VerifyError::of(rule, section),
        MetaError::Type(rule) => (rule, None),
        MetaError::Member(index, rule) => {
            let [name_off, type_id, offset] = element(index);
            let member = TypePart::Member {
                index,
                name: shown(name_off),
                type_id,
                offset,
            };
            (rule, Some(member))
        }
        MetaError::Variable(index, rule) => {
            let [type_id, offset, size] = element(index);
            let variable = TypePart::Variable {
                index,
                type_id,
                offset,
                size,
            };
            (rule, Some(variable))
        }
    };
    let (mut words, mut parameters) = (Vec::new(), Vec::new());
    match item.kind {
        kind::INT | kind::ARRAY | kind::VAR | kind::DECL_TAG => {
            words.extend(item.elements().take(3).map(|[word]| word));
        }
        kind::FUNC_PROTO => {
            // Those that a log has room for.
            let last = item.elements::<2>().len().saturating_sub(EDGE);
            for (index, [name_off, type_id]) in item.elements().enumerate() {
                if index < EDGE || index >= last {
                    let name = shown(name_off);
                    parameters.push(Parameter { name, type_id });
                }
            }
        }
        _ => {}
    }
    let subject = TypeInfo {
        id,
        kind: item.kind,
        name: shown(item.t.name_off),
        size_or_type: item.t.size_or_type,
        vlen: item.vlen,
        kind_flag: item.t.kflag(),
        words,
        parameters,
    };
    VerifyError {
        rule,
        section,
        subject: Some(Box::new(subject)),
        element,
    }
}

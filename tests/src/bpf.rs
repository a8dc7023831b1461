// SPDX-License-Identifier: GPL-2.0-or-later
//! `bpf(BPF_BTF_LOAD)`: this machine's kernel as a second judge of BTF.

// The one system call that no crate wraps.
#![allow(unsafe_code)]

use std::os::fd::{FromRawFd, OwnedFd};

/// `BPF_BTF_LOAD`, `enum bpf_cmd` in `include/uapi/linux/bpf.h`.
const BPF_BTF_LOAD: libc::c_int = 18;

/// The part of `union bpf_attr` that belongs to `BPF_BTF_LOAD`.
#[repr(C)]
#[derive(Default)]
struct Attr {
    btf: u64,
    log_buf: u64,
    btf_size: u32,
    log_size: u32,
    log_level: u32,
    log_true_size: u32,
}

/// Loads a BTF that stands alone: the errno (0 if it was accepted) and the log.
pub fn load(raw: &[u8], log: &mut Vec<u8>) -> i32 {
    log.clear();
    log.resize(1 << 20, 0);
    let attr = Attr {
        btf: raw.as_ptr() as u64,
        log_buf: log.as_mut_ptr() as u64,
        btf_size: raw.len() as u32,
        log_size: log.len() as u32,
        log_level: 1,
        log_true_size: 0,
    };
    // SAFETY: attr and the two buffers it names outlive the call, and their
    // sizes are theirs.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            BPF_BTF_LOAD,
            &raw const attr,
            size_of::<Attr>() - size_of::<u32>(),
        )
    };
    let errno = if fd < 0 {
        std::io::Error::last_os_error().raw_os_error().unwrap_or(0)
    } else {
        // SAFETY: the kernel has just given us this descriptor.
        drop(unsafe { OwnedFd::from_raw_fd(fd as i32) });
        0
    };
    let end = log.iter().position(|&c| c == 0).unwrap_or(log.len());
    log.truncate(end);
    errno
}

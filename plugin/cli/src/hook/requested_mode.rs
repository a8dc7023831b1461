// SPDX-License-Identifier: GPL-2.0-or-later
//! What the admin asked for, outside of rpm.

use std::env;
use std::fs::File;
use std::process::Command;
use std::time::Duration;

use btf_guard_protocol::decision::Mode;
use btf_guard_protocol::requested_mode::{RequestedMode, wish};
use btf_guard_subprocess::Limits;

/// rpm reads a few small files for it.
const LIMITS: Limits = Limits {
    who: "rpm",
    timeout: Duration::from_secs(5),
    limit: 64 << 10,
};

/// The mode that the environment's `BTF_GUARD` asks for.
pub(super) fn of_the_environment() -> Option<Mode> {
    wish(variable().as_deref(), String::new).mode
}

/// That, or else what rpm's macro `%_btf_guard` asks for.
pub(super) fn all() -> RequestedMode {
    wish(variable().as_deref(), expand)
}

fn variable() -> Option<String> {
    let value = env::var_os("BTF_GUARD")?;
    Some(value.to_string_lossy().into_owned())
}

/// The macro's value; nothing where rpm is not there to ask.
fn expand() -> String {
    let mut rpm = Command::new("rpm");
    rpm.args(["--eval", "%{?_btf_guard}"]).env("LC_ALL", "C");
    let nothing = File::open("/dev/null").ok();
    let ended =
        nothing.and_then(|input| btf_guard_subprocess::run(rpm, input, Vec::new(), &LIMITS).ok());
    let output = ended.and_then(|ended| ended.success(&LIMITS).ok());
    output.map_or_else(String::new, |(output, _)| {
        String::from_utf8_lossy(&output).into_owned()
    })
}

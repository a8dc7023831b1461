// SPDX-License-Identifier: GPL-2.0-or-later
//! What other programs say when they are asked: libzypp, dnf, rpm.

use std::path::Path;

use btf_guard_core::rpm::rpmdb;
use btf_guard_core::transaction::dnf_output::Account;
use btf_guard_protocol::zypp::{Line, Request};

use super::scene::parts;

/// What dnf5 stores, what dnf 4 says, what rpm answers, and the two sides of the
/// program that asks libzypp.
pub(crate) fn programs(data: &[u8]) {
    let [stored, said, listed, asked, answered] = parts(data);
    if let Ok(account) = Account::stored(stored, Path::new("/store")) {
        for step in account.steps {
            assert!(step.nevra.starts_with(&step.name));
        }
    }
    let mut account = Account::default();
    for line in String::from_utf8_lossy(said).lines() {
        let before = account.steps.len();
        let heard = account.hear(line);
        assert!(matches!(heard, Ok(true)) || account.steps.len() == before);
    }
    let _ = rpmdb::parse(listed);
    if let Ok(request) = serde_json::from_slice::<Request>(asked) {
        let text = serde_json::to_vec(&request).expect("JSON");
        assert_eq!(serde_json::from_slice::<Request>(&text).ok(), Some(request));
    }
    for line in answered.split(|byte| *byte == b'\n') {
        if let Ok(line) = serde_json::from_slice::<Line>(line) {
            let text = serde_json::to_vec(&line).expect("JSON");
            assert_eq!(serde_json::from_slice::<Line>(&text).ok(), Some(line));
        }
    }
}

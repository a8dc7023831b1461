// SPDX-License-Identifier: GPL-2.0-or-later
//! What hooks have found, kept for `status`.

use std::path::Path;

use anyhow::Context;
use btf_guard_protocol::event::{Event, EventOutcome};
use btf_guard_protocol::procfs::boot_id;

use super::{FindingOrigin, Held};
use crate::report::Report;
use crate::status;

/// Keeps the findings of a transaction on this machine that goes on or is over.
///
/// What was found in packages may not be on the disk yet, and what is there may change
/// again: `status` judges it before it is told.
pub fn keep(event: &Event, store: &Path) -> anyhow::Result<()> {
    let goes_on = matches!(
        event.outcome,
        EventOutcome::Proceeded | EventOutcome::Overridden
    );
    let is_root = rustix::process::geteuid().is_root();
    let Some(answer) = event.answer.as_ref().filter(|_| goes_on && is_root) else {
        return Ok(());
    };
    if event.test || event.root != Path::new("/") {
        return Ok(());
    }
    let report: Report =
        serde_json::from_str(answer.get()).context("the answer in the event is not understood")?;
    let boot = boot_id().ok();
    let origin = FindingOrigin {
        time: event.time,
        client: &event.client,
        boot: boot.as_deref(),
    };
    let found = status::findings(&report, origin);
    if found.is_empty() {
        return Ok(());
    }
    let shown = || store.display().to_string();
    let mut held = Held::open(store).with_context(shown)?;
    held.findings.add(found);
    held.keep().with_context(shown)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use crate::kernel::Target;
    use crate::report::{Kind, fixtures, kernel_finding};
    use btf_guard_protocol::caller::Who;
    use btf_guard_protocol::event::SCHEMA;
    use btf_guard_protocol::plan::Stage;
    use serde_json::value::to_raw_value;

    use super::*;

    fn event() -> Event {
        let kernel = fixtures::kernel(0, Target::NextBoot);
        let gone = kernel_finding(Kind::NoModules, "/lib/modules/6.1".to_owned(), &kernel);
        let report = fixtures::report(vec![kernel], vec![gone]);
        Event {
            schema: SCHEMA,
            time: 7,
            client: "dnf".to_owned(),
            stage: Stage::Post,
            test: false,
            root: "/".into(),
            outcome: EventOutcome::Proceeded,
            overrides: Vec::new(),
            who: Who::default(),
            answer: Some(to_raw_value(&report).unwrap()),
            failure: None,
            undecided: None,
        }
    }

    #[test]
    fn what_goes_on_is_kept_and_nothing_else() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let parent = tempfile::tempdir().unwrap();
        let store = parent.path().join("lib");
        let others: [fn(&mut Event); 5] = [
            |event| event.test = true,
            |event| event.root = "/mnt".into(),
            |event| event.outcome = EventOutcome::Blocked,
            |event| event.outcome = EventOutcome::Preflight,
            |event| event.answer = None,
        ];
        for change in others {
            let mut event = event();
            change(&mut event);
            keep(&event, &store).unwrap();
            assert!(!store.exists(), "{event:?}");
        }
        keep(&event(), &store).unwrap();
        keep(&event(), &store).unwrap();
        let held = Held::open(&store).unwrap();
        let [finding] = held.findings.findings.as_slice() else {
            panic!("{:?}", held.findings);
        };
        assert_eq!((finding.since, finding.client.as_str()), (7, "dnf"));
        assert_eq!(finding.judged, None);
        assert_eq!(held.findings.checked, None);
    }
}

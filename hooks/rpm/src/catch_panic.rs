// SPDX-License-Identifier: GPL-2.0-or-later
//! No panic passes from Rust into C.

use std::any::Any;
use std::panic::{self, AssertUnwindSafe};

/// Runs `work` and turns a panic into its message. A panic that left this
/// library would abort rpm in mid-transaction.
///
/// While `work` runs nothing is printed for a panic; the panic hook of before
/// is back afterwards.
pub(crate) fn catch_panic<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    panic::set_hook(hook);
    result.map_err(|payload| {
        let message = message(payload.as_ref());
        // A payload's own destructor may panic, and nothing would catch that.
        std::mem::forget(payload);
        message
    })
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("panic").to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic, clippy::unwrap_used)]

    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    static SEEN: AtomicBool = AtomicBool::new(false);

    #[test]
    fn a_panic_becomes_its_message_and_the_hosts_hook_is_back() {
        panic::set_hook(Box::new(|_| SEEN.store(true, Ordering::Relaxed)));
        assert_eq!(catch_panic(|| 7), Ok(7));
        let caught = |work: fn()| catch_panic(work).unwrap_err();
        assert_eq!(caught(|| panic!("with {}", "text")), "with text");
        assert_eq!(caught(|| panic!("plain")), "plain");
        assert_eq!(caught(|| panic::panic_any(3)), "panic");
        assert!(!SEEN.load(Ordering::Relaxed), "the host's hook was called");
        let _ = panic::catch_unwind(|| panic!("the host's own"));
        assert!(SEEN.load(Ordering::Relaxed), "the host's hook is gone");
        let _ = panic::take_hook();
    }
}

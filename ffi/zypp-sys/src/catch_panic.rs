// SPDX-License-Identifier: GPL-2.0-or-later
//! The door between C++ and Rust: no panic passes.

use std::any::Any;
use std::ffi::{c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::bindings::{bgz_watch, bgz_word};
use crate::step::WordKind;
use crate::{Error, text};

/// What a callback is called with, and what became of it.
pub(crate) struct Caller<'c, Callback: ?Sized> {
    callback: &'c mut Callback,
    panic: Option<String>,
}

impl<'c, Callback: ?Sized> Caller<'c, Callback> {
    pub(crate) fn new(callback: &'c mut Callback) -> Self {
        Self {
            callback,
            panic: None,
        }
    }

    /// The outcome of the call that the callback was passed to.
    pub(crate) fn outcome(self, result: Result<(), Error>) -> Result<(), Error> {
        self.panic
            .map_or(result, |panic| Err(Error::Panicked(panic)))
    }

    /// Calls once more, unless an earlier call panicked; 0 tells the shim to
    /// end.
    fn call(&mut self, work: impl FnOnce(&mut Callback) -> bool) -> c_int {
        if self.panic.is_some() {
            return 0;
        }
        match catch_unwind(AssertUnwindSafe(|| work(self.callback))) {
            Ok(going_on) => c_int::from(going_on),
            Err(payload) => {
                self.panic = Some(message(payload.as_ref()));
                // A payload's own destructor may panic, and nothing would catch that.
                std::mem::forget(payload);
                0
            }
        }
    }
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("panic").to_owned()
}

/// Whether to go on, asked now and then while something is fetched; with the
/// percentage of a package where it is one.
pub(crate) type GoingOn<'c> = dyn FnMut(Option<u8>) -> bool + 'c;

/// What the shim is given to call. It must not outlive `caller`.
pub(crate) fn watch(caller: &mut Caller<'_, GoingOn<'_>>) -> bgz_watch {
    bgz_watch {
        context: std::ptr::from_mut(caller).cast(),
        going_on: Some(going_on),
    }
}

unsafe extern "C" fn going_on(context: *mut c_void, percent: i32) -> c_int {
    // SAFETY: the context is the caller of `watch`, which lives during the
    // call that it was made for and is used by nothing else meanwhile.
    let caller = unsafe { &mut *context.cast::<Caller<'_, GoingOn<'_>>>() };
    let percent = u8::try_from(percent).ok().map(|percent| percent.min(100));
    caller.call(|callback| callback(percent))
}

/// Sees a word of a package's metadata; `false` ends it.
pub(crate) type WordVisitor<'c> = dyn FnMut(WordKind, &[u8]) -> bool + 'c;

/// What the shim is given to call with a `Caller<WordVisitor>`.
pub(crate) unsafe extern "C" fn visit(
    context: *mut c_void,
    kind: bgz_word,
    word: *const c_char,
) -> c_int {
    // SAFETY: the context is a `Caller` that lives during the call that it was
    // made for and is used by nothing else meanwhile.
    let caller = unsafe { &mut *context.cast::<Caller<'_, WordVisitor<'_>>>() };
    // SAFETY: the shim's string lives until this returns.
    let word = unsafe { text::shown(word) };
    match (WordKind::from_c(kind), word) {
        (Some(kind), Some(word)) => caller.call(|callback| callback(kind, word.to_bytes())),
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]

    use super::*;

    #[test]
    fn a_panic_ends_the_work_and_becomes_an_error() {
        let mut calls = 0;
        let mut callback = |_: Option<u8>| {
            calls += 1;
            panic!("with {}", "text")
        };
        let mut caller = Caller::<GoingOn<'_>>::new(&mut callback);
        let watch = watch(&mut caller);
        let call = watch.going_on.unwrap();
        // SAFETY: the caller lives.
        unsafe {
            assert_eq!(call(watch.context, 1), 0);
            assert_eq!(call(watch.context, 2), 0);
        }
        // libzypp may well say that all went fine.
        let outcome = caller.outcome(Ok(()));
        assert!(matches!(outcome, Err(Error::Panicked(text)) if text == "with text"));
        assert_eq!(calls, 1, "a callback that panicked is not called again");
    }

    #[test]
    fn percentages_are_passed_on_and_bounded() {
        let mut seen = Vec::new();
        let mut callback = |percent: Option<u8>| {
            seen.push(percent);
            percent != Some(50)
        };
        let mut caller = Caller::<GoingOn<'_>>::new(&mut callback);
        let watch = watch(&mut caller);
        let call = watch.going_on.unwrap();
        // SAFETY: the caller lives.
        let answers = [-1, 0, 50, 200].map(|percent| unsafe { call(watch.context, percent) });
        assert!(matches!(
            caller.outcome(Err(Error::Stopped)),
            Err(Error::Stopped)
        ));
        assert_eq!(answers, [1, 1, 0, 1]);
        assert_eq!(seen, [None, Some(0), Some(50), Some(100)]);
    }
}

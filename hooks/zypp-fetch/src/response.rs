// SPDX-License-Identifier: GPL-2.0-or-later
//! What is to be said, shared by the thread that works and the one that
//! watches the time.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use btf_guard_protocol::zypp::{DownloadProgress, FetchFailure, Line, Resolution};

use crate::error::plain;
use crate::stdout::{ANSWERED, FAILED, Stdout};

/// The answer, as far as it is known.
#[derive(Clone)]
pub(crate) struct Response(Arc<Mutex<ResponseState>>);

struct ResponseState {
    output: Stdout,
    outcome: Option<Resolution>,
}

impl Response {
    pub(crate) fn new(output: Stdout) -> Self {
        Self(Arc::new(Mutex::new(ResponseState {
            output,
            outcome: None,
        })))
    }

    fn state(&self) -> MutexGuard<'_, ResponseState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The packages are known; from now on there is something to tell.
    pub(crate) fn resolved(&self, outcome: Resolution) {
        self.state().outcome = Some(outcome);
    }

    /// The package of step `index` lies at `path`.
    pub(crate) fn is_at(&self, index: usize, path: PathBuf) {
        let mut state = self.state();
        let steps = state.outcome.as_mut().map(|outcome| &mut outcome.steps);
        if let Some(step) = steps.and_then(|steps| steps.get_mut(index)) {
            step.path = Some(path);
        }
    }

    /// Something is missing from the answer.
    pub(crate) fn lacks(&self, problem: String) {
        if let Some(outcome) = &mut self.state().outcome {
            outcome.problems.push(problem);
        }
    }

    /// A line that is not the last. `false` where nobody reads any more.
    pub(crate) fn progress(&self, progress: DownloadProgress) -> bool {
        let mut state = self.state();
        state.output.write(&Line::Progress(progress)).is_ok()
    }

    /// Says that there is no answer. The exit status.
    pub(crate) fn fail(&self, failure: &FetchFailure) -> u8 {
        say_failure(&mut self.state().output, failure)
    }

    /// Says all that is known. The exit status.
    pub(crate) fn finish(&self) -> u8 {
        say_all(&mut self.state())
    }

    /// Says what is known by now and ends the process, whatever the other
    /// thread is doing. The lock is never given back: there is one last line.
    ///
    /// libzypp's temporary directories stay behind where it comes to this.
    pub(crate) fn cut_off(&self, seconds: u64) -> ! {
        let mut state = self.state();
        let problem = too_late(seconds);
        let status = if let Some(outcome) = &mut state.outcome {
            outcome.problems.push(problem);
            say_all(&mut state)
        } else {
            say_failure(&mut state.output, &plain(problem))
        };
        zypp_sys::leave(status.into())
    }
}

/// The time is up.
pub(crate) fn too_late(seconds: u64) -> String {
    format!("libzypp was not done after {seconds} seconds")
}

fn say_all(state: &mut ResponseState) -> u8 {
    let outcome = state.outcome.take().unwrap_or_default();
    match state.output.write(&Line::Result(outcome)) {
        Ok(()) => ANSWERED,
        Err(error) => {
            let failure = plain(format!("the answer cannot be written: {error}"));
            say_failure(&mut state.output, &failure)
        }
    }
}

/// Where even this cannot be written, the exit status has to do.
fn say_failure(output: &mut Stdout, failure: &FetchFailure) -> u8 {
    let _ = output.write(&Line::Error(failure.clone()));
    FAILED
}

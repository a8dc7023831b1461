//! How what the plugin has to say reaches the admin: once.
//!
//! Clients show parts of rpm's log and hide others (tried: `tests/tests/clients/once.rs`):
//!
//! | client | in its test run | before the first change | after the last |
//! |---|---|---|---|
//! | rpm, zypper | shown | shown | shown |
//! | dnf 4 | shown if the run fails | shown late, and not with `-q` | hidden |
//! | dnf 5 | hidden | hidden | hidden |
//!
//! Standard error is shown by both dnfs, and hidden by zypper. So rpm's log is
//! what everything goes to, and standard error has it for dnf 5 as well; for
//! dnf 4 it has instead what the log would hide. On a terminal, dnf 5 wipes out
//! what is written while its real run draws its progress: see [`farewell`].

use std::cell::OnceCell;
use std::io::{IsTerminal, Write};

use btf_guard::place::plan::{self, Level, Message};
use btf_guard::record;

use crate::client::Client;
use crate::farewell;
use crate::librpm::Librpm;

/// What lines are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// The transaction is stopped: the client shows why.
    Stop,
    /// It goes on, or is over.
    Remark,
}

/// When it is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// In a client's test run.
    Test,
    /// In the transaction itself, from just before it to just after it.
    Real,
}

/// What was told of a transaction: the lines of one thing after another.
#[derive(Debug, Default)]
pub(crate) struct Told(Vec<Vec<Message>>);

/// Speaks to the admin of one transaction.
pub(crate) struct Voice<'r> {
    rpm: &'r Librpm,
    moment: Moment,
    client: OnceCell<Client>,
    told: Told,
}

impl<'r> Voice<'r> {
    /// Where this was `told` of the transaction before.
    pub(crate) fn new(rpm: &'r Librpm, moment: Moment, told: Told) -> Self {
        Self {
            rpm,
            moment,
            client: OnceCell::new(),
            told,
        }
    }

    /// Shows lines that belong together, unless they were shown before. Were
    /// they shown now?
    pub(crate) fn say(&mut self, occasion: Occasion, lines: Vec<Message>) -> bool {
        let in_log = record::is_log(std::io::stderr(), |name| std::env::var_os(name));
        let lines = plan::lines_to_show(lines, in_log);
        if lines.is_empty() || self.told.0.contains(&lines) {
            return false;
        }
        let client = *self.client.get_or_init(Client::of_this_process);
        let (log, stderr) = channels(client, occasion);
        if log {
            for line in &lines {
                self.rpm.log(line.level, &line.text);
            }
        }
        let drawing = client == Client::Libdnf5 && self.moment == Moment::Real;
        let wiped = || drawing && std::io::stderr().is_terminal();
        if stderr && !(wiped() && farewell::say(&lines)) {
            for line in &lines {
                to_stderr(line);
            }
        }
        self.told.0.push(lines);
        true
    }

    /// Shows one line.
    pub(crate) fn remark(&mut self, level: Level, text: String) {
        self.say(Occasion::Remark, vec![Message { level, text }]);
    }

    /// Everything that was told of the transaction.
    pub(crate) fn into_told(self) -> Told {
        self.told
    }
}

/// Do lines go to rpm's log, and to standard error?
fn channels(client: Client, occasion: Occasion) -> (bool, bool) {
    match (client, occasion) {
        (Client::Other, _) | (Client::Dnf4, Occasion::Stop) => (true, false),
        (Client::Dnf4, Occasion::Remark) => (false, true),
        (Client::Libdnf5, _) => (true, true),
    }
}

/// Writes a line as rpm's log would. A standard error that is closed or full
/// takes no line; there is nobody to tell that to.
pub(crate) fn to_stderr(line: &Message) {
    let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}

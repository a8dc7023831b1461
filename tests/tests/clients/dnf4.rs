//! dnf 4.14 and 4.23.

use btf_guard_tests::client::Suite;

use crate::client::{Client, Tool};
use crate::scenarios::every_scenario;

const DNF4: [Client; 2] = [
    Client::new(Suite::Bookworm, Tool::Dnf4),
    Client::new(Suite::Trixie, Tool::Dnf4),
];

every_scenario! { DNF4 }

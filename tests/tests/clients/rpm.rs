//! rpm by itself: 4.18, 4.20, 6.1.

use btf_guard_tests::client::Suite;

use crate::client::{Client, Tool};
use crate::scenarios::every_scenario;

const RPM: [Client; 3] = [
    Client::new(Suite::Bookworm, Tool::Rpm),
    Client::new(Suite::Trixie, Tool::Rpm),
    Client::new(Suite::Forky, Tool::Rpm),
];

every_scenario! { RPM }

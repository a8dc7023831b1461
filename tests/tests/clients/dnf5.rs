//! dnf5 5.4.

use btf_guard_tests::client::Suite;

use crate::client::{Client, Tool};
use crate::scenarios::every_scenario;

const DNF5: [Client; 1] = [Client::new(Suite::Forky, Tool::Dnf5)];

every_scenario! { DNF5 }

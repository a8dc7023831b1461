//! zypper with libzypp 17.25, 17.36 and 17.38, in its two back ends.

use btf_guard_tests::client::Suite;

use crate::client::{Client, Tool};
use crate::scenarios::every_scenario;

/// libzypp 17.25 has the classic back end only.
const SINGLE: [Client; 2] = [
    Client::new(Suite::Trixie, Tool::ZypperSingle),
    Client::new(Suite::Forky, Tool::ZypperSingle),
];

const CLASSIC: [Client; 3] = [
    Client::new(Suite::Bookworm, Tool::ZypperClassic),
    Client::new(Suite::Trixie, Tool::ZypperClassic),
    Client::new(Suite::Forky, Tool::ZypperClassic),
];

mod single {
    use super::*;
    every_scenario! { SINGLE }
}

mod classic {
    use super::*;
    every_scenario! { CLASSIC }
}

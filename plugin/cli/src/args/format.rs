// SPDX-License-Identifier: GPL-2.0-or-later
//! How what was found is written.

use clap::ValueEnum;

/// A report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum ReportFormat {
    /// For people
    #[default]
    Text,
    /// One object, schema 2
    Json,
    /// Metrics, for node_exporter's textfile collector
    Prometheus,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// The lines of rpmlint
    Rpmlint,
}

/// A list, in which nothing is a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum ListFormat {
    /// For people
    #[default]
    Text,
    /// One object
    Json,
}

/// What stands on a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum StandingFormat {
    /// For people
    #[default]
    Text,
    /// One object, schema 2
    Json,
    /// Metrics, for node_exporter's textfile collector
    Prometheus,
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! What was typed.

mod policy;
mod preflight;
mod status;
mod zypper;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use btf_guard_core::verdict::Causes;
use btf_guard_protocol::decision::Mode;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ArgAction, Parser, Subcommand, ValueEnum};

pub(crate) use policy::{ConfigCommand, ConfigDirArgs, OverrideArgs};
pub(crate) use preflight::{Dnf, Preflight, RootArgs, Zypper};
pub(crate) use status::Status;
pub(crate) use zypper::{NAME as ZYPPER_NAME, ZypperArgs};

/// Scripts rely on them.
const EXIT_CODES: &str = "\
Exit codes: 0 nothing at warn or above, 1 findings at warn, 2 findings at block,
3 usage or input error (what could be read was judged) and nothing at block, 4 internal failure.";

/// Predicts before a reboot or an update which kernel modules a kernel will refuse for their BTF
#[derive(Debug, Parser)]
#[command(name = "btf-guard", version, disable_help_subcommand = true)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Check(Check),
    Kernels(Kernels),
    #[command(subcommand)]
    Preflight(Preflight),
    Status(Status),
    /// Allow transactions that would be blocked
    ///
    /// For sudo, PackageKit and automatic updates, which do not pass the environment on. Root
    /// only. What is allowed still warns, and is logged with its reason.
    Allow(OverrideArgs),
    /// Block transactions that would only warn
    ///
    /// The counterpart of allow, with the same options. A transaction that only improves
    /// something is not blocked, nor one whose verdict rests on a guess.
    Deny(OverrideArgs),
    #[command(subcommand)]
    Config(ConfigCommand),
    /// For hooks: read the plan of a transaction, print the decision (both JSON)
    Judge(JudgeArgs),
    /// Write an event to the journal and the findings store
    #[command(hide = true)]
    Record(ConfigDirArgs),
    #[command(subcommand, hide = true)]
    Hook(HookCommand),
    #[command(subcommand, hide = true)]
    Generate(Generate),
}

/// Check kernel modules against kernels
///
/// Reports which modules which kernel will refuse or load without types, what the
/// kernel will log, and what to do about it.
///
/// Without PATH, checks the modules of each selected kernel; without --kernel, the
/// running kernel, or every kernel of the root if the running one has no modules there.
/// With PATH and several kernels, checks each module against each kernel.
///
/// With --kernel all, also checks the modules inside the initrds that boot entries name,
/// against the kernels that are booted with them.
#[derive(Debug, clap::Args)]
pub(crate) struct Check {
    /// Modules (.ko, .ko.gz, .ko.xz, .ko.zst), raw split BTF (.btf), directories, packages (.rpm)
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,

    /// Treat PATHs as the result of a package build (a build root, modules, packages)
    ///
    /// Checks each module against the kernel of the release that it is for: the one given,
    /// or the first found in the build root, then in the root. Reports BTF that this kernel
    /// refuses or that was built for another kernel, and missing BTF or .BTF.base.
    #[arg(long, requires = "paths", conflicts_with = "esps")]
    pub(crate) built: bool,

    /// In rpmlint output, the package name for modules that are not in a package
    #[arg(long, value_name = "NAME.ARCH")]
    pub(crate) package: Option<String>,

    /// running, all, a release of the root, a kernel image, a raw base BTF, or a kernel's .rpm;
    /// may be repeated
    #[arg(long = "kernel", short = 'k', value_name = "KERNEL")]
    pub(crate) kernels: Vec<String>,

    /// The .config of the kernels given, instead of one found with them
    #[arg(long, value_name = "FILE")]
    pub(crate) kernel_config: Option<PathBuf>,

    /// Root directory to inspect
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub(crate) root: PathBuf,

    /// Another file system with boot entries, such as an EFI system partition; may be repeated
    #[arg(long = "esp", value_name = "DIR")]
    pub(crate) esps: Vec<PathBuf>,

    /// The checks of the kernel's loader to follow: architecture, btf
    #[arg(long, value_name = "LIST", default_value = "all")]
    pub(crate) causes: Causes,

    #[command(flatten)]
    pub(crate) machine: MachineArgs,

    #[command(flatten)]
    pub(crate) way: Way,

    /// Modules to check in parallel (default: one per processor)
    #[arg(long, short, value_name = "N")]
    pub(crate) jobs: Option<NonZeroUsize>,
}

/// How findings are counted and written.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Way {
    /// Output format
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    pub(crate) format: ReportFormat,

    /// Also show what loads without types, what is unknown or was not checked, and why
    #[arg(long, short, conflicts_with = "quiet")]
    pub(crate) verbose: bool,

    /// Print only the decision: allow, warn or block
    #[arg(long, short)]
    pub(crate) quiet: bool,

    /// Maximum action for findings
    #[arg(long, default_value = "block", value_parser = mode())]
    pub(crate) mode: Mode,

    /// No colors, not even on a terminal
    #[arg(long, action = ArgAction::SetTrue)]
    pub(crate) no_color: bool,
}

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

/// List every kernel that a root can run or boot
///
/// Looks at module directories, /boot, boot loader entries and unified kernel images.
/// Shows for each kernel its build, whether it is the default, and whether it is a stale
/// copy: the same release, but another build than the image that the release's modules
/// belong to.
#[derive(Debug, clap::Args)]
pub(crate) struct Kernels {
    /// Root directory to inspect
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub(crate) root: PathBuf,

    /// Another file system with boot entries, such as an EFI system partition; may be repeated
    #[arg(long = "esp", value_name = "DIR")]
    pub(crate) esps: Vec<PathBuf>,

    /// Kernel image cache directory (default: /var/cache/btf-guard for root, else the user's
    /// own cache directory; "none" disables it)
    #[arg(long, value_name = "DIR")]
    pub(crate) cache: Option<PathBuf>,

    /// Output format
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    pub(crate) format: ListFormat,
}

#[derive(Debug, clap::Args)]
pub(crate) struct JudgeArgs {
    #[command(flatten)]
    pub(crate) machine: MachineArgs,

    /// How long the caller waits, in milliseconds: what is not judged after three quarters
    /// of that is said not to be judged
    #[arg(long, value_name = "MILLISECONDS")]
    pub(crate) timeout: Option<u64>,
}

// No doc comment: clap would show it as the description of whoever flattens this.
#[derive(Debug, clap::Args)]
pub(crate) struct MachineArgs {
    /// Kernel image cache directory (default: /var/cache/btf-guard for root, else the user's
    /// own cache directory; "none" disables it)
    #[arg(long, value_name = "DIR")]
    pub(crate) cache: Option<PathBuf>,

    /// Another directory than / for configuration and overrides, for tests
    #[arg(long, value_name = "DIR", hide = true)]
    pub(crate) config: Option<PathBuf>,
}

/// For programs that have changed kernels or modules: report what is wrong with the
/// disk now, if anything.
#[derive(Debug, Subcommand)]
pub(crate) enum HookCommand {
    /// For a plugin of kernel-install(8), with its arguments
    KernelInstall {
        /// What kernel-install does: add, remove
        command: String,
        /// The kernel's release
        version: String,
        /// The directory of its entry, its image, its initrds
        #[arg(allow_hyphen_values = true)]
        files: Vec<PathBuf>,
    },
    /// For the post_transaction of dkms(8)
    Dkms {
        /// PID of the dkms process
        #[arg(long, value_name = "PID")]
        client: u32,
    },
    /// For actions of dnf after a transaction
    Dnf {
        /// PID of the dnf process
        #[arg(long, value_name = "PID")]
        client: u32,
        /// Root directory of the transaction
        #[arg(long, value_name = "DIR", default_value = "/")]
        root: PathBuf,
    },
}

fn mode() -> impl TypedValueParser<Value = Mode> {
    PossibleValuesParser::new(["warn", "block", "off"]).map(|word| match word.as_str() {
        "warn" => Mode::Warn,
        "off" => Mode::Off,
        _ => Mode::Block,
    })
}

/// Files for packagers, from the definitions above.
#[derive(Debug, Subcommand)]
pub(crate) enum Generate {
    /// Writes the manual pages
    Man {
        /// An existing directory
        dir: PathBuf,
    },
    /// Writes completions for bash, zsh and fish
    Completions {
        /// An existing directory
        dir: PathBuf,
    },
    /// rpm's generator of dependencies for kernels and modules
    Dependencies(Dependencies),
}

/// What rpmbuild asks for, about the paths on standard input.
#[derive(Debug, clap::Args)]
pub(crate) struct Dependencies {
    /// provides or requires
    #[arg(value_enum)]
    pub(crate) what: Dependency,

    /// The package's build root
    #[arg(long, value_name = "DIR")]
    pub(crate) build_root: PathBuf,

    /// Root directory with kernels that are not part of the build
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub(crate) root: PathBuf,

    /// All files of a package at once (rpm 4.20 and newer)
    #[arg(long)]
    pub(crate) multifile: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Dependency {
    Provides,
    Requires,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definitions_hold_together() {
        Args::command().debug_assert();
        ZypperArgs::command().debug_assert();
    }

    fn parsed<P: Parser>(words: &str) -> Result<P, clap::Error> {
        P::try_parse_from(format!("x {words}").split(' '))
    }

    #[test]
    fn zyppers_words_mean_the_same_as_our_own() {
        for (zypper, own) in [
            ("up", "preflight zypper up"),
            (
                "update --no-refresh -v",
                "preflight zypper update --no-refresh -v",
            ),
            ("preflight up", "preflight zypper up"),
            (
                "dup --mode warn",
                "preflight zypper dist-upgrade --mode warn",
            ),
            ("patch", "preflight zypper patch"),
            ("in a b", "preflight zypper in a b"),
            ("install a -q b", "preflight zypper install -q a b"),
            ("check --kernel all a.ko", "check --kernel all a.ko"),
            ("kernels", "kernels"),
        ] {
            let zypper = Command::from(parsed::<ZypperArgs>(zypper).unwrap());
            let own = parsed::<Args>(own).unwrap().command;
            assert_eq!(format!("{zypper:?}"), format!("{own:?}"));
        }
        for wrong in ["in", "remove a", "up a", "judge", "preflight dnf upgrade"] {
            assert!(parsed::<ZypperArgs>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn verbs_are_those_that_install() {
        for wrong in [
            "zypper remove a",
            "dnf remove a",
            "dnf clean",
            "dnf -- --x",
            "zypper",
        ] {
            let words = format!("preflight {wrong}");
            assert!(parsed::<Args>(&words).is_err(), "{wrong}");
        }
    }
}

//! zypper's commits, in both of its back ends: judged as one by the commit
//! plugin, decided before the first change by the rpm plugin.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};

use btf_guard_tests::client::{Build, ClientRoot, Run, Suite, kernel, kmp};
use btf_guard_tests::skip::skipped;
use btf_guard_tests::{Outcome, Package, shim};

/// A zypper, told to use one of its back ends.
#[derive(Debug, Clone, Copy)]
struct Zypper {
    suite: Suite,
    /// One transaction for all, or an rpm process for each package.
    single: bool,
}

/// libzypp 17.25 knows the classic back end only; in 17.38 as Debian builds it,
/// the option to download as needed leads to it.
const ALL: [Zypper; 5] = [
    classic(Suite::Bookworm),
    classic(Suite::Trixie),
    single(Suite::Trixie),
    classic(Suite::Forky),
    single(Suite::Forky),
];

const fn classic(suite: Suite) -> Zypper {
    Zypper {
        suite,
        single: false,
    }
}

const fn single(suite: Suite) -> Zypper {
    Zypper {
        suite,
        single: true,
    }
}

const PLUGIN: &str = "/usr/lib/zypp/plugins/commit/btf-guard";
const FETCHER: &str = "/usr/lib/btf-guard/btf-guard-zypp-fetch";
const HANDOFFS: &str = "/run/btf-guard";
const MESSAGES: &str = "/var/adm/update-messages";

/// rpm's own words in front of what it stops for.
const STOPPED: &str = "Plugin btf_guard: hook tsm_pre failed";

impl Zypper {
    /// A root with a kernel installed; `None`, and said, where there is none.
    fn root(self, build: Build) -> Option<ClientRoot> {
        if shim(self.suite.name()).is_none() {
            skipped(&format!("the commits of {}", self.suite.name()), "no shim");
            return None;
        }
        let root = ClientRoot::new(self.suite)?;
        install(&root, &kernel("linux", "1", build));
        fs::create_dir_all(root.at(MESSAGES)).unwrap();
        Some(root)
    }

    fn run<'a>(self, root: &'a ClientRoot, arguments: &[&str]) -> Run<'a> {
        self.client(root, &["--non-interactive"], arguments)
    }

    fn client<'a>(self, root: &'a ClientRoot, global: &[&str], arguments: &[&str]) -> Run<'a> {
        let classic: &[&str] = match (self.suite, self.single) {
            (Suite::Forky, false) => &["--download-as-needed"],
            _ => &[],
        };
        let (verb, rest) = arguments.split_first().unwrap();
        let words = [&["zypper"], global, &[verb], classic, rest].concat();
        let single = if self.single { "1" } else { "0" };
        root.client(words).env("ZYPP_SINGLE_RPMTRANS", single)
    }
}

/// Installs a package without a word from btf-guard.
fn install(root: &ClientRoot, package: &Package) {
    let package = root.build(package);
    let installed = root
        .client(["rpm", "-U", &package])
        .env("BTF_GUARD", "off")
        .run();
    assert!(installed.status.success(), "{installed:?}");
}

fn plain(name: &str) -> Package {
    Package::new(name).file(format!("/usr/share/{name}"), "text")
}

fn all(outcome: &Outcome) -> String {
    format!("{}{}", outcome.stdout, outcome.stderr)
}

fn zypper_log(root: &ClientRoot) -> String {
    let log = fs::read(root.at("/var/log/zypper.log")).unwrap_or_default();
    let log = String::from_utf8_lossy(&log).into_owned();
    let lines: Vec<_> = log
        .lines()
        .filter(|line| line.contains("btf-guard") || line.contains("PLUGIN"))
        .collect();
    lines.join("\n")
}

/// What is left of hand-offs.
fn handoffs(root: &ClientRoot) -> Vec<String> {
    let Ok(entries) = fs::read_dir(root.at(HANDOFFS)) else {
        return Vec::new();
    };
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.contains("zypp-")).collect()
}

#[test]
fn a_blocked_commit_changes_nothing() {
    for zypper in ALL {
        let Some(root) = zypper.root(Build::New) else {
            continue;
        };
        install(&root, &plain("old"));
        // The module package comes last and a removal first: by itself, each
        // would have let something through by then.
        let bad = kmp("demo-kmp", "1", Build::Old).tag("Requires", "first");
        root.offer("repo", &[&bad, &plain("first")]);
        let before = root.snapshot();
        let outcome = zypper.run(&root, &["install", "demo-kmp", "-old"]).run();
        let shown = all(&outcome);
        assert_eq!(
            outcome.status.code(),
            Some(8),
            "{zypper:?}: {shown}\n{}",
            zypper_log(&root)
        );
        assert!(
            shown.contains("btf-guard: blocked: "),
            "{zypper:?}: {shown}"
        );
        assert!(shown.contains(STOPPED), "{zypper:?}: {shown}");
        assert_eq!(before.changes(&root.snapshot()), [""; 0], "{zypper:?}");
        assert_eq!(root.installed(), ["linux-1-1.noarch", "old-1-1.noarch"]);
        assert_eq!(handoffs(&root), [""; 0], "{zypper:?}");
    }
}

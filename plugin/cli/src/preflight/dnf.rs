// SPDX-License-Identifier: GPL-2.0-or-later
//! What dnf would do, by its own mode that downloads only.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use btf_guard_core::rpm::package::Package;
use btf_guard_core::transaction::dnf_output::Account;
use btf_guard_protocol::nevra::canonical;
use btf_guard_protocol::plan::Action;
use btf_guard_protocol::terminal::escape;
use btf_guard_protocol::zypp;
use btf_guard_subprocess::{Limits, Output, ProcessGroup};
use btf_guard_sysroot::Root;

use super::ClientPlan;
use super::download_dir::Store;
use crate::args::Dnf;
use crate::progress::Progress;

const MAX_LINE: usize = 1 << 20;

/// The longest account of a transaction, in bytes: dnf5 needs 200 for a package.
const MAX_ACCOUNT: u64 = 64 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tool {
    Dnf4,
    Dnf5,
}

/// Has dnf choose the packages and download them into the store.
pub(super) fn ask(args: &Dnf, root: &Root, store: &Store) -> anyhow::Result<ClientPlan> {
    for package in &args.packages {
        if package.starts_with('-') {
            bail!("{package:?} is no package: dnf's options are not passed on");
        }
        if package.contains('/') && package.ends_with(".rpm") {
            bail!("{package} is a package file; `btf-guard check` judges it as it is");
        }
    }
    let (tool, program) = find(Path::new("/usr/bin"))?;
    let command = command(tool, &program, args, root, &store.directory());
    let mut account = Account::default();
    let mut strange = None;
    let waiting = Progress::of_client("asking dnf", !args.way.quiet);
    let mut each = |line: &[u8]| match account.hear(&String::from_utf8_lossy(line)) {
        Ok(true) => {}
        Ok(false) => waiting.says(line),
        Err(error) => strange = strange.take().or(Some(error)),
    };
    let limits = Limits {
        who: "dnf",
        timeout: Duration::MAX,
        limit: MAX_LINE,
    };
    let nothing = File::open("/dev/null").context("nothing is judged")?;
    let group = ProcessGroup::Ours;
    let output = btf_guard_subprocess::lines(command, nothing, group, &limits, &mut each)
        .context("nothing is judged")?;
    drop(waiting);
    succeeded(&output)?;
    match tool {
        Tool::Dnf4 => match strange {
            Some(error) => Err(anyhow!("what dnf says is not understood: {error}")),
            None => with_files(account, store),
        },
        Tool::Dnf5 => stored(store),
    }
}

/// Where dnf is the name of dnf5, dnf 4 is not what an admin means.
fn find(directory: &Path) -> anyhow::Result<(Tool, PathBuf)> {
    let (dnf, dnf5) = (directory.join("dnf"), directory.join("dnf5"));
    let target = dnf.canonicalize();
    let is_dnf5 = |path: &PathBuf| path.file_name() == dnf5.file_name();
    match target {
        Ok(target) if is_dnf5(&target) => Ok((Tool::Dnf5, dnf5)),
        Ok(_) => Ok((Tool::Dnf4, dnf)),
        Err(_) if dnf5.exists() => Ok((Tool::Dnf5, dnf5)),
        Err(_) => bail!("there is neither {} nor dnf5", dnf.display()),
    }
}

/// dnf with what makes it download into a directory, and change nothing else.
fn command(tool: Tool, program: &Path, args: &Dnf, root: &Root, directory: &Path) -> Command {
    let mut command = Command::new(program);
    // What it says is read.
    command.env("LC_ALL", "C.UTF-8").env_remove("LANGUAGE");
    command.arg("-y");
    if !root.is_system() {
        command.arg(with("--installroot=", root.path()));
    }
    match tool {
        Tool::Dnf4 => command
            // The level at which it says what goes.
            .arg("--debuglevel=3")
            // It would add a key that is missing to rpm's database.
            .args(["--setopt=gpgcheck=0", "--setopt=*.gpgcheck=0"])
            .arg("--downloadonly")
            .arg(with("--downloaddir=", directory))
            .arg(&args.verb),
        // Its mode that stores a transaction downloads it and says what goes;
        // signatures are checked when it is run.
        Tool::Dnf5 => command.arg(&args.verb).arg(with("--store=", directory)),
    };
    command.args(&args.packages);
    command
}

fn with(option: &str, path: &Path) -> OsString {
    let mut word = OsString::from(option);
    word.push(path);
    word
}

/// What dnf says to its user is for ours.
fn succeeded(output: &Output) -> anyhow::Result<()> {
    let Some(status) = output.status.filter(|status| !status.success()) else {
        return Ok(());
    };
    let lines = output.stderr.text().lines();
    let lines: String = lines.map(|line| format!("\n  {}", escape(line))).collect();
    bail!("nothing is judged: dnf ended with {status}{lines}")
}

/// Finds the file of each package that comes. Where the two do not agree, dnf was
/// not understood.
fn with_files(mut account: Account, store: &Store) -> anyhow::Result<ClientPlan> {
    let mut files: BTreeMap<String, PathBuf> = BTreeMap::new();
    for path in store.packages()? {
        let package = Package::open(&path).with_context(|| path.display().to_string())?;
        files.insert(canonical(package.nevra()), path);
    }
    for step in &mut account.steps {
        if step.action == Action::Install {
            step.path = files.remove(&canonical(&step.nevra));
        }
    }
    let unsaid = files.into_keys();
    Ok(ClientPlan {
        outcome: zypp::Resolution {
            steps: account.steps,
            problems: unsaid
                .map(|nevra| format!("it did not say that it would install {nevra}"))
                .collect(),
            kernel_packages: None,
        },
        replaced: account.replaced,
    })
}

/// Reads what dnf5 has stored; it stores nothing where there is nothing to do.
fn stored(store: &Store) -> anyhow::Result<ClientPlan> {
    let directory = store.directory();
    let path = directory.join("transaction.json");
    let mut json = Vec::new();
    match File::open(&path) {
        Ok(file) => file
            .take(MAX_ACCOUNT)
            .read_to_end(&mut json)
            .with_context(|| path.display().to_string())?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(ClientPlan::default()),
        Err(error) => return Err(error).with_context(|| path.display().to_string()),
    };
    let account = Account::stored(&json, &directory)
        .map_err(|error| anyhow!("what dnf5 stored is not understood: {error}"))?;
    Ok(ClientPlan {
        outcome: zypp::Resolution {
            steps: account.steps,
            ..zypp::Resolution::default()
        },
        replaced: account.replaced,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn the_dnf_that_is_there_is_found() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        assert!(find(place.path()).is_err());
        fs::write(at("dnf5"), "").unwrap();
        assert_eq!(find(place.path()).unwrap(), (Tool::Dnf5, at("dnf5")));
        symlink("dnf5", at("dnf")).unwrap();
        assert_eq!(find(place.path()).unwrap(), (Tool::Dnf5, at("dnf5")));
        fs::write(at("dnf-3"), "").unwrap();
        fs::remove_file(at("dnf")).unwrap();
        symlink("dnf-3", at("dnf")).unwrap();
        assert_eq!(find(place.path()).unwrap(), (Tool::Dnf4, at("dnf")));
    }

    fn bring(store: &Store, name: &str) -> PathBuf {
        let mut bytes = Vec::new();
        let mut builder = rpm::PackageBuilder::new(name, "1", "none", "noarch", name);
        builder.build().unwrap().write(&mut bytes).unwrap();
        fs::create_dir_all(store.directory()).unwrap();
        let path = store.directory().join(format!("{name}.rpm"));
        fs::write(&path, bytes).unwrap();
        path
    }

    #[test]
    fn what_dnf_4_says_and_what_it_brings_have_to_agree() {
        let place = tempfile::tempdir().unwrap();
        let store = Store::at(place.path()).unwrap();
        let said = bring(&store, "said");
        bring(&store, "unsaid");
        let mut account = Account::default();
        for line in [
            "---> Package said.noarch 1-1 will be an upgrade",
            "---> Package said.noarch 0-1 will be upgraded",
            "---> Package lost.noarch 1-1 will be installed",
        ] {
            account.hear(line).unwrap();
        }
        let wish = with_files(account, &store).unwrap();
        let paths = wish.outcome.steps.iter().map(|step| step.path.clone());
        assert_eq!(paths.collect::<Vec<_>>(), [Some(said), None, None]);
        assert_eq!(
            wish.outcome.problems,
            ["it did not say that it would install unsaid-1-1.noarch"]
        );
    }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! A root of its own for one test: mounts, processes and network that nothing
//! else sees, and that end with the process which holds them.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use tempfile::TempDir;

/// How what runs in the root sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum As {
    /// A chroot: the first process has another root.
    Chroot,
    /// A machine: the root is that of the first process, so that the kernel that
    /// runs here is the machine's running kernel.
    Machine,
}

/// Runs as the first process of the namespace: mounts, says its number outside,
/// and waits for the end of its input. Descriptor 8 is the root, 9 the layer on
/// top, by which both are reached from outside.
const HOLD: &str = r#"
set -e
lower=$1 scratch=$2 kind=$3
# Outside's /proc is still mounted, so this is outside's number.
read -r pid rest </proc/self/stat
mount -t tmpfs -o mode=755 tmpfs "$scratch"
mkdir -m 755 "$scratch/upper" "$scratch/work" "$scratch/root"
mount -t overlay -o "lowerdir=$lower,upperdir=$scratch/upper,workdir=$scratch/work" \
    overlay "$scratch/root"
exec 9<"$scratch/upper"
cd "$scratch/root"
exec 8<.
mount --rbind /dev dev
mount --rbind /sys sys
mount -t proc proc proc
mount -t tmpfs -o mode=755 tmpfs run
if [ "$kind" = machine ]; then
    mkdir run/outside
    pivot_root . run/outside
    exec chroot . sh -ec 'umount -l /run/outside; rmdir /run/outside; echo "$1"; read -r _' sh "$pid"
fi
echo "$pid"
read -r _
"#;

/// The namespaces and their first process.
#[derive(Debug)]
pub(crate) struct Namespace {
    kind: As,
    holder: Child,
    /// Its end is the namespace's end.
    input: Option<ChildStdin>,
    pid: u32,
    scratch: TempDir,
}

impl Namespace {
    /// Lays an empty layer over `lower`, of which the first is on top.
    pub(crate) fn new(lower: &[&Path], kind: As) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let lower: Vec<_> = lower.iter().map(|path| path.to_str().unwrap()).collect();
        let mut holder = Command::new("unshare")
            .args(["--mount", "--pid", "--net", "--ipc", "--uts", "--fork"])
            .args(["--propagation", "private", "sh", "-c", HOLD, "sh"])
            .arg(lower.join(":"))
            .arg(scratch.path())
            .arg(match kind {
                As::Chroot => "chroot",
                As::Machine => "machine",
            })
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("unshare starts");
        let input = holder.stdin.take();
        let mut ready = String::new();
        let mut output = BufReader::new(holder.stdout.take().unwrap());
        output.read_line(&mut ready).unwrap();
        let pid = ready.trim().parse().unwrap_or_else(|_| {
            let mut said = String::new();
            let mut stderr = holder.stderr.take().unwrap();
            stderr.read_to_string(&mut said).unwrap();
            panic!("no root of its own for the test: {said}")
        });
        Self {
            kind,
            holder,
            input,
            pid,
            scratch,
        }
    }

    /// The root as it is seen from outside.
    pub(crate) fn root(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/fd/8", self.pid))
    }

    /// What has been written in the root since it was made, with overlayfs's
    /// marks for what was deleted.
    pub(crate) fn layer(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/fd/9", self.pid))
    }

    /// Shows a directory of outside on one of the root's, which is a chroot.
    pub(crate) fn bind(&self, from: &Path, path: &str) {
        assert_eq!(self.kind, As::Chroot, "a machine does not see outside");
        let place = self.scratch.path().join("root");
        let bound = Command::new("nsenter")
            .arg("--target")
            .arg(self.pid.to_string())
            .args(["--mount", "--", "mount", "--bind"])
            .arg(from)
            .arg(place.join(path.trim_start_matches('/')))
            .status()
            .unwrap();
        assert!(bound.success(), "{}: {bound}", from.display());
    }

    /// Lets programs in it believe that there is a network: everything leads back here.
    pub(crate) fn connect(&self) {
        let line = "ip link set lo up && ip route add default dev lo";
        let connected = Command::new("nsenter")
            .arg("--target")
            .arg(self.pid.to_string())
            .args(["--net", "--", "sh", "-c", line])
            .status()
            .unwrap();
        assert!(connected.success(), "{line}: {connected}");
    }

    /// A command to which the program and its arguments are to be added; it runs
    /// in the root, in an environment of `variables` alone.
    pub(crate) fn enter(&self, variables: &[(&str, &str)]) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg("--target")
            .arg(self.pid.to_string())
            .args(["--mount", "--pid", "--net", "--ipc", "--uts", "--"]);
        if self.kind == As::Chroot {
            command.arg("chroot").arg(self.scratch.path().join("root"));
        }
        command.args(["env", "-i"]);
        command.args(
            variables
                .iter()
                .map(|(name, value)| format!("{name}={value}")),
        );
        command
    }
}

impl Drop for Namespace {
    /// Ends every process in it, and with the last one the mounts.
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.holder.wait();
    }
}

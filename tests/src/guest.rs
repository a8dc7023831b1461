// SPDX-License-Identifier: GPL-2.0-or-later
//! A guest that boots a real kernel and runs a script of shell commands, with programs
//! of this machine.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::{borrowed, initrd};

/// A guest that takes so long has hung. Its processor is emulated.
const PATIENCE: Duration = Duration::from_secs(300);

/// What the guest's first process does before the script.
const HEAD: &str = "#!/bin/sh
PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
exec >/dev/ttyS1 2>&1
";

/// And after it.
const TAIL: &str = "
echo done
sleep 1
echo o >/proc/sysrq-trigger
sleep 60
";

/// The guest's root, to be.
pub struct Guest(tempfile::TempDir);

impl Guest {
    /// With a shell and these programs of this machine; `None` where there is no QEMU,
    /// or not all of them.
    pub fn with(programs: &[&str]) -> Option<Self> {
        let guest = Self(tempfile::tempdir().unwrap());
        for dir in [
            "bin",
            "proc",
            "sys",
            "dev",
            "run",
            "tmp",
            "var/lib",
            "var/cache",
        ] {
            fs::create_dir_all(guest.path().join(dir)).unwrap();
        }
        borrowed::program(&["qemu-system-x86_64"])?;
        for name in ["sh", "mount", "sleep"].iter().chain(programs) {
            let program = borrowed::program(&[name])?;
            guest.program(&program, name);
        }
        Some(guest)
    }

    /// The root.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file and the directories above it.
    pub fn file(&self, path: &str, content: &[u8]) -> PathBuf {
        let file = self.path().join(path.trim_start_matches('/'));
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, content).unwrap();
        file
    }

    /// Puts a program into `/bin`, with the libraries that it is linked to.
    pub fn program(&self, program: &Path, name: &str) {
        let inside = self.path().join("bin").join(name);
        fs::copy(program, &inside).unwrap();
        // Debug information would have to be unpacked in the guest.
        let _ = Command::new("strip").arg(&inside).status();
        let output = Command::new("ldd").arg(program).output().unwrap();
        let list = String::from_utf8(output.stdout).unwrap();
        for library in list.split_whitespace().filter(|word| word.starts_with('/')) {
            let inside = self.path().join(&library[1..]);
            fs::create_dir_all(inside.parent().unwrap()).unwrap();
            fs::copy(library, inside).unwrap();
        }
    }

    /// Boots the kernel in `image`, runs the script, and returns what it has printed.
    pub fn run(self, image: &Path, script: &str) -> String {
        let init = self.file("init", format!("{HEAD}{script}{TAIL}").as_bytes());
        fs::set_permissions(init, fs::Permissions::from_mode(0o755)).unwrap();
        let scratch = tempfile::tempdir().unwrap();
        let file = |name: &str| scratch.path().join(name);
        fs::write(file("initrd"), initrd::archive_of(self.path())).unwrap();
        let serial = |name: &str| format!("file:{}", file(name).display());
        let mut qemu = Command::new("qemu-system-x86_64")
            .args([
                "-accel",
                "tcg,thread=multi",
                "-cpu",
                "max",
                "-smp",
                "1",
                "-m",
                "1536",
            ])
            .args(["-nodefaults", "-display", "none", "-no-reboot"])
            .args(["-serial", &serial("console"), "-serial", &serial("said")])
            .arg("-kernel")
            .arg(image)
            .arg("-initrd")
            .arg(file("initrd"))
            .args(["-append", "console=ttyS0 loglevel=4 panic=-1 rdinit=/init"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(file("errors")).unwrap())
            .spawn()
            .unwrap();
        let begun = Instant::now();
        while qemu.try_wait().unwrap().is_none() {
            if begun.elapsed() > PATIENCE {
                qemu.kill().unwrap();
                qemu.wait().unwrap();
                break;
            }
            thread::sleep(Duration::from_millis(100));
        }
        let read = |name: &str| {
            let bytes = fs::read(file(name)).unwrap_or_default();
            String::from_utf8_lossy(&bytes).replace('\r', "")
        };
        let said = read("said");
        let (console, errors) = (read("console"), read("errors"));
        assert!(said.contains("\ndone\n"), "{said}\n{console}\n{errors}");
        said
    }
}

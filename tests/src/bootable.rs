// SPDX-License-Identifier: GPL-2.0-or-later
//! Roots that can boot, made of two real builds of a kernel under one release.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;
use tempfile::TempDir;

use crate::{Extracted, kernels, program};

/// How many modules a root gets, at least.
pub const MODULES: usize = 40;

/// Two builds of a kernel.
pub struct Pair {
    /// The newer one's release.
    pub release: String,
    /// The newer one.
    pub new: Extracted,
    /// The older one.
    pub old: Extracted,
    /// The newer one's image.
    pub new_image: Vec<u8>,
    /// The image of the older build, which calls itself by the newer's release.
    pub old_image: Vec<u8>,
}

/// The two newest builds of the stable suite's smaller kernel.
pub fn pair() -> &'static Pair {
    static PAIR: LazyLock<Pair> = LazyLock::new(|| {
        let mut all = Extracted::all(&kernels());
        all.retain(|kernel| kernel.name.starts_with("image-6.1.") && kernel.name.contains("cloud"));
        let [.., old, new] = &all[..] else {
            panic!("no two builds of 6.1; run `make test`");
        };
        let image = |kernel: &Extracted| fs::read(&kernel.image).unwrap();
        Pair {
            release: new.release.clone(),
            new_image: image(new),
            old_image: renamed(&image(old), &old.release, &new.release),
            new: new.clone(),
            old: old.clone(),
        }
    });
    &PAIR
}

/// A bzImage whose version string names another release of the same length. The
/// kernel in it, which is compressed, stays what it is.
fn renamed(image: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut image = image.to_vec();
    let at = version_at(&image);
    assert_eq!(&image[at..at + from.len()], from.as_bytes());
    image[at..at + to.len()].copy_from_slice(to.as_bytes());
    image
}

fn version_at(image: &[u8]) -> usize {
    0x200 + usize::from(u16::from_le_bytes([image[0x20e], image[0x20f]]))
}

/// `uname -v` of a bzImage, by its version string.
pub fn build_of(image: &[u8]) -> String {
    let text = &image[version_at(image)..];
    let text = text.split(|byte| *byte == 0).next().unwrap();
    let text = String::from_utf8_lossy(text);
    text[text.find('#').unwrap()..].to_owned()
}

/// A root, with a cache of its own.
pub struct BootRoot {
    dir: TempDir,
}

/// What a command came to, with the paths of the root as the root has them.
#[derive(Debug)]
pub struct Said {
    /// The exit code.
    pub code: i32,
    /// Standard output, by lines.
    pub out: Vec<String>,
    /// Standard error, by lines.
    pub err: Vec<String>,
}

impl BootRoot {
    /// A root with nothing in it.
    pub fn empty() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    /// A root with the newer build: its image and some of its modules.
    pub fn new() -> Self {
        let root = Self::empty();
        root.install("", &pair().new, &pair().new_image);
        symlink("usr/lib", root.at("lib")).unwrap();
        root
    }

    /// Puts an image and some of a build's modules into the module directory
    /// under `inside`.
    pub fn install(&self, inside: &str, modules: &Extracted, image: &[u8]) {
        let tree = format!("{inside}usr/lib/modules/{}", pair().release);
        self.put(&format!("{tree}/vmlinuz"), image);
        // As a kernel that enforces has it.
        self.put(&format!("{tree}/config"), b"CONFIG_MODULES=y\n");
        let step = modules.modules.len() / MODULES;
        for module in modules.modules.iter().step_by(step) {
            let name = module.file_name().unwrap().to_str().unwrap();
            self.put(&format!("{tree}/kernel/{name}"), &fs::read(module).unwrap());
        }
    }

    /// Where a path of the root is.
    pub fn at(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    /// Writes a file, and the directories above it.
    pub fn put(&self, path: &str, bytes: &[u8]) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// An entry of the Boot Loader Specification on the EFI system partition.
    pub fn entry(&self, id: &str, image: &str) {
        let release = &pair().release;
        let text = format!("title {id}\nversion {release}\nlinux {image}\noptions quiet\n");
        self.put(&format!("efi/loader/entries/{id}.conf"), text.as_bytes());
    }

    /// Runs the program on this root.
    pub fn run(&self, args: &[&str]) -> (i32, String, String) {
        let output = Command::new(program())
            .args(args)
            .arg("--root")
            .arg(self.dir.path())
            .arg("--cache")
            .arg(self.at("var/cache"))
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let code = output.status.code().unwrap();
        (code, text(&output.stdout), text(&output.stderr))
    }

    /// [`Self::run`], as an admin reads it. The release shows as `REL`.
    pub fn said(&self, args: &[&str]) -> Said {
        let (code, out, err) = self.run(args);
        let root = self.dir.path().canonicalize().unwrap();
        let lines = |text: &str| {
            let text = text.replace(root.to_str().unwrap(), "");
            let text = text.replace(&pair().release, "REL");
            text.lines().map(str::to_owned).collect()
        };
        Said {
            code,
            out: lines(&out),
            err: lines(&err),
        }
    }

    /// `kernels`, as JSON.
    pub fn kernels(&self) -> Value {
        let (_, out, err) = self.run(&["kernels", "--format", "json"]);
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}"))
    }

    /// `check --kernel all`, as JSON.
    pub fn check(&self) -> (i32, Value) {
        let (code, out, err) = self.run(&["check", "--kernel", "all", "--format", "json"]);
        let report = serde_json::from_str(&out);
        (
            code,
            report.unwrap_or_else(|error| panic!("{error}: {out}{err}")),
        )
    }
}

/// A copy that is to be found stale: the older build with the newer's modules.
#[derive(Debug, Clone, Copy)]
pub struct Stale<'a> {
    /// The copy, as the report names it; `REL` stands for the release.
    pub image: &'a str,
    /// Is it what boots by default?
    pub default: bool,
    /// The command that makes it anew.
    pub mend: &'a str,
}

impl BootRoot {
    /// `check --kernel all` and `kernels`, each with `more` behind: the finding,
    /// its text, and the exit code.
    pub fn assert_stale(&self, stale: Stale<'_>, more: &[&str]) {
        let Stale {
            image,
            default,
            mend,
        } = stale;
        let check = [&["check", "--kernel", "all"][..], more].concat();
        let (code, json, err) = self.run(&[&check[..], &["--format", "json"]].concat());
        // What boots when nobody chooses may stop a transaction, nothing else.
        let (expected, label) = match default {
            true => (2, "error"),
            false => (1, "warning"),
        };
        assert_eq!((code, &err[..]), (expected, ""), "{json}");
        let report: Value = serde_json::from_str(&json).unwrap();
        let path = image.replace("REL", &pair().release);
        let mut kernels = report["kernels"].as_array().unwrap().iter();
        let kernel = kernels
            .find(|k| k["source"].as_str().unwrap().ends_with(&path) && !k["stale"].is_null())
            .unwrap_or_else(|| panic!("{path} is not stale: {report:#}"));
        assert_eq!(kernel["target"], "boot");
        let count = |verdict: &str| {
            let modules = report["modules"].as_array().unwrap();
            let verdicts = modules.iter().filter_map(|m| m["verdicts"].as_array());
            verdicts
                .flatten()
                .filter(|v| v["kernel"] == kernel["id"] && v["verdict"] == verdict)
                .count()
        };
        let refused = count("refused");
        let all = refused + count("btf-wrong") + count("loads");
        assert!(
            refused > MODULES / 2 && all >= MODULES,
            "{refused} of {all}"
        );

        let said = self.said(&[&check[..], &["--no-color"]].concat());
        let own = "/usr/lib/modules/REL/vmlinuz";
        let boots = if default {
            ", and it is what boots"
        } else {
            ""
        };
        let (old, new) = (build_of(&pair().old_image), build_of(&pair().new_image));
        let expected = [
            format!(
                "{label}: {refused} of {all} modules will not load on kernel REL ({image}): \
                 their BTF was built for another build of it"
            ),
            format!(
                "help: this copy is stale{boots}: it holds {old}, and {own} is {new}; \
                 make it anew: {mend}"
            ),
            "--> /usr/lib/modules/REL/kernel".to_owned(),
        ];
        assert_eq!(said.out[..3], expected);
        let origin = format!(" = built for REL ({own}), not for REL ({image})");
        assert!(said.out.contains(&origin), "{said:#?}");
        let refusals = said.out.iter().filter(|line| line.ends_with("BTF: -22"));
        assert!(refusals.count() > 0, "{said:#?}");

        let said = self.said(&[&["kernels"][..], more].concat());
        assert_eq!((said.code, &said.err[..]), (0, &[][..]));
        let shown = format!("  image    {image}");
        let mut blocks = said.out.split(|line| line.is_empty());
        let block = blocks
            .find(|block| block.contains(&shown) && block[0].contains("STALE"))
            .unwrap_or_else(|| panic!("{image} is not stale: {said:#?}"));
        let boots = if default { "boots by default, " } else { "" };
        assert_eq!(block[0], format!("REL  [{boots}STALE COPY]"));
        let end = [
            format!("  stale    another build than {own} ({new})"),
            format!("  help     {mend}"),
        ];
        assert!(block.ends_with(&end), "{block:#?}");
        assert!(block.contains(&format!("  build    {old}")), "{block:#?}");
    }

    /// `check --kernel all` finds nothing.
    pub fn assert_fresh(&self, more: &[&str]) {
        let said = self.said(&[&["check", "--kernel", "all", "--no-color"], more].concat());
        assert_eq!((said.code, &said.err[..]), (0, &[][..]), "{said:#?}");
        let [line, notes @ ..] = &said.out[..] else {
            panic!("{said:#?}");
        };
        let of_initrds = |note: &String| note.starts_with("note: modules inside initrds were not");
        assert!(notes.iter().all(of_initrds), "{said:#?}");
        assert!(line.starts_with("ok: all "), "{line}");
        assert!(line.contains(" load on kernel REL ("), "{line}");
        let said = self.said(&[&["kernels"][..], more].concat());
        assert!(
            !said.out.iter().any(|line| line.contains("STALE")),
            "{said:#?}"
        );
    }
}

impl Default for BootRoot {
    fn default() -> Self {
        Self::new()
    }
}

/// The kernel whose image ends so.
pub fn of<'a>(list: &'a Value, image: &str) -> &'a Value {
    let kernels = list["kernels"].as_array().unwrap();
    let found = kernels
        .iter()
        .find(|k| k["source"].as_str().unwrap().ends_with(image));
    found.unwrap_or_else(|| panic!("no kernel {image}: {list:#}"))
}

/// The error lines of a report or a list: the path, and what is wrong.
pub fn errors(list: &Value) -> Vec<String> {
    let errors = list["errors"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    errors
        .iter()
        .map(|error| format!("{}: {}", text(&error["path"]), text(&error["error"])))
        .collect()
}

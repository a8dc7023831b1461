// SPDX-License-Identifier: GPL-2.0-or-later
//! A report in the lines of rpmlint: `PACKAGE.ARCH: LEVEL: id details`.

use std::io::{self, Write};

use btf_guard_protocol::nevra::Nevra;
use btf_guard_protocol::terminal::escape;

use crate::policy::Severity;
use crate::report::Report;
use crate::report::alerts::alerts;

/// Writes a line for each thing that is wrong. `subject` stands for the package
/// where a module is in none; without it the module's file name does.
///
/// # Errors
/// Those of `out`.
pub fn write_rpmlint(
    report: &Report,
    subject: Option<&str>,
    out: &mut impl Write,
) -> io::Result<()> {
    for alert in alerts(report) {
        let subject = match (alert.package, subject) {
            (Some(nevra), _) => name_and_arch(nevra),
            (None, Some(subject)) => subject.to_owned(),
            (None, None) => {
                let name = alert.path.rsplit_once('/');
                name.map_or(alert.path, |(_, name)| name).to_owned()
            }
        };
        let level = match alert.severity {
            Severity::Block => 'E',
            Severity::Warn => 'W',
            Severity::Info | Severity::None => 'I',
        };
        let (rule, path) = (&alert.rule, escape(alert.path));
        let (subject, details) = (escape(&subject), escape(&alert.details));
        writeln!(out, "{subject}: {level}: {rule} {path} {details}")?;
    }
    Ok(())
}

/// `kmp-1:2.0-3.x86_64` → `kmp.x86_64`
fn name_and_arch(nevra: &str) -> String {
    let parsed = Nevra::parse(nevra);
    parsed.map_or_else(
        || nevra.to_owned(),
        |Nevra { name, arch, .. }| format!("{name}.{arch}"),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::kernel::Target;
    use crate::report::fixtures::bad_day;
    use crate::report::{as_built, assemble};
    use btf_guard_protocol::decision::Mode;

    #[test]
    fn a_package_is_named_without_its_version() {
        assert_eq!(
            name_and_arch("demo-kmp-1:2.0_k6.1-3.x86_64"),
            "demo-kmp.x86_64"
        );
        assert_eq!(name_and_arch("odd"), "odd");
    }

    fn lines(subject: Option<&str>, built: bool) -> String {
        let (kernels, mut modules) = bad_day(Target::NextBoot);
        modules.get_mut(2).unwrap().package = Some("kmp-1-1.x86_64".into());
        modules.get_mut(3).unwrap().btf.present = false;
        let mut report = assemble(kernels, modules, Vec::new(), Mode::Block);
        if built {
            report = as_built(report, Mode::Block);
        }
        let mut out = Vec::new();
        write_rpmlint(&report, subject, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_problem_is_a_line() {
        let kernel = "kernel 6.18.15-cloud (/boot/vmlinuz-6.18.15-cloud)";
        let dir = "/lib/modules/6.18.15-cloud/kernel";
        assert_eq!(
            lines(Some("demo.x86_64"), true),
            format!(
                "demo.x86_64: E: btf-refused-by-own-base {dir}/aegis128.ko.xz {kernel} refuses it: [114893] STRUCT aegis_block | size=392 vlen=17 | Invalid name\n\
                 kmp.x86_64: E: btf-refused-by-own-base {dir}/asix.ko.xz {kernel} refuses it: [114893] STRUCT asix_block | size=392 vlen=17 | Invalid name\n\
                 demo.x86_64: W: no-btf {dir}/brd.ko.xz {kernel} reads the BTF of modules\n\
                 demo.x86_64: E: btf-refused-by-own-base {dir}/quiet.ko.xz {kernel} refuses it: without a word\n"
            )
        );
    }

    #[test]
    fn a_verdict_is_a_line_as_well() {
        let text = lines(None, false);
        let first = text.lines().next().unwrap();
        assert_eq!(
            first,
            "aegis128.ko.xz: E: refused /lib/modules/6.18.15-cloud/kernel/aegis128.ko.xz \
             kernel 6.18.15-cloud (/boot/vmlinuz-6.18.15-cloud): \
             [114893] STRUCT aegis_block | size=392 vlen=17 | Invalid name"
        );
        assert_eq!(text.lines().count(), 3);
    }
}

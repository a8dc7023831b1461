// SPDX-License-Identifier: GPL-2.0-or-later
//! A report in the lines of rpmlint: `PACKAGE.ARCH: LEVEL: id details`.

use btf_guard_protocol::nevra::Nevra;

use super::style::StyledText;
use crate::policy::Severity;
use crate::report::Report;
use crate::report::alerts::alerts;

/// A line for each thing that is wrong. `subject` stands for the package where a
/// module is in none; without it the module's file name does.
pub fn rpmlint_text(report: &Report, subject: Option<&str>) -> String {
    let mut text = StyledText::default();
    for alert in alerts(report) {
        let file_name = || alert.path.rsplit('/').next().unwrap_or(alert.path);
        let subject = match alert.package {
            Some(nevra) => name_and_arch(nevra),
            None => subject.unwrap_or_else(file_name).to_owned(),
        };
        let level = match alert.severity {
            Severity::Block => 'E',
            Severity::Warn => 'W',
            Severity::Info | Severity::None => 'I',
        };
        let (rule, path, details) = (&alert.rule, alert.path, &alert.details);
        text.line(format!("{subject}: {level}: {rule} {path} {details}"));
    }
    text.0
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
    use crate::report::as_built;
    use crate::report::fixtures::{bad_day, report};
    use btf_guard_protocol::decision::Mode;

    #[test]
    fn a_package_is_named_without_its_version() {
        assert_eq!(
            name_and_arch("demo-kmp-1:2.0_k6.1-3.x86_64"),
            "demo-kmp.x86_64"
        );
        assert_eq!(name_and_arch("odd"), "odd");
    }

    #[test]
    fn each_problem_is_a_line_and_each_verdict_as_well() {
        let (kernels, mut modules) = bad_day(Target::NextBoot);
        modules.get_mut(2).unwrap().package = Some("kmp-1-1.x86_64".into());
        modules.get_mut(3).unwrap().btf.present = false;
        let report = report(kernels, modules);
        let kernel = "kernel 6.18.15-cloud (/boot/vmlinuz-6.18.15-cloud)";
        let dir = "/lib/modules/6.18.15-cloud/kernel";
        assert_eq!(
            rpmlint_text(&as_built(report.clone(), Mode::Block), Some("demo.x86_64")),
            format!(
                "demo.x86_64: E: btf-refused-by-own-base {dir}/aegis128.ko.xz {kernel} refuses it: [114893] STRUCT aegis_block | size=392 vlen=17 | Invalid name\n\
                 kmp.x86_64: E: btf-refused-by-own-base {dir}/asix.ko.xz {kernel} refuses it: [114893] STRUCT asix_block | size=392 vlen=17 | Invalid name\n\
                 demo.x86_64: W: no-btf {dir}/brd.ko.xz {kernel} reads the BTF of modules\n\
                 demo.x86_64: E: btf-refused-by-own-base {dir}/quiet.ko.xz {kernel} refuses it: without a word\n"
            )
        );
        let text = rpmlint_text(&report, None);
        let first = format!(
            "aegis128.ko.xz: E: refused {dir}/aegis128.ko.xz {kernel}: \
             [114893] STRUCT aegis_block | size=392 vlen=17 | Invalid name"
        );
        assert_eq!(text.lines().next().unwrap(), first);
        assert_eq!(text.lines().count(), 3);
    }
}

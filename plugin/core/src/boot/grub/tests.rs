// SPDX-License-Identifier: GPL-2.0-or-later
#![allow(clippy::unwrap_used)]

use super::menu::MenuItemKind;
use super::*;

const SIGNATURE: &str = "# GRUB Environment Block\n";
const COMPUTED: &str = "grub.cfg chooses it by what only GRUB knows while booting";

fn menu(script: &str, grubenv: &str) -> Menu {
    Menu::parse(script, parse_grubenv(&format!("{SIGNATURE}{grubenv}")))
}

/// The title of the default item, or why it is not known.
fn chosen(script: &str, grubenv: &str) -> String {
    let menu = menu(script, grubenv);
    let bls = ["6.10", "6.9", "0-rescue"].map(|version| BlsEntry {
        id: format!("id-{version}"),
        title: format!("Fedora ({version})"),
    });
    match menu.default(&bls) {
        Ok(Selected::Item(at)) => menu.items.get(at).unwrap().title.clone().unwrap(),
        Ok(Selected::Bls(at)) => bls.get(at).unwrap().id.clone(),
        Err(why) => why.to_owned(),
    }
}

/// As grub-mkconfig 2.06 of Debian writes it, shortened; `DEFAULT` stands for
/// what `GRUB_DEFAULT` becomes.
const DEBIAN: &str = r#"
### BEGIN /etc/grub.d/00_header ###
if [ -s $prefix/grubenv ]; then
  set have_grubenv=true
  load_env
fi
if [ "${next_entry}" ] ; then
   set default="${next_entry}"
   set next_entry=
   save_env next_entry
   set boot_once=true
else
   set default="DEFAULT"
fi

if [ x"${feature_menuentry_id}" = xy ]; then
  menuentry_id_option="--id"
else
  menuentry_id_option=""
fi

if [ "${prev_saved_entry}" ]; then
  set saved_entry="${prev_saved_entry}"
  save_env saved_entry
  set prev_saved_entry=
  save_env prev_saved_entry
  set boot_once=true
fi

function savedefault {
  if [ -z "${boot_once}" ]; then
    saved_entry="${chosen}"
    save_env saved_entry
  fi
}
if [ "$recordfail" = 1 ]; then set timeout=30; else set timeout=5; fi
menuentry 'Debian GNU/Linux' --class debian --class gnu-linux --class os $menuentry_id_option 'gnulinux-simple-1' {
	if [ x$grub_platform = xxen ]; then insmod xzio; insmod lzopio; fi
	linux	/boot/vmlinuz-6.1.0-55-amd64 root=UUID=1 ro  quiet "a b" $vt_handoff
	initrd	/boot/initrd.img-6.1.0-55-amd64
}
submenu 'Advanced options for Debian GNU/Linux' $menuentry_id_option 'gnulinux-advanced-1' {
	menuentry 'Debian GNU/Linux, with Linux 6.1.0-55-amd64' --class debian $menuentry_id_option 'gnulinux-6.1.0-55-amd64-advanced-1' {
		linux	/boot/vmlinuz-6.1.0-55-amd64 root=UUID=1 ro  quiet
	}
	menuentry 'Debian GNU/Linux, with Linux 6.1.0-47-amd64' --class debian $menuentry_id_option 'gnulinux-6.1.0-47-amd64-advanced-1' {
		linux	/boot/vmlinuz-6.1.0-47-amd64 root=UUID=1 ro  quiet
		initrd	/boot/initrd.img-6.1.0-47-amd64
	}
}
if [ "$grub_platform" = "efi" ]; then
	fwsetup --is-supported
	if [ "$?" = 0 ]; then
		menuentry 'UEFI Firmware Settings' $menuentry_id_option 'uefi-firmware' {
			fwsetup
		}
	fi
fi
"#;

#[test]
fn the_items_of_a_generated_menu() {
    let menu = menu(DEBIAN, "");
    assert_eq!(menu.faults, [""; 0]);
    let shown = menu.items.iter();
    let shown = shown.map(|i| (i.kind, i.parent, i.shown, i.id.as_deref().unwrap()));
    let (entry, submenu) = (MenuItemKind::Entry, MenuItemKind::Submenu);
    let (new, old) = (
        "gnulinux-6.1.0-55-amd64-advanced-1",
        "gnulinux-6.1.0-47-amd64-advanced-1",
    );
    assert_eq!(
        shown.collect::<Vec<_>>(),
        [
            (entry, None, Truth::Yes, "gnulinux-simple-1"),
            (submenu, None, Truth::Yes, "gnulinux-advanced-1"),
            (entry, Some(1), Truth::Yes, new),
            (entry, Some(1), Truth::Yes, old),
            (entry, None, Truth::Maybe, "uefi-firmware"),
        ]
    );
    let first = menu.items.first().unwrap();
    let kernel = "/boot/vmlinuz-6.1.0-55-amd64".to_owned();
    assert_eq!(first.kernel, Some((39, kernel)));
    assert_eq!(first.options, "root=UUID=1 ro quiet a b");
    assert_eq!(first.initrds, ["/boot/initrd.img-6.1.0-55-amd64"]);
}

#[test]
fn the_default_by_number_title_and_id() {
    let simple = "Debian GNU/Linux";
    let new = "Debian GNU/Linux, with Linux 6.1.0-55-amd64";
    let old = "Debian GNU/Linux, with Linux 6.1.0-47-amd64";
    let old_id = "gnulinux-advanced-1>gnulinux-6.1.0-47-amd64-advanced-1";
    for (default, grubenv, expected) in [
        ("0", "", simple),
        ("", "", simple),
        ("1", "", new),
        ("1>1", "", old),
        ("1>7", "", new),
        (old_id, "", old),
        ("Advanced options for Debian GNU/Linux>1", "", old),
        ("gnulinux-simple-1", "", simple),
        ("nothing of that name", "", simple),
        ("99999999999999999999999", "", simple),
        (
            "2",
            "",
            "grub.cfg counts items that only some machines have",
        ),
        ("uefi-firmware", "", "UEFI Firmware Settings"),
        ("${unset}", "", simple),
        ("${grub_platform}", "", COMPUTED),
        ("0", "next_entry=1>1\n", old),
        ("0", "next_entry=\nsaved_entry=1>1\n", simple),
        ("${saved_entry}", "saved_entry=1>1\n", old),
        ("${saved_entry}", "", simple),
        // It is looked at before this one is moved there.
        ("${saved_entry}", "prev_saved_entry=1>1\n", simple),
    ] {
        let script = DEBIAN.replace("DEFAULT", default);
        assert_eq!(chosen(&script, grubenv), expected, "{default} {grubenv}");
    }
}

#[test]
fn grubenv_is_a_block_of_lines() {
    let env = parse_grubenv(&format!(
        "{SIGNATURE}a=1\n#b=2\nc=x\\\\y\\\nz=3\nd\ne=\n#######"
    ));
    let expected = [("a", "1"), ("c", "x\\y\nz=3"), ("e", "")];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(env.into_iter().collect::<Vec<_>>(), expected);
    assert!(parse_grubenv("a=1\n").is_empty());
}

/// Fedora's, shortened: `blscfg`, and the countdown that changes the default.
const FEDORA: &str = r#"
set pager=1
if [ -f ${config_directory}/grubenv ]; then
  load_env -f ${config_directory}/grubenv
elif [ -s $prefix/grubenv ]; then
  load_env
fi
if [ "${next_entry}" ] ; then
   set default="${next_entry}"
   set next_entry=
   save_env next_entry
   set boot_once=true
else
   set default="${saved_entry}"
fi
insmod increment
if [ -n "${boot_counter}" -a "${boot_success}" = "0" ]; then
  if  [ "${boot_counter}" = "0" -o "${boot_counter}" = "-1" ]; then
    set default=1
    set boot_counter=-1
  else
    decrement boot_counter
  fi
  save_env boot_counter
fi
insmod blscfg
blscfg
if [ "${boot_success}" = "1" -o "${boot_indeterminate}" = "1" ]; then
  set menu_hide_ok=1
fi
menuentry "other" { linux ($root)/other root=/dev/sda1 }
"#;

#[test]
fn entries_of_the_specification_are_part_of_the_menu() {
    for (grubenv, expected) in [
        ("saved_entry=id-6.9\n", "id-6.9"),
        ("saved_entry=0\n", "id-6.10"),
        ("saved_entry=Fedora (6.9)\n", "id-6.9"),
        ("saved_entry=3\n", "other"),
        ("saved_entry=id-gone\n", "id-6.10"),
        ("", "id-6.10"),
        ("boot_counter=0\nboot_success=0\n", "id-6.9"),
        ("boot_counter=1\nboot_success=0\n", "id-6.10"),
        ("boot_counter=0\nboot_success=1\n", "id-6.10"),
    ] {
        assert_eq!(chosen(FEDORA, grubenv), expected, "{grubenv}");
    }
    let menu = menu(FEDORA, "");
    let other = menu.items.last().unwrap();
    assert_eq!(other.kernel, Some((31, "/other".to_owned())));
}

#[test]
fn what_is_kept_elsewhere_is_not_known() {
    let suse = "load_env\nif [ \"${env_block}\" ]; then\n\
                set env_block=\"(${root})${env_block}\"\nload_env -f \"${env_block}\"\nfi\n\
                set default=\"${saved_entry}\"\nmenuentry a { linux /a }\n";
    assert_eq!(chosen(suse, "saved_entry=a\n"), "a");
    let elsewhere = "saved_entry=a\nenv_block=512+1\n";
    assert_eq!(chosen(suse, elsewhere), COMPUTED);
}

#[test]
fn other_ways_to_write_it() {
    let items = "menuentry a { linux /a }; menuentry \"b $x\" --id=b { linux16 '/b' }\n\
                 menuentry c {\n multiboot2 /xen.gz\n module2 --nounzip (hd0,gpt2)/c root=1\n\
                 module2 /c.img\n}\n";
    for (script, expected) in [
        ("default=b", "b 1"),
        ("set default=1", "b 1"),
        ("set default='b $x'", "a"),
        ("set default=\"b \\$x\"", "a"),
        ("if true; then set default=b; else set default=c; fi", "b 1"),
        (
            "if false; then set default=b; elif true; then set default=c; fi",
            "c",
        ),
        ("if ! false; then set default=b; fi", "b 1"),
        ("if [ ! -n \"\" ]; then set default=b; fi", "b 1"),
        ("if test -z \"$y\" -a $x = 1; then set default=b; fi", "b 1"),
        ("if [ $x != 1 -o $x == 2 ]; then set default=b; fi", "a"),
        ("function f { set default=b; }", "a"),
        (
            "set default=b\nif [ -f /x ]; then\nset default=b\nfi",
            "b 1",
        ),
        ("if [ -f /x ]; then set default=b; fi", COMPUTED),
        ("for i in 1 2; do set default=b; done", COMPUTED),
        ("for i in 1 2; do\n echo\n done; set default=b", "b 1"),
        ("# set default=b", "a"),
        ("set default=\"(b) c\"\nmenuentry '(b) c' { }", "(b) c"),
        ("submenu s { set default=b; menuentry t { } }", "t"),
        ("set de\\\nfault=b", "b 1"),
    ] {
        let script = format!("x=1\n{script}\n{items}");
        assert_eq!(chosen(&script, ""), expected, "{script}");
    }
    let menu = menu(&format!("x=1\n{items}"), "");
    let kernels = menu.items.iter().map(|item| item.kernel.clone().unwrap());
    let kernels: Vec<_> = kernels.collect();
    let at = |line, path: &str| (line, path.to_owned());
    assert_eq!(kernels, [at(2, "/a"), at(2, "/b"), at(5, "/c")]);
    let last = menu.items.last().unwrap();
    assert_eq!(
        (last.options.as_str(), &last.initrds[..]),
        ("root=1", &["/c.img".to_owned()][..])
    );
}

#[test]
fn only_what_is_run_boots() {
    let script = "menuentry a {\n if false; then linux /no; fi\n linux /yes\n set default=1\n}\n";
    let menu = menu(script, "");
    let kernel = menu.items.first().unwrap().kernel.clone();
    assert_eq!(kernel, Some((3, "/yes".to_owned())));
    assert_eq!(menu.default(&[]), Ok(Selected::Item(0)));
}

#[test]
fn a_menu_without_end_has_no_default() {
    let script = "set default=0\n".to_owned() + &"menuentry a { }\n".repeat(10_002);
    let menu = menu(&script, "");
    let what = "line 10002: expected at most 10000 items and 100 blocks in each other";
    assert_eq!(menu.faults, [what]);
    assert!(menu.default(&[]).is_err());
}

#[test]
fn a_path_with_unknown_variables_is_told() {
    let menu = menu("menuentry a {\n\n linux $prefix/vmlinuz root=1\n}", "");
    let what = "line 3: expected a path without variables that only GRUB knows";
    assert_eq!(menu.faults, [what]);
}

#[test]
fn junk_ends_soon() {
    let doubling = "a=xxxxxxxxxxxxxxxx\n".to_owned() + &"a=\"$a$a$a\"\n".repeat(1000);
    for script in [
        "{".repeat(1_000_000),
        "}".repeat(1_000_000),
        "if ".repeat(100_000),
        "if [ x ]; then ".repeat(100_000),
        "submenu a { ".repeat(1_000_000),
        "menuentry a {}\n".repeat(100_000),
        "blscfg\n".repeat(100_000),
        "$".repeat(1_000_000),
        "'".repeat(999_999),
        "x ".repeat(1_000_000),
        (0..100_000).map(|i| format!("a{i}=$a\n")).collect(),
        doubling + "menuentry $a { linux $a }",
        "load_env;".repeat(100_000),
    ] {
        let menu = menu(&script, "default=0>0>0\n");
        assert!(menu.items.len() <= 10_001);
        let _ = menu.default(&[]);
    }
}

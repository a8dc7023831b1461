// SPDX-License-Identifier: GPL-2.0-or-later
//! `grubenv`: what GRUB remembers between boots.

use std::collections::BTreeMap;

/// The variables of an environment block: lines `name=value`, a backslash
/// before a backslash or a line end that is part of the value, `#` lines and
/// padding. Without GRUB's signature it is none, and nothing is set
/// (grub-core/lib/envblk.c, 2.06).
pub fn parse(text: &str) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::new();
    let Some(body) = text.strip_prefix("# GRUB Environment Block\n") else {
        return variables;
    };
    let mut rest = body.chars();
    while !rest.as_str().is_empty() {
        let mut line = String::new();
        while let Some(char) = rest.next() {
            match char {
                '\n' => break,
                '\\' => line.extend(rest.next()),
                plain => line.push(plain),
            }
        }
        if let Some((name, value)) = line.split_once('=')
            && !line.starts_with('#')
        {
            variables.insert(name.to_owned(), value.to_owned());
        }
    }
    variables
}

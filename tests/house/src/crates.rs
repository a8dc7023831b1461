// SPDX-License-Identifier: GPL-2.0-or-later
//! Which crate of the workspace uses which, by `cargo metadata`.

use serde_json::Value;

/// A crate of the workspace and those that it is allowed to use, development and
/// tests aside.
pub type Allowed<'a> = (&'a str, &'a [&'a str]);

/// A message for each crate below `folders` that `table` does not have, for each of
/// `table` that is not there, and for each dependency that is not allowed.
#[must_use]
pub fn forbidden(metadata: &Value, folders: &[&str], table: &[Allowed<'_>]) -> Vec<String> {
    let root = metadata["workspace_root"].as_str().unwrap_or_default();
    let none = Vec::new();
    let list = |value: &Value| value.as_array().unwrap_or(&none).clone();
    let packages = list(&metadata["packages"]);
    let name = |package: &Value| package["name"].as_str().unwrap_or_default().to_owned();
    let all: Vec<_> = packages.iter().map(name).collect();

    let mut messages = Vec::new();
    for (missing, _) in table {
        if !all.iter().any(|name| name == missing) {
            messages.push(format!(
                "the crate {missing} is in the table and not in the workspace"
            ));
        }
    }
    for package in &packages {
        let manifest = package["manifest_path"].as_str().unwrap_or_default();
        let below = manifest.strip_prefix(root).unwrap_or(manifest);
        let below = below.trim_start_matches('/');
        if !folders
            .iter()
            .any(|folder| below.starts_with(&format!("{folder}/")))
        {
            continue;
        }
        let name = name(package);
        let Some((_, allowed)) = table.iter().find(|(of, _)| *of == name) else {
            messages.push(format!("{below}: the crate {name} is not in the table"));
            continue;
        };
        for dependency in list(&package["dependencies"]) {
            let word = |key| dependency.get(key).and_then(Value::as_str);
            let used = word("name").unwrap_or_default();
            if word("kind") != Some("dev")
                && all.iter().any(|name| name == used)
                && !allowed.contains(&used)
            {
                messages.push(format!("{below}: {name} must not use {used}"));
            }
        }
    }
    messages
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn metadata() -> Value {
        json!({"workspace_root": "/x", "packages": [
            {"name": "low", "manifest_path": "/x/plugin/low/Cargo.toml", "dependencies": [
                {"name": "serde", "kind": null}, {"name": "high", "kind": "dev"}]},
            {"name": "high", "manifest_path": "/x/plugin/high/Cargo.toml", "dependencies": [
                {"name": "low", "kind": null}]},
            {"name": "checks", "manifest_path": "/x/tests/Cargo.toml", "dependencies": [
                {"name": "high", "kind": null}]},
        ]})
    }

    #[test]
    fn what_the_table_allows_is_fine() {
        let table: [Allowed<'_>; 2] = [("low", &[]), ("high", &["low"])];
        assert!(forbidden(&metadata(), &["plugin"], &table).is_empty());
    }

    #[test]
    fn what_it_does_not_allow_is_named() {
        let table: [Allowed<'_>; 3] = [("low", &[]), ("high", &[]), ("gone", &[])];
        assert_eq!(
            forbidden(&metadata(), &["plugin"], &table),
            [
                "the crate gone is in the table and not in the workspace",
                "plugin/high/Cargo.toml: high must not use low"
            ]
        );
        let table: [Allowed<'_>; 1] = [("low", &[])];
        assert_eq!(
            forbidden(&metadata(), &["plugin"], &table),
            ["plugin/high/Cargo.toml: the crate high is not in the table"]
        );
    }
}

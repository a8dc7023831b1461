// SPDX-License-Identifier: GPL-2.0-or-later
//! Circles of arrows between modules that stand side by side.

use std::collections::{BTreeMap, VecDeque};

use crate::arrows::Arrow;

/// Arrows by where they start and end; of several, the first.
type Graph<'a, N> = BTreeMap<N, BTreeMap<N, &'a Arrow>>;

/// The circles between modules that stand side by side, each with all that lies below
/// it: a file, or a folder. A module and its own children are one namespace in Rust,
/// so they may need each other. Each circle is the lines of a message.
#[must_use]
pub fn side_by_side(arrows: &[Arrow]) -> Vec<String> {
    let mut graph = Graph::new();
    for arrow in arrows {
        let common = arrow
            .from
            .iter()
            .zip(&arrow.to)
            .take_while(|(from, to)| from == to)
            .count();
        if let (Some(from), Some(to)) = (arrow.from.get(..=common), arrow.to.get(..=common)) {
            let ends: &mut BTreeMap<_, _> = graph.entry(from).or_default();
            ends.entry(to).or_insert(arrow);
        }
    }
    let mut circles: BTreeMap<_, _> = BTreeMap::new();
    for (start, ends) in &graph {
        for end in ends.keys() {
            if let Some(mut circle) = shortest(&graph, end, start) {
                let least = circle.iter().enumerate().min_by_key(|(_, node)| **node);
                let least = least.map_or(0, |(at, _)| at);
                circle.rotate_left(least);
                circles.insert((circle.len(), circle.clone()), message(&graph, &circle));
            }
        }
    }
    circles.into_values().collect()
}

/// The arrows of a circle.
fn message<N: Ord>(graph: &Graph<'_, N>, circle: &[N]) -> String {
    let next = circle.iter().cycle().skip(1);
    let arrows = circle
        .iter()
        .zip(next)
        .filter_map(|(from, to)| graph.get(from)?.get(to));
    arrows.fold("a circle:".to_owned(), |message, arrow| {
        format!("{message}\n    {arrow}")
    })
}

/// The nodes of the shortest way, both ends included.
fn shortest<N: Ord + Copy>(graph: &Graph<'_, N>, from: N, to: N) -> Option<Vec<N>> {
    let mut came_from = BTreeMap::new();
    let mut open = VecDeque::from([from]);
    while let Some(node) = open.pop_front() {
        if node == to {
            let mut way = vec![node];
            let mut node = node;
            while node != from {
                node = *came_from.get(&node)?;
                way.push(node);
            }
            way.reverse();
            return Some(way);
        }
        for next in graph.get(&node).into_iter().flat_map(BTreeMap::keys) {
            if *next != from && !came_from.contains_key(next) {
                came_from.insert(*next, node);
                open.push_back(*next);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::arrows::arrows;

    fn arrows_of(files: &[(&str, &str)]) -> Vec<Arrow> {
        let sources = files
            .iter()
            .map(|(file, source)| (PathBuf::from(file), (*source).to_owned()))
            .collect();
        arrows(&sources, Path::new("src/lib.rs")).unwrap()
    }

    #[test]
    fn one_direction_is_no_circle() {
        let arrows = arrows_of(&[
            ("src/lib.rs", "mod a; mod b; pub use a::A;"),
            ("src/a.rs", "mod c; use crate::b::B; use c::C;"),
            ("src/a/c.rs", "use crate::b; fn x(_: b::B) {}"),
            (
                "src/b.rs",
                "#[cfg(test)] mod tests { use crate::a::A; } // use crate::a",
            ),
        ]);
        assert_eq!(arrows.len(), 5);
        assert!(side_by_side(&arrows).is_empty());
    }

    #[test]
    fn a_circle_of_files_is_told_with_its_lines() {
        let arrows = arrows_of(&[
            ("src/lib.rs", "mod a; mod b; mod c;"),
            ("src/a.rs", "use super::b::B;"),
            ("src/b.rs", "\nfn x() { crate::c::y(); }"),
            (
                "src/c.rs",
                "use crate::{\n    a as z,\n};\nfn x(_: z::A) {}",
            ),
        ]);
        assert_eq!(
            side_by_side(&arrows),
            ["a circle:\n    src/a.rs:1 uses src/b.rs\n    \
              src/b.rs:2 uses src/c.rs\n    src/c.rs:2 uses src/a.rs"]
        );
    }

    #[test]
    fn folders_may_be_a_circle_where_files_are_none() {
        let arrows = arrows_of(&[
            ("src/lib.rs", "mod a; mod b;"),
            ("src/a/mod.rs", "mod one; mod two;"),
            ("src/a/one.rs", "use crate::b::one::X;"),
            ("src/a/two.rs", ""),
            ("src/b/mod.rs", "pub mod one; pub mod two;"),
            ("src/b/one.rs", ""),
            ("src/b/two.rs", "use crate::a::two::X;"),
        ]);
        assert_eq!(
            side_by_side(&arrows),
            ["a circle:\n    src/a/one.rs:1 uses src/b/one.rs\n    \
              src/b/two.rs:1 uses src/a/two.rs"]
        );
    }

    #[test]
    fn a_parent_and_those_below_it_may_need_each_other() {
        let arrows = arrows_of(&[
            ("src/lib.rs", "mod a;"),
            ("src/a.rs", "mod b; mod c;\npub use b::B;"),
            ("src/a/b.rs", "use super::c::C;"),
            ("src/a/c.rs", "use super::A;"),
        ]);
        assert_eq!(arrows.len(), 3);
        assert!(side_by_side(&arrows).is_empty());
    }
}

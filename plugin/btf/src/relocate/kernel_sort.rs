// SPDX-License-Identifier: GPL-2.0-or-later
//! The kernel's `sort()` (lib/sort.c), for the order in which it leaves equals.
//!
//! It is a heapsort, so equal elements do not keep their order, and some message
//! names the first of several equals. The same steps are taken here: a heap whose
//! root is sifted to a leaf and back up, and of which, since 6.9, the two largest
//! elements are taken at a time. Relocation, the only user of it here, is younger.

use std::cmp::Ordering;

/// Sorts as Linux 6.11 and later do, step by step.
pub(crate) fn kernel_sort<T>(items: &mut [T], compare: impl Fn(&T, &T) -> Ordering) {
    let at_least = |items: &[T], a: usize, b: usize| ordering(items, a, b, &compare).is_ge();
    let larger = |items: &[T], a: usize, b: usize| ordering(items, a, b, &compare).is_gt();

    // From the leaf that the larger children lead to, back to where `root` belongs.
    let sift = |items: &mut [T], root: usize, end: usize| {
        let mut place = root;
        loop {
            let (left, right) = (2 * place + 1, 2 * place + 2);
            if right < end {
                place = if larger(items, left, right) {
                    left
                } else {
                    right
                };
            } else {
                if right == end {
                    place = left;
                }
                break;
            }
        }
        while place != root && at_least(items, root, place) {
            place = (place - 1) / 2;
        }
        let mut above = place;
        while above != root {
            above = (above - 1) / 2;
            items.swap(above, place);
        }
    };

    let mut end = items.len();
    if end < 2 {
        return;
    }
    for root in (0..end / 2).rev() {
        sift(items, root, end);
    }
    while end > 3 {
        end -= 1;
        items.swap(0, end);
        // The second largest is a child of the root, which now holds a leaf: both
        // are sifted, the child's place first.
        let second = if larger(items, 1, 2) { 1 } else { 2 };
        end -= 1;
        items.swap(second, end);
        sift(items, second, end);
        sift(items, 0, end);
    }
    items.swap(0, end - 1);
    if end == 3 && larger(items, 0, 1) {
        items.swap(0, 1);
    }
}

fn ordering<T>(items: &[T], a: usize, b: usize, compare: impl Fn(&T, &T) -> Ordering) -> Ordering {
    match (items.get(a), items.get(b)) {
        (Some(a), Some(b)) => compare(a, b),
        _ => Ordering::Equal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers below `values`, each with its place.
    fn numbers(len: usize, values: u64) -> Vec<(u64, usize)> {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        (0..len)
            .map(|place| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state % values, place)
            })
            .collect()
    }

    #[test]
    fn everything_is_sorted() {
        for len in 0..200 {
            for values in [1, 2, 5, 1000] {
                let mut items = numbers(len, values);
                let mut expected: Vec<u64> = items.iter().map(|item| item.0).collect();
                expected.sort_unstable();
                kernel_sort(&mut items, |a, b| a.0.cmp(&b.0));
                let keys: Vec<u64> = items.iter().map(|item| item.0).collect();
                assert_eq!(keys, expected, "{len} of {values}");
                items.sort_unstable_by_key(|item| item.1);
                let places = items.iter().map(|item| item.1);
                assert!(places.eq(0..len), "one is lost or doubled");
            }
        }
    }

    /// What the kernel's function makes of equals.
    #[test]
    fn equals_are_left_where_the_kernel_leaves_them() {
        let order = |len: usize| {
            let mut items: Vec<usize> = (0..len).collect();
            kernel_sort(&mut items, |_, _| Ordering::Equal);
            items
        };
        assert_eq!(order(2), [1, 0]);
        assert_eq!(order(3), [2, 1, 0]);
        assert_eq!(order(4), [1, 3, 2, 0]);
        assert_eq!(order(7), [3, 1, 4, 5, 6, 2, 0]);
        assert_eq!(order(10), [1, 3, 4, 5, 6, 7, 8, 9, 2, 0]);
        let mut mixed = numbers(199, 5);
        kernel_sort(&mut mixed, |a, b| a.0.cmp(&b.0));
        let digest = mixed.iter().fold(0_u32, |digest, item| {
            digest.wrapping_mul(31).wrapping_add(item.1 as u32)
        });
        assert_eq!(digest, 3_167_299_825);
    }
}

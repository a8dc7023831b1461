// SPDX-License-Identifier: GPL-2.0-or-later
//! Values that are taken in one form only: what serde derives reads a struct from an
//! array, too, by the order of its fields, and the name of a variant from a table.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{MapAccessDeserializer, StringDeserializer};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// A struct that is read from a table.
#[derive(Default)]
pub(super) struct FromTable<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for FromTable<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct TableVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for TableVisitor<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
            }
        }

        from.deserialize_map(TableVisitor(PhantomData)).map(Self)
    }
}

/// One of some words that is read from a text.
pub(super) struct FromText<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for FromText<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        T::deserialize(StringDeserializer::new(text)).map(Self)
    }
}

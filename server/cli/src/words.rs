//! Values of a file that are a word where nothing more is to be said, else a table.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

/// What can be read from a word, or from a table.
pub(crate) trait Words: Sized {
    /// The table.
    type Table: for<'de> Deserialize<'de>;
    /// What stands there, for who has written something else.
    const EXPECTED: &'static str;

    /// From a word.
    fn of_text(text: &str) -> Result<Self, String>;

    /// From a table.
    fn of_table(table: Self::Table) -> Result<Self, String>;

    /// From a number, where that is a word.
    fn of_number(number: i64) -> Result<Self, String> {
        Err(format!("{number} is not {}", Self::EXPECTED))
    }
}

/// Lets serde read a type that has [`Words`]. An untagged enum would not tell what is wrong, nor where.
macro_rules! or_table {
    ($name:ty) => {
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                crate::words::read(deserializer)
            }
        }
    };
}
pub(crate) use or_table;

/// What `or_table` asks.
pub(crate) fn read<'de, W: Words, D: Deserializer<'de>>(deserializer: D) -> Result<W, D::Error> {
    deserializer.deserialize_any(Reader(PhantomData))
}

struct Reader<W>(PhantomData<W>);

impl<'de, W: Words> Visitor<'de> for Reader<W> {
    type Value = W;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(W::EXPECTED)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<W, E> {
        W::of_text(text).map_err(E::custom)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<W, E> {
        W::of_number(number).map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<W, A::Error> {
        let table = W::Table::deserialize(MapAccessDeserializer::new(map))?;
        W::of_table(table).map_err(A::Error::custom)
    }
}

//! The parameters of the path as a value: one of them, a tuple, a struct or a map.
//!
//! Each is percent-decoded once, here and nowhere else (RFC 3986 §2.4).

use std::borrow::Cow;
use std::fmt;

use serde::de::value::{CowStrDeserializer, MapDeserializer};
use serde::de::{self, DeserializeOwned, Deserializer, IntoDeserializer, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;
use trilane_exchange::{Error, Exchange, Request};
use trilane_semantics::StatusCode;

use crate::extract::FromRequestParts;
use crate::path::decode;

/// The parameters of the path, deserialised. 400 with `details.reason` when a value does not fit;
/// 500 when the type can fit no value of that route.
///
/// ```
/// use trilane_service::{Path, Router, get};
/// let router: Router = Router::new()
///     .route("/a/{id}", get(|Path(id): Path<u32>| async move { id.to_string() }))
///     .route("/b/{id}/{name}", get(|Path((_, name)): Path<(u32, String)>| async move { name }));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Path<T>(pub T);

impl<S, T: DeserializeOwned> FromRequestParts<S> for Path<T> {
    type Rejection = Error;

    fn from_request_parts(request: &mut Request, _: &S) -> Result<Self, Error> {
        T::deserialize(Parameters(request.exchange())).map(Self).map_err(Error::from)
    }
}

/// Why the parameters do not fit.
#[derive(Debug)]
enum Misfit {
    /// This value does not.
    Value(String),
    /// The handler asks for what the route has not.
    Shape(&'static str),
}

impl From<Misfit> for Error {
    fn from(misfit: Misfit) -> Self {
        match misfit {
            Misfit::Value(reason) => Self::new(StatusCode::BAD_REQUEST)
                .message("a parameter of the path is not what is expected")
                .detail("reason", vec![reason]),
            Misfit::Shape(reason) => Self::new(StatusCode::INTERNAL_SERVER_ERROR).internal(reason),
        }
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(reason) => f.write_str(reason),
            Self::Shape(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for Misfit {}

impl de::Error for Misfit {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self::Value(text.to_string())
    }
}

/// All parameters of an exchange.
struct Parameters<'a>(&'a Exchange);

impl<'a> Parameters<'a> {
    fn values(&self) -> impl Iterator<Item = Value<'a>> + use<'a> {
        let exchange = self.0;
        let all = (0..exchange.params().len()).filter_map(|index| exchange.param(index));
        all.map(|(name, raw)| Value { name, raw })
    }

    /// The only parameter.
    fn single(&self) -> Result<Value<'a>, Misfit> {
        let mut values = self.values();
        match (values.next(), values.next()) {
            (Some(value), None) => Ok(value),
            _ => Err(Misfit::Shape("Path of one value on a route without exactly one parameter")),
        }
    }
}

/// Types of one value: the only parameter is meant.
macro_rules! single {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
            self.single()?.$method(visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for Parameters<'_> {
    type Error = Misfit;

    single! {
        deserialize_bool deserialize_char deserialize_str deserialize_string deserialize_bytes
        deserialize_byte_buf deserialize_identifier
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_f32 deserialize_f64
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        let pairs = self.values().map(|value| (value.name, value));
        visitor.visit_map(MapDeserializer::new(pairs))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_seq(Sequence(self.values()))
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        if len != self.0.params().len() {
            return Err(Misfit::Shape(
                "Path of a tuple on a route with another number of parameters",
            ));
        }
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        self.deserialize_tuple(len, visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_some(self)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_unit()
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        self.single()?.deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! { unit_struct map struct ignored_any }
}

struct Sequence<I>(I);

impl<'a, 'de, I: Iterator<Item = Value<'a>>> SeqAccess<'de> for Sequence<I> {
    type Error = Misfit;

    fn next_element_seed<T: de::DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Misfit> {
        self.0.next().map(|value| seed.deserialize(value)).transpose()
    }
}

/// One parameter, not decoded yet.
struct Value<'a> {
    name: &'a str,
    raw: &'a str,
}

impl<'a> Value<'a> {
    fn text(&self) -> Result<Cow<'a, str>, Misfit> {
        decode(self.raw)
            .ok_or_else(|| Misfit::Value(format!("{}: not UTF-8 when decoded", self.name)))
    }

    fn parse<T: std::str::FromStr<Err: fmt::Display>>(&self) -> Result<T, Misfit> {
        self.text()?.parse().map_err(|error| Misfit::Value(format!("{}: {error}", self.name)))
    }
}

impl<'a, 'de> IntoDeserializer<'de, Misfit> for Value<'a> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

macro_rules! parsed {
    ($($method:ident $visit:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
            visitor.$visit(self.parse()?)
        }
    )*};
}

impl<'de> Deserializer<'de> for Value<'_> {
    type Error = Misfit;

    parsed! {
        deserialize_bool visit_bool deserialize_char visit_char
        deserialize_i8 visit_i8 deserialize_i16 visit_i16 deserialize_i32 visit_i32
        deserialize_i64 visit_i64 deserialize_i128 visit_i128
        deserialize_u8 visit_u8 deserialize_u16 visit_u16 deserialize_u32 visit_u32
        deserialize_u64 visit_u64 deserialize_u128 visit_u128
        deserialize_f32 visit_f32 deserialize_f64 visit_f64
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.text()? {
            Cow::Borrowed(text) => visitor.visit_str(text),
            Cow::Owned(text) => visitor.visit_string(text),
        }
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_bytes(self.text()?.as_bytes())
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        visitor.visit_enum(CowStrDeserializer::new(self.text()?))
    }

    forward_to_deserialize_any! {
        str string unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

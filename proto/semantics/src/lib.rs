//! HTTP semantics (RFC 9110) and the contract that every protocol machine of trilane speaks.
//!
//! Pure data and traits: no I/O, no clock, no threads, no async. The file order is the reading order:
//! [`time`], [`octets`], [`field`], [`fields`] and [`lines`] (names and the arena), [`head`] and [`target`], [`section`] and
//! [`priority`], [`sending`], [`repeat`], [`table`], [`pace`], [`turns`] and [`budget`] (what HTTP/2 and HTTP/3 do alike), then the contract:
//! [`input`] in, [`event`] up, [`machine`] commands down, [`outbox`] and [`payload`] out, and how it ends,
//! [`fault`] and [`closed`], under [`limits`].
#![forbid(unsafe_code)]

mod arena;
pub mod budget;
pub mod closed;
pub mod event;
pub mod fault;
pub mod field;
pub mod fields;
pub mod head;
pub mod input;
pub mod limits;
pub mod lines;
pub mod machine;
pub mod octets;
pub mod outbox;
pub mod pace;
pub mod payload;
pub mod priority;
pub mod repeat;
pub mod section;
pub mod sending;
pub mod stamp;
pub mod table;
pub mod target;
pub mod time;
pub mod turns;

pub use closed::{Cause, Closed, Linger};
pub use event::{Content, Effect, Event, ExchangeId, Next, Why};
pub use fault::{Fault, Reason, Scope};
pub use field::{Known, NameRef};
pub use fields::{Fields, InvalidField};
pub use head::{Protocol, RequestHead, ResponseHead};
pub use http::{Method, StatusCode};
pub use input::Input;
pub use limits::Limits;
pub use lines::Lines;
pub use machine::{Machine, Misuse};
pub use outbox::{Command, Outbox, Part, Piece};
pub use payload::{Memory, Payload};
pub use priority::Priority;
pub use section::{RequestSection, ResponseSection, TrailerSection};
pub use stamp::Stamp;
pub use target::{Form, Target};
pub use time::Instant;

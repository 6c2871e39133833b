//! Certificates from an authority that speaks ACME (RFC 8555), ordered when there is none and renewed before they end.
//!
//! `settings` is what is wanted, `store` what is kept on disk, `schedule` when something is due: data, with time and chance as arguments.
//! `order` is the way from an account to a certificate, over `http`; [`challenges`] answers the authority on listeners in clear
//! meanwhile, and [`trilane_tls::Acceptor`] those of TLS. `keeper` is the thread that does all of it: no shard ever waits for an authority or
//! a disk.
#![forbid(unsafe_code)]

pub mod challenges;
mod error;
mod http;
mod keeper;
mod news;
mod order;
mod proof;
mod schedule;
mod settings;
mod store;

pub use challenges::Challenges;
pub use error::AcmeError;
pub use keeper::{Acme, Keeper};
pub use news::{Gauge, News};
pub use settings::{Binding, Challenge, Settings};

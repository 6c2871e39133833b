//! The trilane binary as a library: its arguments, its configuration file and its demo application, so that
//! tests can use them without a process.
#![forbid(unsafe_code)]

pub mod access;
pub mod acme;
pub mod admin;
mod app;
pub mod args;
pub mod caching;
mod check;
pub mod compression;
pub mod config;
pub mod demo;
pub mod effective;
pub mod environment;
mod explain;
pub mod files;
pub mod health;
pub mod layers;
pub mod line;
mod manual;
mod nearest;
pub mod otlp;
pub mod probe;
pub mod quic;
pub mod record;
pub mod redirect;
pub mod reload;
pub mod run;
pub mod schema;
pub mod secure;
mod setup;
pub mod site;
pub mod upgrade;
pub mod upstreams;
mod words;

//! Tests without sockets: requests are made by hand, replies are polled.

mod compress;
mod decompress;
mod auth;
mod cors;
mod extractors;
mod fields_and_forms;
mod files;
mod hosts;
mod layering;
mod logging;
mod rate;
mod rejections;
mod routing;
mod security_headers;
mod sse;
mod support;
mod tokens;
mod trusted;
mod testing;

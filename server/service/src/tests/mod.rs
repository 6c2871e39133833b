//! Tests without sockets: requests are made by hand, replies are polled.

mod auth;
mod compress;
mod cookies;
mod cors;
mod decompress;
mod extractors;
mod fields_and_forms;
mod file_settings;
mod files;
mod hosts;
mod https_redirect;
mod layering;
mod logging;
mod metrics;
mod multipart;
mod rate;
mod rejections;
mod routing;
mod security_headers;
mod sse;
mod support;
mod testing;
mod tokens;
mod tracing;
mod trusted;
mod ws;

//! Tests without sockets: requests are made by hand, replies are polled.

mod extractors;
mod layering;
mod logging;
mod routing;
mod support;

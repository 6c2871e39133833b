//! Two ends in memory: an endpoint with its sessions, and quiche as client.

mod streams;
mod support;

//! Two ends in memory: an endpoint with its sessions, and quiche as client.

mod dial;
mod early;
mod hostile;
mod identities;
mod ids;
mod paths;
mod replies;
mod retries;
mod streams;
mod support;

//! Profiles.
#![forbid(unsafe_code)]

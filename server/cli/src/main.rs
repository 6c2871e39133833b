//! The `trilane` binary.
#![forbid(unsafe_code)]

use std::io::{Write, stderr};
use std::process::ExitCode;

use clap::Parser;
use mimalloc::MiMalloc;
use trilane::Format;
use trilane::log::{LevelFilter, install};
use trilane_cli::args::Args;
use trilane_profile::Sampled;

#[global_allocator]
static ALLOCATOR: Sampled<MiMalloc> = Sampled::new(MiMalloc);

fn main() -> ExitCode {
    // Before anything is allocated to speak of. Without it there is a little more memory in use, that is all.
    let _ = trilane::refuse_huge_pages();
    // There is no other one yet. Lines of handlers, and of what goes wrong with them; there is nowhere else to tell it.
    let line = |line: &str| drop(writeln!(stderr(), "{line}"));
    let _ = install(line, Format::Text, LevelFilter::INFO);
    match trilane_cli::run::run(Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nowhere is left to report that standard error is closed.
            let _ = writeln!(stderr(), "trilane: {error}");
            ExitCode::from(error.code())
        }
    }
}

//! The `trilane` binary.
#![forbid(unsafe_code)]

use std::io::{Write, stderr};
use std::process::ExitCode;

use clap::Parser;
use trilane_cli::args::Args;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Before anything is allocated to speak of. Without it there is a little more memory in use, that is all.
    let _ = trilane::refuse_huge_pages();
    match trilane_cli::run::run(Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nowhere is left to report that standard error is closed.
            let _ = writeln!(stderr(), "trilane: {error}");
            ExitCode::FAILURE
        }
    }
}

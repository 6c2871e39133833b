//! Prints how many heap allocations a warm keep-alive request costs through the demo's own router, default
//! layers and connection. Fails if `GET /plaintext` costs any.

use std::io::{self, Write};
use std::process::ExitCode;

use trilane_benches::counting::allocations;
use trilane_benches::{Counting, Scenario, Wire};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Turns before counting, and turns counted.
const TURNS: usize = 1000;

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            // Nowhere is left to report that standard error is closed.
            let _ = writeln!(io::stderr(), "allocations: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let mut code = ExitCode::SUCCESS;
    for scenario in Scenario::all() {
        let mut wire = Wire::new(&scenario)?;
        let right = (0..TURNS).all(|_| wire.turn(&scenario));
        let before = allocations();
        if before == 0 || !right || !(0..TURNS).all(|_| wire.turn(&scenario)) {
            return Err(format!("a wrong answer, or nothing is counted: {scenario:?}").into());
        }
        let count = allocations() - before;
        let each = count as f64 / (TURNS * scenario.requests) as f64;
        writeln!(io::stdout(), "{:<26} {each:>8.2} allocations a request", scenario.name)?;
        if scenario.name.starts_with("plaintext") && count > 0 {
            code = ExitCode::FAILURE;
        }
    }
    Ok(code)
}

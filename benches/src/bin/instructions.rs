//! Prints how many instructions a warm keep-alive request costs, as callgrind counts them: seconds on shared
//! machines lie, this number repeats. Runs itself under valgrind, twice as long the second time: the
//! difference has no start-up in it.

use std::env;
use std::error::Error;
use std::io::{self, Write};
use std::process::{Command, ExitCode};

use trilane_benches::{Scenario, Wire};

/// Turns of the shorter run.
const TURNS: u64 = 2000;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let done = match &arguments[..] {
        [name, turns] => work(name, turns),
        _ => report(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nowhere is left to report that standard error is closed.
            let _ = writeln!(io::stderr(), "instructions: {error}");
            ExitCode::FAILURE
        }
    }
}

fn report() -> Result<(), Box<dyn Error>> {
    if Command::new("valgrind").arg("--version").output().is_err() {
        writeln!(io::stdout(), "instructions: not counted, valgrind is not installed")?;
        return Ok(());
    }
    for scenario in Scenario::all() {
        let (short, long) = (count(scenario.name, TURNS)?, count(scenario.name, 2 * TURNS)?);
        let each = (long - short) / (TURNS * scenario.requests as u64);
        writeln!(io::stdout(), "{:<26} {each:>8} instructions a request", scenario.name)?;
    }
    Ok(())
}

/// Instructions of a whole run of that many turns.
fn count(name: &str, turns: u64) -> Result<u64, Box<dyn Error>> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env::current_exe()?)
        .args([name, &turns.to_string()])
        .output()?;
    let text = String::from_utf8_lossy(&output.stderr);
    let collected = text.lines().find_map(|line| line.split_once("Collected : "));
    match collected {
        Some((_, number)) if output.status.success() => Ok(number.trim().parse()?),
        _ => Err(format!("valgrind could not run {name}:\n{text}").into()),
    }
}

fn work(name: &str, turns: &str) -> Result<(), Box<dyn Error>> {
    let all = Scenario::all();
    let scenario = all.iter().find(|it| it.name == name).ok_or("no such scenario")?;
    let (mut wire, turns) = (Wire::new(scenario)?, turns.parse::<u64>()?);
    if (0..turns).all(|_| wire.turn(scenario)) { Ok(()) } else { Err("a wrong answer".into()) }
}

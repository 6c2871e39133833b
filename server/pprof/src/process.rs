//! `/debug/info`, `/debug/pprof/cmdline` and `/debug/pprof/symbol`: what process this is.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::{env, fs, thread};

use serde::Serialize;
use trilane_exchange::{Error, Request};
use trilane_semantics::StatusCode;
use trilane_service::Json;

use crate::profile::Symbols;

/// Addresses that are looked up for a request, at most.
const MOST_ADDRESSES: usize = 1024;

/// What is told of the program, beside what the system knows of its process: version, features, a digest of its configuration.
pub type About = BTreeMap<String, String>;

/// What `/debug/info` tells.
#[derive(Serialize)]
pub(crate) struct Info {
    #[serde(flatten)]
    about: About,
    pid: u32,
    executable: String,
    build: Build,
    kernel: String,
    cpus: usize,
    threads: usize,
    uptime_seconds: u64,
    limits: BTreeMap<String, [String; 2]>,
}

#[derive(Serialize)]
struct Build {
    profile: &'static str,
    architecture: &'static str,
    os: &'static str,
}

/// Tells of the process.
pub(crate) fn info(about: About, request: &Request) -> Json<Info> {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    Json(Info {
        about,
        pid: std::process::id(),
        executable: env::current_exe().unwrap_or_default().display().to_string(),
        build: Build {
            profile: if cfg!(debug_assertions) { "debug" } else { "release" },
            architecture: env::consts::ARCH,
            os: env::consts::OS,
        },
        kernel: kernel.trim_end().to_owned(),
        cpus: thread::available_parallelism().map_or(1, usize::from),
        threads: fs::read_dir("/proc/self/task").map_or(0, Iterator::count),
        uptime_seconds: request.shard().now().as_nanos() / 1_000_000_000,
        limits: limits(&fs::read_to_string("/proc/self/limits").unwrap_or_default()),
    })
}

/// The limits of a process, soft and hard, of the table that the kernel has of them.
fn limits(table: &str) -> BTreeMap<String, [String; 2]> {
    let row = |line: &str| {
        let name = line.get(..25)?.trim_end();
        let mut values = line.get(25..)?.split_ascii_whitespace();
        Some((name.to_owned(), [values.next()?.to_owned(), values.next()?.to_owned()]))
    };
    table.lines().skip(1).filter_map(row).collect()
}

/// The command line, its arguments divided by NUL.
pub(crate) async fn command_line() -> Vec<u8> {
    let arguments: Vec<_> = env::args_os().collect();
    let arguments: Vec<_> = arguments.iter().map(|argument| argument.as_bytes()).collect();
    arguments.join(&0)
}

/// Says that there are symbols.
pub(crate) async fn has_symbols() -> &'static str {
    "num_symbols: 1\n"
}

/// Looks up addresses of the content, such as `0x1234+0x5678`.
pub(crate) async fn symbols(mut request: Request) -> Result<String, Error> {
    let wrong = |text: &'static str| Error::new(StatusCode::BAD_REQUEST).message(text);
    let content = request.body.collect().await.map_err(|error| Error::from(error.reason()))?;
    let text = std::str::from_utf8(&content).map_err(|_| wrong("addresses are hexadecimal"))?;
    let numbers = text.trim().split('+').take(MOST_ADDRESSES + 1);
    let number = |text: &str| usize::from_str_radix(text.trim_start_matches("0x"), 16);
    let addresses: Result<Vec<_>, _> = numbers.map(number).collect();
    let addresses = addresses.map_err(|_| wrong("addresses are hexadecimal"))?;
    if addresses.len() > MOST_ADDRESSES {
        return Err(wrong("too many addresses"));
    }
    let looked_up = request.shard().blocking(move || {
        // They are those of profiles: of the calls, not behind them.
        let behind = |address: &usize| address.saturating_add(1);
        let all: Vec<usize> = addresses.iter().map(behind).collect();
        let symbols = Symbols::of([&*all]);
        let mut answer = "num_symbols: 1\n".to_owned();
        for address in addresses {
            if let Some(symbol) = symbols.at(behind(&address)).last() {
                answer.push_str(&format!("{address:#x} {}\n", symbol.name));
            }
        }
        answer
    });
    Ok(looked_up.await)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_as_the_kernel_writes_them() {
        let table = "Limit                     Soft Limit           Hard Limit           Units     \n\
                     Max open files            1024                 524288               files     \n\
                     Max nice priority         0                    0                    \n\
                     short\n";
        let limits = limits(table);
        assert_eq!(limits.len(), 2);
        assert_eq!(limits["Max open files"], ["1024", "524288"]);
        assert!(super::limits("").is_empty());
    }
}

//! What addresses mean: functions, with those that were put into them, and their lines.
//!
//! Lines come from the tables for debuggers, where there are any, as do functions that were put into others; those have no paths there, if
//! there are lines alone. The names of the others come from the binary's own table.

use std::collections::HashMap;
use std::path::Path;
use std::{env, fs};

use object::{File, Object, ObjectSegment, SymbolMap, SymbolMapName};

use crate::sys::Mapped;

/// A function at an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Symbol {
    /// Its name as it is written, without what the compiler adds to tell it from others.
    pub name: String,
    /// Its file, if the binary tells lines.
    pub file: String,
    /// The line, from 1; 0 if it is not known.
    pub line: u32,
}

/// Says what is at each address of stacks: a function, after those that the compiler has put into it, the innermost first. One that nobody
/// knows has its address for a name. It reads the tables of the binary, which takes some tenths of a second: not for a shard.
#[must_use]
pub fn resolve(addresses: impl IntoIterator<Item = usize>) -> HashMap<usize, Vec<Symbol>> {
    let binary = env::current_exe().ok();
    // By this name it is found also when it was replaced meanwhile. Without it there are the names that debuggers have.
    let mapped = Mapped::new(Path::new("/proc/self/exe")).ok();
    let names = mapped.as_ref().and_then(|mapped| Names::new(mapped, binary.as_deref()?));
    let symbols = |address| (address, symbols(address, names.as_ref()));
    let resolved = addresses.into_iter().map(symbols).collect();
    // Those tables are large.
    backtrace::clear_symbol_cache();
    resolved
}

fn symbols(address: usize, names: Option<&Names<'_>>) -> Vec<Symbol> {
    let mut found = Vec::new();
    backtrace::resolve(std::ptr::without_provenance_mut(address), |symbol| {
        let name = symbol.name().map(|name| format!("{name:#}")).unwrap_or_default();
        let file = symbol.filename().map(Path::to_string_lossy).unwrap_or_default();
        found.push(Symbol { name, file: file.into_owned(), line: symbol.lineno().unwrap_or(0) });
    });
    if found.is_empty() {
        found.push(Symbol::default());
    }
    let last = found.len() - 1;
    for (at, symbol) in found.iter_mut().enumerate() {
        let own = names.filter(|_| at == last).and_then(|names| names.at(address));
        symbol.name = match own {
            Some(name) => name,
            None if symbol.name.is_empty() => format!("{:#x}", address.saturating_sub(1)),
            None => with_path(&symbol.name, &symbol.file),
        };
    }
    found
}

/// The functions of the binary, by their addresses in its file.
struct Names<'a> {
    map: SymbolMap<SymbolMapName<'a>>,
    /// Where in memory address 0 of the file is.
    bias: u64,
}

impl<'a> Names<'a> {
    fn new(mapped: &'a Mapped, path: &Path) -> Option<Self> {
        let file = File::parse(&**mapped).ok()?;
        let maps = fs::read_to_string("/proc/self/maps").ok()?;
        let first = file.segments().find(|segment| segment.file_range().0 == 0)?;
        let bias = start(&maps, path.to_str()?)?.wrapping_sub(first.address());
        Some(Self { map: file.symbol_map(), bias })
    }

    fn at(&self, address: usize) -> Option<String> {
        // In the call, not behind it.
        let address = (address as u64).wrapping_sub(1).wrapping_sub(self.bias);
        let symbol = self.map.containing(address)?;
        Some(format!("{:#}", backtrace::SymbolName::new(symbol.name().as_bytes())))
    }
}

/// Where a file begins in memory, by the kernel's table: the line of its first page.
fn start(maps: &str, path: &str) -> Option<u64> {
    let mut lines = maps.lines();
    lines.find_map(|line| {
        let mut words = line.split_ascii_whitespace();
        let (range, offset) = (words.next()?, words.nth(1)?);
        let is_first = line.ends_with(path) && u64::from_str_radix(offset, 16) == Ok(0);
        is_first.then(|| u64::from_str_radix(range.split_once('-')?.0, 16).ok()).flatten()
    })
}

/// A name of a function, with the path of its module, as far as its file tells that: `.../bytes-1.12.0/src/buf/mod.rs` is `bytes::buf`.
fn with_path(name: &str, file: &str) -> String {
    if name.starts_with('<') || name.split('<').next().is_some_and(|name| name.contains("::")) {
        return name.to_owned();
    }
    // What it is generic over has paths longer than its own.
    let name = name.split('<').next().unwrap_or_default();
    let Some((before, module)) = file.rsplit_once("/src/") else { return name.to_owned() };
    let folder = before.rsplit('/').find(|part| *part != ".").unwrap_or_default();
    let is_version =
        |(_, rest): &(&str, &str)| rest.starts_with(|first: char| first.is_ascii_digit());
    let package = folder.rsplit_once('-').filter(is_version).map_or(folder, |(package, _)| package);
    let module = module.strip_suffix(".rs").unwrap_or(module);
    let mut path = package.replace('-', "_");
    for part in module.split('/').filter(|part| !["lib", "main", "mod"].contains(part)) {
        path = path + "::" + part;
    }
    path + "::" + name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_told_by_files() {
        for (name, file, expected) in [
            ("get", "/x/registry/src/index-1/bytes-1.12.0/src/buf/mod.rs", "bytes::buf::get"),
            ("poll<A, b::B>", "/x/runtime/connection/./src/slot.rs", "connection::slot::poll"),
            (
                "call_once<F>",
                "/rustc/59/library/core/src/ops/function.rs",
                "core::ops::function::call_once",
            ),
            ("run", "/x/tokio-util-0.7.1/src/lib.rs", "tokio_util::run"),
            ("SSL_read", "ssl_lib.cc", "SSL_read"),
            ("a::b", "/x/y/src/z.rs", "a::b"),
            ("<T as a::B>::c", "/x/y/src/z.rs", "<T as a::B>::c"),
            ("", "", ""),
        ] {
            assert_eq!(with_path(name, file), expected);
        }
    }

    #[test]
    fn a_file_is_found_in_memory() {
        let maps = "55d1000-55d2000 r--p 00001000 fe:00 12 /bin/other\n\
                    7fa0-7fb0 r--p 00000000 fe:00 12     /bin/a b\n\
                    7fb0-7fc0 r-xp 00000010 fe:00 12     /bin/a b\n\
                    x\n";
        assert_eq!(start(maps, "/bin/a b"), Some(0x7fa0));
        assert_eq!(start(maps, "/bin/other"), None);
        assert_eq!(start("", "/bin/other"), None);
    }

    #[test]
    fn own_functions_have_their_paths() {
        let here = own_functions_have_their_paths as fn() as usize;
        let found = resolve([here + 1, 2]);
        let last = found[&(here + 1)].last().unwrap();
        assert_eq!(last.name, "trilane_profile::symbols::tests::own_functions_have_their_paths");
        assert!(last.file.ends_with("symbols.rs") && last.line > 0, "{last:?}");
        assert_eq!(found[&2][0].name, "0x1");
    }
}

//! What addresses mean: functions, with those that were put into them, and their lines.

use std::path::Path;

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

/// Says what is at an address of a stack: the function, after those that the compiler has put into it. The first look reads the
/// tables of the binary, which takes some tenths of a second: not for a shard. [`forget`] gives that memory back.
pub fn resolve(address: usize, mut each: impl FnMut(Symbol)) {
    backtrace::resolve(std::ptr::without_provenance_mut(address), |symbol| {
        let name = symbol.name().map(|name| format!("{name:#}")).unwrap_or_default();
        let file = symbol.filename().map(Path::to_string_lossy).unwrap_or_default();
        each(Symbol { name, file: file.into_owned(), line: symbol.lineno().unwrap_or(0) });
    });
}

/// Forgets the tables of the binary.
pub fn forget() {
    backtrace::clear_symbol_cache();
}

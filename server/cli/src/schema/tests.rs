//! The table against the schema: what serde knows is what the table knows.

use std::collections::BTreeSet;
use std::path::Path;

use super::*;

/// The keys that a section takes, as its reader tells who writes another.
fn known(text: &str) -> Option<Vec<String>> {
    let error = Config::parse(text, Path::new("t")).unwrap_err().to_string();
    let list = error.split_once("unknown field `zz`, expected ")?.1;
    Some(list.split('`').skip(1).step_by(2).map(str::to_owned).collect())
}

/// A file in which that section has a key that is none.
fn with_unknown(path: &str) -> String {
    match path.strip_prefix("upstreams.*") {
        Some(rest) => format!("[upstreams.x{rest}]\nzz = 1\n"),
        None if path.is_empty() => "zz = 1\n".to_owned(),
        None => format!("[{path}]\nzz = 1\n"),
    }
}

#[test]
fn every_key_of_the_schema_is_in_the_table_and_no_other() {
    let table: BTreeSet<_> = keys().iter().map(|key| key.path.to_owned()).collect();
    assert_eq!(table.len(), keys().len(), "a key is in it twice");
    let whole = |path: &str| {
        let kind = keys().iter().find(|key| key.path == path).map(|key| key.kind);
        kind == Some(Kind::Table)
    };
    let (mut found, mut sections) = (BTreeSet::new(), vec![String::new()]);
    while let Some(section) = sections.pop() {
        for name in known(&with_unknown(&section)).unwrap() {
            let path = if section.is_empty() { name } else { format!("{section}.{name}") };
            let path = if path == "upstreams" { "upstreams.*".to_owned() } else { path };
            match known(&with_unknown(&path)) {
                Some(_) if !whole(&path) => sections.push(path),
                _ => drop(found.insert(path)),
            }
        }
    }
    assert_eq!(table, found);
}

#[test]
fn names_in_the_environment_are_of_one_key_each() {
    let keys = keys();
    let names: BTreeSet<_> = keys.iter().filter_map(Key::variable).collect();
    assert_eq!(names.len(), keys.iter().filter(|key| key.put.is_some()).count());
    assert!(names.contains("TRILANE_LIMITS_BODY") && names.contains("TRILANE_HTTP"));
    assert!(
        keys.iter()
            .all(|key| key.put.is_some() == (key.kind != Kind::Table && !key.path.contains('*')))
    );
}

/// What the table says of each default is what a file with nothing in it is.
#[test]
fn defaults_are_those_that_run() {
    let none = Config::default();
    for key in keys().iter().filter(|key| key.put.is_some()) {
        let Some(default) = (key.default)(&none) else { continue };
        let mut with = Config::default();
        (key.put.unwrap())(&mut with, default.clone())
            .unwrap_or_else(|error| panic!("{} = {default}: {error}", key.path));
        assert_eq!(with.limits(), none.limits(), "{}", key.path);
        assert_eq!(with.drain(), none.drain(), "{}", key.path);
        assert_eq!(with.access_log.rotation(), none.access_log.rotation(), "{}", key.path);
        #[cfg(feature = "http3")]
        assert_eq!(with.quic.settings(), none.quic.settings(), "{}", key.path);
    }
}

//! `trilane explain`: every value that `serve` would run with, who says so, what it means on each protocol, and when a change of it counts.
//!
//! What it prints is a configuration file: the same values again, with comments.

use std::fmt::Write;

use toml::{Table, Value};

use crate::args::Serve;
use crate::config::Config;
use crate::effective::{Said, Source};
use crate::run::{Failure, Kind, addresses, quic_addresses, secure_addresses};
use crate::schema::{Key, keys};

/// What stands for what nobody is to read.
const HIDDEN: &str = "***";

/// Every value that there would be with these flags, as a file.
///
/// # Errors
/// File, environment or flags cannot be used.
pub(crate) fn explain(flags: &Serve) -> Result<String, Failure> {
    let said = Said::now(flags).map_err(Failure::Config)?;
    let port = std::env::var("PORT").ok();
    print(&said, flags, port).map_err(Failure::Setting)
}

/// The text.
fn print(said: &Said, flags: &Serve, port: Option<String>) -> Result<String, String> {
    let all = keys();
    let (mut out, mut section) = (String::new(), "");
    for key in all.iter().filter(|key| !key.path.contains('*') && !key.is_list_of_tables()) {
        if key.section() != section {
            section = key.section();
            let is_off = key.is_optional && !said.has_section(section);
            let comment = if is_off { "# " } else { "" };
            let off = if is_off { ": off" } else { "" };
            let _ = writeln!(out, "\n{comment}[{section}]{off}");
        }
        if key.is_optional && !said.has_section(section) {
            continue;
        }
        let value = match listens(key, said, flags, port.clone())? {
            Some(value) => Some(value),
            None => said.value(key, key.path),
        };
        entry(&mut out, key, value);
    }
    upstreams(&mut out, said, &all);
    for name in ["hosts", "routes"] {
        let list = said.in_file(name).and_then(Value::as_array);
        for (at, entry) in list.into_iter().flatten().enumerate() {
            let line = said.line(name, Some(at));
            let place = flags.config.as_ref().map(|path| path.display().to_string());
            let _ = writeln!(out, "\n[[{name}]] # {}:{line}", place.unwrap_or_default());
            for (name, value) in entry.as_table().into_iter().flatten() {
                let _ = writeln!(out, "{name} = {}", hidden(name, value));
            }
        }
    }
    Ok(out)
}

/// One key: what it means, and what it is.
fn entry(out: &mut String, key: &Key, value: Option<(Value, Source)>) {
    let name = key.path.rsplit('.').next().unwrap_or_default();
    let _ = writeln!(out, "# {} ({})", key.doc, key.when.text());
    for (protocol, text) in ["h1", "h2", "h3"].into_iter().zip(key.on.iter().flatten()) {
        let text = if *text == "-" { "there is no such thing" } else { text };
        let _ = writeln!(out, "#   {protocol}: {text}");
    }
    let _ = match value {
        Some((value, source)) => writeln!(out, "{name} = {} # {source}", hidden(name, &value)),
        None => writeln!(out, "# {name}: not set"),
    };
}

/// Where is listened if nobody says where, which depends on other things.
fn listens(
    key: &Key,
    said: &Said,
    flags: &Serve,
    port: Option<String>,
) -> Result<Option<(Value, Source)>, String> {
    let config: &Config = &said.config;
    let is_default =
        |key: &Key| matches!(said.value(key, key.path), None | Some((_, Source::Default)));
    if !matches!(key.path, "http" | "http3") || !is_default(key) {
        return Ok(None);
    }
    let source = match &port {
        Some(_) if key.path == "http" => Source::Variable("PORT".to_owned()),
        _ => Source::Default,
    };
    let listen = if key.path == "http" {
        addresses(flags, config, port)
    } else {
        quic_addresses(flags, config, &secure_addresses(flags, config, Kind::Serve, |_| false))
    };
    let listen = listen.map_err(|error| error.to_string())?;
    let listen = listen.into_iter().map(Value::String).collect();
    Ok(Some((Value::Array(listen), source)))
}

/// The servers behind us, each group with all that it has by default.
fn upstreams(out: &mut String, said: &Said, all: &[Key]) {
    let names = said.in_file("upstreams").and_then(Value::as_table);
    for name in names.into_iter().flat_map(Table::keys) {
        let mut section = String::new();
        for key in all.iter().filter(|key| key.path.starts_with("upstreams.*")) {
            // A name in quotes may have a full stop in it: it is looked up as it is written in the file.
            let here = key.section().replacen('*', name, 1);
            if key.is_optional && said.in_file(&here).is_none() {
                continue;
            }
            if here != section {
                section = here;
                let quoted = Value::String(name.clone()).to_string();
                let _ = writeln!(out, "\n[{}]", key.section().replacen('*', &quoted, 1));
            }
            entry(out, key, said.value(key, &key.path.replacen('*', name, 1)));
        }
    }
}

/// A value without what nobody is to read: passwords, keys of programs, and what is in URLs of a Redis.
fn hidden(name: &str, value: &Value) -> Value {
    match value {
        Value::Table(table) if matches!(name, "users" | "keys") => {
            let hide = |name: &String| (name.clone(), Value::String(HIDDEN.to_owned()));
            Value::Table(table.keys().map(hide).collect())
        }
        Value::Table(table) => {
            let inner = |(name, value): (&String, &Value)| (name.clone(), hidden(name, value));
            Value::Table(table.iter().map(inner).collect())
        }
        Value::Array(list) => Value::Array(list.iter().map(|value| hidden(name, value)).collect()),
        Value::String(_) if name == "token" => Value::String(HIDDEN.to_owned()),
        Value::String(text) if name == "redis" => match text.split_once("://") {
            Some((scheme, rest)) if rest.contains('@') => {
                let host = rest.rsplit('@').next().unwrap_or_default();
                Value::String(format!("{scheme}://{HIDDEN}@{host}"))
            }
            _ => value.clone(),
        },
        _ => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::Parser;

    use super::*;
    use crate::args::Args;
    use crate::environment::Environment;

    fn explained(arguments: &[&str], file: &str, variables: &[(&str, &str)]) -> String {
        let mut flags = Args::try_parse_from([&["trilane"], arguments].concat()).unwrap().serve;
        flags.config = Some("t.toml".into());
        let variables = variables.iter().map(|(name, value)| (name.into(), value.into()));
        let environment = Environment::new(variables).unwrap();
        let said = Said::of(&flags, file.to_owned(), environment).unwrap();
        print(&said, &flags, None).unwrap()
    }

    /// What is printed is a file that says the same.
    #[test]
    fn what_is_explained_is_what_runs() {
        let file = "shards = 2\nhttps = [':1']\n[limits]\nbody = 7\n[cors]\norigins = ['https://a']\n\
                    [upstreams.a]\nservers = ['127.0.0.1:1']\ntimeouts = { response = 90 }\nhealth = { path = '/up' }\n\
                    [[hosts]]\nnames = ['x']\n[[hosts.routes]]\npath = '/x'\nrespond = 'x'\n\
                    [[routes]]\npath = '/'\nproxy = 'a'\n[[tls.certificates]]\ncertificate = 'c'\n";
        for text in ["", file] {
            let printed = explained(&[], text, &[]);
            let parse = |text: &str| Config::parse(text, Path::new("t")).unwrap();
            let (said, before) = (parse(&printed), parse(text));
            assert_eq!(said.limits(), before.limits());
            assert_eq!(said.drain(), before.drain());
            #[cfg(feature = "http3")]
            assert_eq!(said.quic.settings(), before.quic.settings());
            assert!(
                said.serves_what(&Config { files: said.files.clone(), ..before.clone() })
                    || text == file
            );
            assert_eq!((said.hosts, said.routes), (before.hosts, before.routes));
            assert_eq!(
                (said.tls.certificates, said.shards),
                (before.tls.certificates, before.shards)
            );
            assert_eq!(said.upstreams.len(), before.upstreams.len());
            assert_eq!((said.auth, said.csrf), (None, None));
            // Explained again it is the same.
            let values = |text: &str| -> Vec<String> {
                let lines = text.lines().filter(|line| !line.starts_with('#'));
                lines.map(|line| line.split(" # ").next().unwrap().to_owned()).collect()
            };
            assert_eq!(values(&explained(&[], &printed, &[])), values(&printed));
        }
    }

    #[test]
    fn everything_has_its_source() {
        let file = "h2c = true\n[limits]\nbody = 7\nhead = 8\ntarget = 9\n[auth]\nusers = { ann = 'sesame' }\n\
                    [rate_limit]\nredis = 'redis://me:sesame@r:1'\n[[routes]]\npath = '/'\nrespond = 'x'\n\
                    auth = { keys = { b = 'sesame' } }\n";
        let printed = explained(
            &["--http", ":2", "--shards", "2"],
            file,
            &[("TRILANE_LIMITS_HEAD", "10"), ("TRILANE_HTTP", ":3"), ("TRILANE_CACHE_BYTES", "5")],
        );
        for line in [
            "http = [\":2\"] # --http\n",
            "h2c = true # t.toml:1\n",
            "body = 7 # t.toml:3\n",
            "head = 10 # TRILANE_LIMITS_HEAD in the environment\n",
            "field_lines = 128 # default\n",
            "handler_timeout = 30 # default\n",
            "shards = 2 # --shards\n",
            "# cpus: not set\n",
            "# [cors]: off\n",
            "\n[cache]\n",
            "bytes = 5 # TRILANE_CACHE_BYTES in the environment\n",
            "users = { ann = \"***\" } # t.toml:7\n",
            "redis = \"redis://***@r:1\" # t.toml:9\n",
            "[[routes]] # t.toml:10\n",
            "#   h3: there is no such thing\n",
        ] {
            assert!(printed.contains(line), "{line}{printed}");
        }
        assert!(!printed.contains("sesame"), "{printed}");
    }
}

//! The Dockerfile: what it copies is there, what it builds by is the Makefile, and a linter has nothing to say.

use std::fs;

use super::{ask, of_environment, path, read, top};

/// Its instructions, each with what follows it; lines that go on are one.
fn instructions() -> Vec<(String, String)> {
    let text = read("Dockerfile").replace("\\\n", " ");
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let parts = lines.map(|line| line.split_once(' ').unwrap());
    parts
        .map(|(name, rest)| {
            (name.to_owned(), rest.split_whitespace().collect::<Vec<_>>().join(" "))
        })
        .collect()
}

fn all<'a>(instructions: &'a [(String, String)], name: &str) -> Vec<&'a str> {
    instructions.iter().filter(|(it, _)| it == name).map(|(_, rest)| rest.as_str()).collect()
}

#[test]
fn what_is_copied_and_made_is_there() {
    let instructions = instructions();
    for rest in all(&instructions, "COPY") {
        // Of the stage before: what was made, or what a package brings.
        let Some((source, _)) = rest.rsplit_once(' ').filter(|_| !rest.starts_with("--from="))
        else {
            continue;
        };
        assert!(source.split(' ').all(|source| top().join(source).exists()), "COPY {source}");
    }
    let makefile = fs::read_to_string(top().join("Makefile")).unwrap();
    assert!(
        makefile.contains("\nbinary: ")
            && makefile.contains("--profile max -p trilane-cli --bin trilane")
    );
    assert!(
        all(&instructions, "RUN")
            .iter()
            .any(|run| run.starts_with("make binary && cp target/max/trilane "))
    );
    // Of one release of Debian, which is said once; and the toolchain that the tree asks for.
    assert_eq!(all(&instructions, "ARG"), ["DEBIAN=bookworm"]);
    let manifest = fs::read_to_string(top().join("Cargo.toml")).unwrap();
    let rust = manifest.split("rust-version = \"").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(
        all(&instructions, "FROM"),
        [&format!("rust:{rust}-${{DEBIAN}} AS build"), "debian:${DEBIAN}-slim"]
    );
}

#[test]
fn it_is_nobodys_root_and_ends_by_a_drain() {
    let instructions = instructions();
    assert_eq!(all(&instructions, "USER"), ["65532:65532"]);
    assert_eq!(all(&instructions, "STOPSIGNAL"), ["SIGTERM"]);
    assert_eq!(all(&instructions, "EXPOSE"), ["8080/tcp 8443/tcp 8443/udp"]);
    let config = read("trilane.toml");
    let health = all(&instructions, "HEALTHCHECK")[0];
    assert!(
        health.ends_with(r#"CMD ["/usr/bin/trilane", "health", "http://127.0.0.1:8080/health"]"#),
        "{health}"
    );
    assert!(config.contains("http = [\":8080\"]") && config.contains("path = \"/health\""));
    assert_eq!(all(&instructions, "ENTRYPOINT"), [r#"["/usr/bin/trilane"]"#]);
    assert_eq!(
        all(&instructions, "CMD"),
        [r#"["serve", "--config", "/etc/trilane/trilane.toml"]"#]
    );
}

#[test]
fn what_is_ignored_is_not_built() {
    let ignored = read("Dockerfile.dockerignore");
    let manifest = fs::read_to_string(top().join("Cargo.toml")).unwrap();
    let members = manifest.lines().find(|line| line.starts_with("members = ")).unwrap();
    for line in ignored.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        // Of a member whole: then cargo would not find it.
        assert!(!members.contains(&format!("\"{line}\"")) && line != "Cargo.lock", "{line}");
    }
}

#[test]
fn a_linter_has_nothing_to_say() {
    let Some((is_well, said)) = ask(of_environment("hadolint").arg(path("Dockerfile"))) else {
        return;
    };
    assert!(is_well && said.is_empty(), "{said}");
}

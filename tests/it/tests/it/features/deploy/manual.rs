//! The manual page and what shells complete, as the binary writes them: programs that read such things have nothing to say.

use std::process::Command;

use super::super::super::parity::Folder;
use super::super::super::process::Process;
use super::ask;

#[test]
fn the_manual_is_of_the_form_that_readers_know() {
    let folder = Folder::new();
    let (is_well, page) = Process::said(&["man"]);
    assert!(is_well && page.contains("\n.SH SIGNALS\n"), "{page}");
    folder.write("trilane.1", &page);
    let file = folder.0.join("trilane.1");
    if let Some((is_well, said)) =
        ask(Command::new("mandoc").args(["-T", "lint", "-W", "warning"]).arg(&file))
    {
        assert!(is_well && said.is_empty(), "{said}");
    }
    let mut man = Command::new("man");
    man.args(["--warnings", "--local-file"]).arg(&file).envs([
        ("LC_ALL", "C.UTF-8"),
        ("MANWIDTH", "100"),
        ("MANPAGER", "cat"),
    ]);
    if let Some((is_well, said)) = ask(&mut man) {
        assert!(is_well && said.contains("--https") && !said.contains("warning"), "{said}");
    }
}

#[test]
fn shells_read_what_they_complete() {
    let folder = Folder::new();
    for shell in ["bash", "zsh", "fish"] {
        let (is_well, script) = Process::said(&["completions", shell]);
        assert!(is_well && script.contains("probe"), "{shell}: {script}");
        folder.write(shell, &script);
        if let Some((is_well, said)) = ask(Command::new(shell).arg("-n").arg(folder.0.join(shell)))
        {
            assert!(is_well && said.is_empty(), "{shell}: {said}");
        }
    }
    // As bash asks when somebody presses the key.
    let script = format!(
        "source {}; COMP_WORDS=(trilane serve --co); COMP_CWORD=2; _trilane trilane --co serve; echo ${{COMPREPLY[@]}}",
        folder.0.join("bash").display()
    );
    if let Some((_, said)) = ask(Command::new("bash").args(["-c", &script])) {
        assert_eq!(said.trim(), "--config");
    }
}

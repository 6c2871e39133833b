//! `trilane man` and `trilane completions SHELL`: what packages install, made of the arguments themselves.

use std::io::{self, Write};

use clap::{Arg, CommandFactory};
use clap_complete::Shell;
use roff::{Roff, bold, italic, roman};

use crate::args::Args;

/// When the words of the page were last looked at.
const DATE: &str = "2026-11-22";

/// What the arguments do not say: sections with paragraphs, each with a term, or without one.
const SECTIONS: &[(&str, &[(&str, &str)])] = &[
    (
        "FILES",
        &[
            ("/etc/trilane/trilane.toml", "What the unit of the package serves, with --config."),
            (
                "~/.local/state/trilane/certificate.pem",
                "The certificate for development, where no other is named; below $XDG_STATE_HOME, if that is set.",
            ),
        ],
    ),
    (
        "ENVIRONMENT",
        &[
            ("PORT", "The port of the address where --http listens by default."),
            (
                "TRILANE_...",
                "A key of the configuration file: its path in capitals, as in TRILANE_LIMITS_BODY. It wins over the file, and flags \
                 win over it.",
            ),
        ],
    ),
    (
        "SIGNALS",
        &[
            (
                "SIGTERM, SIGINT",
                "Accept nobody, finish what is under way, and end: within [drain] deadline, 30 seconds by default. A second one \
                 ends at once.",
            ),
            (
                "SIGHUP",
                "Read the configuration and the files that it names again, and open the access log anew. What cannot be used \
                 changes nothing.",
            ),
            (
                "SIGUSR2",
                "Start the program that stands in this one's place once more, hand it all sockets, and drain when it is ready.",
            ),
        ],
    ),
    (
        "EXIT STATUS",
        &[
            ("0", "All went well."),
            ("1", "It did not; standard error says why, and what to do."),
            ("2", "The arguments are wrong."),
        ],
    ),
    (
        "EXAMPLES",
        &[
            ("trilane serve --root /srv/www --http :8080", "The files below a directory."),
            (
                "trilane check --config /etc/trilane/trilane.toml",
                "Whether a file would do, before a restart.",
            ),
            ("trilane probe https://example.org/", "What a server speaks."),
        ],
    ),
    (
        "SEE ALSO",
        &[(
            "",
            "README.md, for the keys of the configuration file; CAPACITY.md, for limits of the system.",
        )],
    ),
];

/// The manual page, trilane(1).
///
/// # Errors
/// What the writer says.
pub(crate) fn man(out: &mut dyn Write) -> io::Result<()> {
    let mut command = Args::command().disable_help_subcommand(true);
    command.build();
    let mut page = Roff::new();
    let source = format!("trilane {}", env!("CARGO_PKG_VERSION"));
    page.control("TH", ["trilane", "1", DATE, &source, "User Commands"]);
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    page.control("SH", ["NAME"]).text([roman(format!("trilane - {about}"))]);
    page.control("SH", ["SYNOPSIS"]).text([bold("trilane"), roman(" [OPTIONS]")]);
    page.control("PP", []).text([bold("trilane"), roman(" COMMAND [OPTIONS]")]);
    page.control("SH", ["OPTIONS"]);
    arguments(&mut page, command.get_arguments());
    page.control("SH", ["COMMANDS"]);
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        let about = sub.get_about().map(ToString::to_string).unwrap_or_default();
        page.control("TP", []).text([bold(format!("trilane {}", sub.get_name()))]);
        page.text([roman(about)]);
        // Those that are nobody else's.
        let is_of_all = |arg: &&Arg| command.get_arguments().any(|it| it.get_id() == arg.get_id());
        let own: Vec<_> = sub.get_arguments().filter(|arg| !is_of_all(arg)).collect();
        if !own.is_empty() {
            page.control("RS", []);
            arguments(&mut page, own.into_iter());
            page.control("RE", []);
        }
    }
    for (name, paragraphs) in SECTIONS {
        page.control("SH", [*name]);
        for (term, said) in *paragraphs {
            if !term.is_empty() {
                page.control("TP", []).text([bold(*term)]);
            }
            page.text([roman(*said)]);
        }
    }
    out.write_all(quoted(&page.to_roff()).as_bytes())
}

/// Each with what it takes, and what that may be.
fn arguments<'a>(page: &mut Roff, all: impl Iterator<Item = &'a Arg>) {
    for arg in all.filter(|arg| !arg.is_hide_set()) {
        let names = arg.get_value_names().unwrap_or_default();
        let value = names.first().map(ToString::to_string).unwrap_or_default();
        let mut term = match arg.get_long() {
            Some(long) => vec![bold(format!("--{long}"))],
            None => Vec::new(),
        };
        if arg.get_action().takes_values() {
            term.extend([roman(" "), italic(value)]);
        }
        page.control("TP", []).text(term);
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let values = arg.get_possible_values();
        let values: Vec<_> = values.iter().map(|value| format!("`{}`", value.get_name())).collect();
        let choice = if values.is_empty() || !arg.get_action().takes_values() {
            String::new()
        } else {
            format!(" It is one of {}.", values.join(", "))
        };
        page.text([roman(format!("{help}.{choice}"))]);
    }
}

/// Words between backticks in bold, as manual pages have them.
fn quoted(text: &str) -> String {
    let mut parts = text.split('`');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for (at, part) in parts.enumerate() {
        out.push_str(if at % 2 == 0 { "\\fB" } else { "\\fR" });
        out.push_str(part);
    }
    out
}

/// What a shell reads to complete our arguments.
///
/// # Errors
/// What the writer says.
pub(crate) fn completions(shell: Shell, out: &mut dyn Write) -> io::Result<()> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "trilane", &mut text);
    out.write_all(&text)
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    fn text(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> String {
        let mut text = Vec::new();
        write(&mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    /// Each flag and command that is shown, once and with those of the commands.
    fn flags() -> Vec<String> {
        let mut command = Args::command().disable_help_subcommand(true);
        command.build();
        let shown = command.get_subcommands().filter(|sub| !sub.is_hide_set());
        let all: Vec<_> = shown.chain([&command]).collect();
        let names = all.iter().map(|command| command.get_name().to_owned());
        let longs = all.iter().flat_map(|command| command.get_arguments());
        let longs = longs.filter_map(|arg| arg.get_long().map(str::to_owned));
        names.chain(longs).collect()
    }

    #[test]
    fn the_manual_has_every_flag_and_command() {
        let page = text(man);
        assert!(page.contains(".TH trilane 1") && !page.contains('`'), "{page}");
        for flag in flags() {
            // In roff a dash that is no hyphen is escaped.
            assert!(page.contains(&flag.replace('-', "\\-")), "{flag} is not in {page}");
        }
        for (section, _) in SECTIONS {
            assert!(
                page.contains(&format!(".SH \"{section}\""))
                    || page.contains(&format!(".SH {section}")),
                "{section}"
            );
        }
    }

    #[test]
    fn each_shell_completes_every_flag_and_command() {
        for shell in Shell::value_variants() {
            let script = text(|out| completions(*shell, out));
            for flag in flags() {
                assert!(script.contains(&flag), "{shell}: {flag}");
            }
        }
    }

    #[test]
    fn backticks_become_bold() {
        assert_eq!(quoted("a `b` c `d`"), "a \\fBb\\fR c \\fBd\\fR");
        assert_eq!(quoted("a"), "a");
    }
}

//! The two forms of the text: OpenMetrics, and Prometheus' own, which is made of it.

use std::fmt::Write as _;

use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::registry::Registry;
use trilane_semantics::Fields;

use crate::accept::accepts;

/// Which form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    OpenMetrics,
    Prometheus,
}

impl Form {
    /// What a request asks for.
    pub(super) fn asked_for(fields: &Fields) -> Self {
        let wants_open = accepts(fields, b"application/openmetrics-text");
        if wants_open { Self::OpenMetrics } else { Self::Prometheus }
    }

    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// What is in these registries.
pub(super) fn render(registries: &[&Registry], form: Form) -> String {
    let mut open = String::with_capacity(16 << 10);
    // Writing to a string cannot fail; a user's own metric may, and is then the last that is shown.
    let _ = registries.iter().try_for_each(|registry| encode_registry(&mut open, registry));
    match form {
        Form::OpenMetrics => {
            let _ = encode_eof(&mut open);
            open
        }
        Form::Prometheus => prometheus(&open),
    }
}

/// The same in format 0.0.4. There a counter is called by the name that its samples have, types have other names, and there are no
/// units.
fn prometheus(open: &str) -> String {
    let mut out = String::with_capacity(open.len() + open.len() / 16);
    let mut lines = open.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(help) = line.strip_prefix("# HELP ") else {
            if !line.starts_with("# UNIT ") {
                let _ = writeln!(out, "{line}");
            }
            continue;
        };
        let (name, help) = help.split_once(' ').unwrap_or((help, ""));
        let kind = lines.next_if(|line| line.starts_with("# TYPE "));
        let kind = kind.and_then(|line| line.rsplit(' ').next()).unwrap_or("unknown");
        let (suffix, kind) = match kind {
            "counter" => ("_total", kind),
            "info" => ("_info", "gauge"),
            "unknown" => ("", "untyped"),
            _ => ("", kind),
        };
        let _ = writeln!(out, "# HELP {name}{suffix} {help}\n# TYPE {name}{suffix} {kind}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_have_the_names_of_their_samples() {
        let open = "# HELP a_b Things: a b.\n# TYPE a_b counter\n# UNIT a_b b\na_b_total{x=\"# TYPE a\"} 1\n\
                    # HELP c .\n# TYPE c gauge\nc 2\n# HELP d .\n# TYPE d info\nd_info 1\n\
                    # HELP e .\n# TYPE e unknown\ne 1\n";
        let expected = "# HELP a_b_total Things: a b.\n# TYPE a_b_total counter\na_b_total{x=\"# TYPE a\"} 1\n\
                        # HELP c .\n# TYPE c gauge\nc 2\n# HELP d_info .\n# TYPE d_info gauge\nd_info 1\n\
                        # HELP e .\n# TYPE e untyped\ne 1\n";
        assert_eq!(prometheus(open), expected);
    }
}

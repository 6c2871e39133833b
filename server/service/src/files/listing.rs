//! A page that lists a directory: what would be served of it, and nothing else.

use std::io;

use rustix::fs::Dir;

use super::name;
use super::open::Root;
use super::options::Options;
use crate::text::timestamp;

/// At most so many names are listed.
const MOST: usize = 2000;

/// The page for a directory, whose name ends with a slash or is empty.
pub(super) fn page(root: &Root<'_>, directory: &str, options: &Options) -> io::Result<String> {
    let (mut entries, mut is_cut) = (Vec::new(), false);
    for entry in Dir::new(root.read(directory)?)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().to_str() else { continue };
        if !name::is_clean(name, options.hidden_files) {
            continue;
        }
        if entries.len() == MOST {
            is_cut = true;
            break;
        }
        // What cannot be looked at would be 404.
        let Ok(metadata) = root.look(&[directory, name].concat()) else { continue };
        if metadata.is_dir() || metadata.is_file() {
            entries.push((!metadata.is_dir(), name.to_owned(), metadata));
        }
    }
    entries.sort_unstable_by(|one, other| (one.0, &one.1).cmp(&(other.0, &other.1)));
    let mut page = String::with_capacity(512 + entries.len() * 128);
    let title = ["Index of /", directory].concat();
    page.push_str("<!doctype html>\n<meta charset=\"utf-8\">\n<title>");
    escape(&mut page, &title);
    page.push_str("</title>\n<meta name=\"viewport\" content=\"width=device-width\">\n<h1>");
    escape(&mut page, &title);
    page.push_str("</h1>\n<table>\n");
    if !directory.is_empty() {
        page.push_str("<tr><td><a href=\"../\">../</a>\n");
    }
    for (is_file, name, metadata) in &entries {
        let slash = if *is_file { "" } else { "/" };
        page.push_str("<tr><td><a href=\"./");
        encode(&mut page, name);
        page.push_str(slash);
        page.push_str("\">");
        escape(&mut page, name);
        page.push_str(slash);
        page.push_str("</a><td>");
        if *is_file {
            page.push_str(&metadata.len().to_string());
        }
        page.push_str("<td>");
        if let Ok(modified) = metadata.modified() {
            timestamp(&mut page, modified);
        }
        page.push('\n');
    }
    page.push_str("</table>\n");
    if is_cut {
        page.push_str("<p>There is more.\n");
    }
    Ok(page)
}

/// Text, as content and as the value of an attribute.
fn escape(out: &mut String, text: &str) {
    for char in text.chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            char => out.push(char),
        }
    }
}

/// A segment of a path (RFC 3986 §2.1): all is encoded but what is unreserved.
fn encode(out: &mut String, segment: &str) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in segment.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte.into());
        } else {
            out.push('%');
            out.push(HEX[usize::from(byte >> 4)].into());
            out.push(HEX[usize::from(byte & 15)].into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_name_is_markup() {
        let (mut text, mut link) = (String::new(), String::new());
        escape(&mut text, "<a href=\"x\">'&");
        encode(&mut link, "<a href=\"x\">'&?#%/:\u{e9}");
        assert_eq!(text, "&lt;a href=&quot;x&quot;&gt;&#39;&amp;");
        assert_eq!(link, "%3Ca%20href%3D%22x%22%3E%27%26%3F%23%25%2F%3A%C3%A9");
    }
}

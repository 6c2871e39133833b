//! The extension permessage-deflate: what a client offers, and what is agreed on (RFC 6455 §9.1, RFC 7692 §7.1).

use std::fmt;

/// The name of the extension.
const NAME: &str = "permessage-deflate";
/// Offers that are looked at, of one handshake.
const OFFERS: usize = 16;
/// The largest window, 2^15 bytes (RFC 7692 §7.1.2).
const LARGEST: u8 = 15;
/// The smallest one that zlib deflates into.
const SMALLEST: u8 = 9;

/// How messages are compressed, where the client offers it.
///
/// By default no message refers to those before it, so that all connections of a thread share a deflater (300 KiB) and an inflater (60
/// KiB), and an idle connection has neither. With contexts, chatty connections with messages alike are several times smaller on
/// the wire, and each takes that memory for itself; [`Deflate::windows`] makes it less.
///
/// ```
/// use trilane_websocket::Deflate;
/// let agreed = Deflate::new().contexts(true, false).accept("permessage-deflate; server_max_window_bits=10")?;
/// assert_eq!(
///     agreed.unwrap().to_string(),
///     "permessage-deflate; client_no_context_takeover; server_max_window_bits=10"
/// );
/// # Ok::<(), trilane_websocket::Malformed>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deflate {
    level: u8,
    from: usize,
    server_context: bool,
    client_context: bool,
    server_bits: u8,
    client_bits: u8,
}

impl Deflate {
    /// Level 1, messages from 128 bytes, no contexts, any window.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            level: 1,
            from: 128,
            server_context: false,
            client_context: false,
            server_bits: LARGEST,
            client_bits: LARGEST,
        }
    }

    /// How hard to try, from 1 (fast) to 9.
    #[must_use]
    pub fn level(self, level: u8) -> Self {
        Self { level: level.clamp(1, 9), ..self }
    }

    /// Messages of fewer bytes than that go as they are, and so do those that would not become smaller, unless they may be referred
    /// to. With 0 all are deflated.
    #[must_use]
    pub const fn from(self, from: usize) -> Self {
        Self { from, ..self }
    }

    /// Whether messages may refer to those before them, ours and the client's. Each costs a connection memory of its own.
    #[must_use]
    pub const fn contexts(self, server: bool, client: bool) -> Self {
        Self { server_context: server, client_context: client, ..self }
    }

    /// The largest windows, ours and the client's: 2^9 to 2^15 bytes. The client's only counts where it can be told.
    #[must_use]
    pub fn windows(self, server_bits: u8, client_bits: u8) -> Self {
        let fitting = |bits: u8| bits.clamp(SMALLEST, LARGEST);
        Self { server_bits: fitting(server_bits), client_bits: fitting(client_bits), ..self }
    }

    /// Agrees on the first of the offers in a `Sec-WebSocket-Extensions` field that can be met; on none, compression is off.
    ///
    /// # Errors
    /// The field does not follow its grammar (RFC 6455 §9.1): the handshake fails.
    pub fn accept(&self, offers: &str) -> Result<Option<Agreed>, Malformed> {
        let mut agreed = None;
        for (count, offer) in split(offers, ',').enumerate() {
            let offer = offer.trim_matches([' ', '\t']);
            // RFC 9110 §5.6.1: empty members of a list are ignored.
            if offer.is_empty() {
                continue;
            }
            let mut parts = split(offer, ';').map(|part| part.trim_matches([' ', '\t']));
            let name = parts.next().filter(|name| is_token(name)).ok_or(Malformed)?;
            let params: Vec<_> = parts.map(param).collect::<Result<_, _>>()?;
            if agreed.is_none() && count < OFFERS && name.eq_ignore_ascii_case(NAME) {
                agreed = self.meet(&params);
            }
        }
        Ok(agreed)
    }

    /// What one offer comes to; `None` declines it (RFC 7692 §7.1).
    fn meet(&self, params: &[(&str, Option<String>)]) -> Option<Agreed> {
        let mut agreed = Agreed {
            server_context: self.server_context,
            client_context: self.client_context,
            server_bits: self.server_bits,
            client_bits: LARGEST,
            tells_server_bits: false,
            tells_client_bits: false,
            level: self.level,
            from: self.from,
        };
        for (at, (name, value)) in params.iter().enumerate() {
            // §7.1: a parameter that comes twice declines the offer.
            if params[..at].iter().any(|(other, _)| other == name) {
                return None;
            }
            match (*name, value) {
                // §7.1.1.1: MUST be answered in kind.
                ("server_no_context_takeover", None) => agreed.server_context = false,
                ("client_no_context_takeover", None) => agreed.client_context = false,
                // §7.1.2.1: the same or less. zlib has no window of 2^8 to deflate into.
                ("server_max_window_bits", Some(value)) => {
                    let most = bits(value).filter(|bits| *bits >= SMALLEST)?;
                    agreed.server_bits = self.server_bits.min(most);
                    agreed.tells_server_bits = true;
                }
                // §7.1.2.2: a hint, with or without a number; only whoever gives it can be told.
                ("client_max_window_bits", value) => {
                    let most = value.as_ref().map_or(Some(LARGEST), |value| bits(value))?;
                    agreed.client_bits = self.client_bits.min(most);
                    agreed.tells_client_bits = true;
                }
                _ => return None,
            }
        }
        Some(agreed)
    }
}

impl Default for Deflate {
    fn default() -> Self {
        Self::new()
    }
}

/// What is agreed on. Its text is the answer in `Sec-WebSocket-Extensions`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreed {
    pub(crate) server_context: bool,
    pub(crate) client_context: bool,
    pub(crate) server_bits: u8,
    pub(crate) client_bits: u8,
    tells_server_bits: bool,
    tells_client_bits: bool,
    pub(crate) level: u8,
    pub(crate) from: usize,
}

impl fmt::Display for Agreed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAME)?;
        if !self.server_context {
            f.write_str("; server_no_context_takeover")?;
        }
        if !self.client_context {
            f.write_str("; client_no_context_takeover")?;
        }
        if self.tells_server_bits {
            write!(f, "; server_max_window_bits={}", self.server_bits)?;
        }
        if self.tells_client_bits {
            write!(f, "; client_max_window_bits={}", self.client_bits)?;
        }
        Ok(())
    }
}

/// A list of extensions that does not follow its grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a malformed list of extensions")
    }
}

impl std::error::Error for Malformed {}

/// A window: 8 to 15, without a zero before it (§7.1.2).
fn bits(value: &str) -> Option<u8> {
    let is_plain = !value.starts_with('0') && value.bytes().all(|byte| byte.is_ascii_digit());
    value.parse().ok().filter(|bits| is_plain && (8..=LARGEST).contains(bits))
}

/// The parts between separators that stand outside of quotes.
fn split(list: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    list.split(move |char| {
        let is_separator = char == separator && !is_quoted;
        match char {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            _ => (),
        }
        is_separator
    })
}

/// A parameter: a name, and perhaps a value, which is a token even where it is quoted (RFC 6455 §9.1).
fn param(text: &str) -> Result<(&str, Option<String>), Malformed> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (text, None),
    };
    let name = name.trim_matches([' ', '\t']);
    let value = value.map(|value| {
        let value = value.trim_matches([' ', '\t']);
        match value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            Some(quoted) => quoted.replace('\\', ""),
            None => value.to_owned(),
        }
    });
    let is_good = is_token(name) && value.as_ref().is_none_or(|value| is_token(value));
    if is_good { Ok((name, value)) } else { Err(Malformed) }
}

/// A token (RFC 9110 §5.6.2).
fn is_token(text: &str) -> bool {
    let is_char = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_char)
}

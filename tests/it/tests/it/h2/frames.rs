//! Frames and field blocks as bytes, written by hand: what is sent here need not be what RFC 9113 or RFC 7541 allow. It knows
//! no tables and reads nothing.

/// The client's preface, before its SETTINGS (RFC 9113 §3.4).
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Types of frames (RFC 9113 §6, RFC 9218 §7.1).
pub(crate) mod kind {
    pub(crate) const DATA: u8 = 0;
    pub(crate) const HEADERS: u8 = 1;
    pub(crate) const PRIORITY: u8 = 2;
    pub(crate) const RST_STREAM: u8 = 3;
    pub(crate) const SETTINGS: u8 = 4;
    pub(crate) const PUSH_PROMISE: u8 = 5;
    pub(crate) const PING: u8 = 6;
    pub(crate) const GOAWAY: u8 = 7;
    pub(crate) const WINDOW_UPDATE: u8 = 8;
    pub(crate) const CONTINUATION: u8 = 9;
    pub(crate) const PRIORITY_UPDATE: u8 = 16;
    /// None that anybody knows.
    pub(crate) const UNKNOWN: u8 = 0xfa;
}

/// Flags; one bit may mean two things.
pub(crate) mod flag {
    pub(crate) const ACK: u8 = 1;
    pub(crate) const END_STREAM: u8 = 1;
    pub(crate) const END_HEADERS: u8 = 4;
    pub(crate) const PADDED: u8 = 8;
    pub(crate) const PRIORITY: u8 = 0x20;
}

/// Error codes (RFC 9113 §7).
pub(crate) mod code {
    pub(crate) const NO_ERROR: u32 = 0;
    pub(crate) const PROTOCOL: u32 = 1;
    pub(crate) const FLOW_CONTROL: u32 = 3;
    pub(crate) const STREAM_CLOSED: u32 = 5;
    pub(crate) const FRAME_SIZE: u32 = 6;
    pub(crate) const REFUSED_STREAM: u32 = 7;
    pub(crate) const CANCEL: u32 = 8;
    pub(crate) const COMPRESSION: u32 = 9;
    pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;
}

/// Appends a frame.
pub(crate) fn write(bytes: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    bytes.extend_from_slice(&(payload.len() as u32).to_be_bytes()[1..]);
    bytes.extend_from_slice(&[kind, flags]);
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
}

/// A frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(9 + payload.len());
    write(&mut bytes, kind, flags, stream, payload);
    bytes
}

/// A frame whose payload is one number.
pub(crate) fn number(kind: u8, stream: u32, number: u32) -> Vec<u8> {
    frame(kind, 0, stream, &number.to_be_bytes())
}

/// SETTINGS with these, in this order.
pub(crate) fn settings(all: &[(u16, u32)]) -> Vec<u8> {
    let one = |(id, value): &(u16, u32)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat();
    frame(kind::SETTINGS, 0, 0, &all.iter().flat_map(one).collect::<Vec<_>>())
}

/// PING.
pub(crate) fn ping(payload: &[u8; 8]) -> Vec<u8> {
    frame(kind::PING, 0, 0, payload)
}

/// DATA.
pub(crate) fn data(flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    frame(kind::DATA, flags, stream, payload)
}

/// WINDOW_UPDATE.
pub(crate) fn window(stream: u32, by: u32) -> Vec<u8> {
    number(kind::WINDOW_UPDATE, stream, by)
}

/// RST_STREAM.
pub(crate) fn reset(stream: u32, code: u32) -> Vec<u8> {
    number(kind::RST_STREAM, stream, code)
}

/// HEADERS with all of this block.
pub(crate) fn headers(flags: u8, stream: u32, block: &[u8]) -> Vec<u8> {
    frame(kind::HEADERS, flags | flag::END_HEADERS, stream, block)
}

/// The four pseudo-fields of a request.
pub(crate) fn pseudo<'p>(method: &'p str, path: &'p str) -> [(&'p str, &'p str); 4] {
    [(":method", method), (":scheme", "http"), (":path", path), (":authority", "it")]
}

/// `GET path`, whole.
pub(crate) fn get(stream: u32, path: &str) -> Vec<u8> {
    headers(flag::END_STREAM, stream, &block(&pseudo("GET", path)))
}

/// The head of `POST path` with these fields; its content is to follow.
pub(crate) fn post(stream: u32, path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    headers(0, stream, &[block(&pseudo("POST", path)), block(more)].concat())
}

/// Field lines in plain literals that no table learns (RFC 7541 §6.2.3): blocks can be repeated, cut and left out.
pub(crate) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let line = |(name, value): &(&str, &str)| literal(0x10, name.as_bytes(), value.as_bytes());
    fields.iter().flat_map(line).collect()
}

/// A literal with a new name, of the representation that begins with these bits (RFC 7541 §6.2).
pub(crate) fn literal(representation: u8, name: &[u8], value: &[u8]) -> Vec<u8> {
    [vec![representation], string(name), string(value)].concat()
}

/// A string as it is, without the Huffman code (RFC 7541 §5.2).
pub(crate) fn string(bytes: &[u8]) -> Vec<u8> {
    let mut all = integer(0, 7, bytes.len());
    all.extend_from_slice(bytes);
    all
}

/// A number whose prefix has so many bits, beside these (RFC 7541 §5.1).
pub(crate) fn integer(beside: u8, bits: u32, n: usize) -> Vec<u8> {
    let most = (1 << bits) - 1;
    if n < most {
        return vec![beside | n as u8];
    }
    let (mut bytes, mut rest) = (vec![beside | most as u8], n - most);
    while rest >= 128 {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
    bytes
}

//! Requests that a proxy could understand otherwise than who is behind it (RFC 9112 §11.2): each is sent to a front as it is, and
//! then the upstream tells what it has understood. Either the front refuses, or the upstream saw exactly what the front did;
//! nothing besides; and each answer is its own request's.
//!
//! The rows are those of `hostile`, and `proxied` has more, of what only proxies have to do. What `h2` and `h3` have of malformed
//! messages goes through too: whatever the upstream sees of it is a whole request with one framing (RFC 9113 §10.3, RFC 9114 §10.3).

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use trilane::proxy::Terms;

use super::lenient::{Kind, Lenient, Seen};
use super::proxied;
use crate::hostile::{Row, Wire, rows};
use crate::parity::{House, front};
use crate::{h2, h3};

/// What is sent after each row on the same connection, and then on another one, which gets the same upstream connections.
const PROBE: &str = "/probe";
const CLEAN: &str = "/clean";

/// A request as the rows mean it, read by splitting: rows that are accepted are well-formed, so that nothing has to be judged.
#[derive(Debug, Default, PartialEq, Eq)]
struct Meant {
    method: String,
    target: String,
    content: String,
    /// Fields that are for the front alone (RFC 9110 §7.6.1).
    hops: Vec<String>,
}

impl Meant {
    /// The next one; what is left of the bytes.
    fn read(bytes: &str) -> Option<(Self, &str)> {
        let (head, mut rest) = bytes.trim_start_matches("\r\n").split_once("\r\n\r\n")?;
        let mut lines = head.split("\r\n");
        let mut words = lines.next()?.split(' ');
        let (method, target) = (words.next()?.to_owned(), words.next()?);
        let fields: Vec<_> = lines.filter_map(|line| line.split_once(':')).collect();
        let all = |name: &'static str| {
            fields.iter().filter(move |it| it.0.eq_ignore_ascii_case(name)).map(|it| it.1.trim())
        };
        let mut content = String::new();
        if let Some(length) = all("content-length").next() {
            let length = length.parse().ok()?;
            content = rest.get(..length)?.to_owned();
            rest = &rest[length..];
        } else if all("transfer-encoding").next().is_some() {
            loop {
                let (size, data) = rest.split_once("\r\n")?;
                let size = usize::from_str_radix(size.split(';').next()?.trim(), 16).ok()?;
                if size == 0 {
                    // Trailers, up to an empty line.
                    rest = if let Some(rest) = data.strip_prefix("\r\n") {
                        rest
                    } else {
                        data.split_once("\r\n\r\n")?.1
                    };
                    break;
                }
                content.push_str(data.get(..size)?);
                rest = data.get(size + 2..)?;
            }
        }
        let options = all("connection").flat_map(|value| value.split(','));
        let hops = options.map(|it| it.trim().to_ascii_lowercase()).collect();
        Some((Self { target: origin(&method, target), method, content, hops }, rest))
    }
}

impl Meant {
    fn is(&self, seen: &Seen) -> bool {
        (&seen.method, &seen.target, &seen.content) == (&self.method, &self.target, &self.content)
    }
}

/// The target that an origin server is sent (RFC 9112 §3.2.1, §3.2.2).
fn origin(method: &str, target: &str) -> String {
    let Some((_, rest)) = target.split_once("://").filter(|_| !target.starts_with('/')) else {
        return target.to_owned();
    };
    match rest.find(['/', '?']) {
        Some(at) if rest[at..].starts_with('/') => rest[at..].to_owned(),
        Some(at) => format!("/{}", &rest[at..]),
        // RFC 9112 §3.2.4: the last proxy MUST send `*`.
        None if method == "OPTIONS" => "*".to_owned(),
        None => "/".to_owned(),
    }
}

/// A character a byte, as the upstreams tell content.
fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}

/// Whether it is what an upstream answers.
fn is_id(text: &str) -> bool {
    text.split_once('.').is_some_and(|(a, b)| a.parse::<u32>().is_ok() && b.parse::<u32>().is_ok())
}

/// What is wrong with a request that has been sent on, whatever it was.
fn wrong_in(seen: &Seen, hops: &[String]) -> Option<String> {
    if let Some(error) = &seen.error {
        return Some(format!("the upstream refuses it: {error}"));
    }
    let (lengths, codings) = (seen.values("content-length"), seen.values("transfer-encoding"));
    if seen.values("host").len() != 1 {
        return Some("not one Host (RFC 9112 §3.2)".to_owned());
    }
    if !(lengths.is_empty() || codings.is_empty()) || lengths.len() > 1 || codings.len() > 1 {
        return Some("two framings (RFC 9112 §6.3)".to_owned());
    }
    if lengths.iter().any(|it| *it != seen.content.len().to_string())
        || codings.iter().any(|it| *it != "chunked")
    {
        return Some("its framing is another (RFC 9112 §6)".to_owned());
    }
    // The front has framing, connections and a view of its client of its own. Host is no option (RFC 9110 §7.6.1), and Via is what ends
    // loops.
    let own = [
        "host",
        "content-length",
        "transfer-encoding",
        "connection",
        "close",
        "keep-alive",
        "upgrade",
        "x-forwarded-for",
        "via",
        "",
    ];
    let hops = hops.iter().map(|it| &**it).filter(|it| !own.contains(it));
    let mut known = ["proxy-connection", "te", "http2-settings"].into_iter();
    hops.chain(&mut known)
        .find(|name| !seen.values(name).is_empty() && seen.values(name) != ["trailers"])
        .map(|name| format!("{name} is sent on (RFC 9110 §7.6.1)"))
}

/// Sends one row and looks at what came of it; what is wrong then.
fn check(front: SocketAddr, upstream: &Lenient, row: &Row) -> Result<(), String> {
    let mut wire = Wire::open(front);
    wire.send(&row.bytes);
    if row.half_closes() {
        let _ = wire.shut();
    } else {
        wire.send(probe(PROBE).as_bytes());
    }
    // Answers, until there are no more, or the probe has its own.
    let all = [&row.bytes[..], probe(PROBE).as_bytes()].concat();
    let text = latin1(&all);
    let mut rest = &*text;
    let mut answered = Vec::new();
    loop {
        let meant = Meant::read(rest);
        let is_head = meant.as_ref().is_some_and(|it| it.0.method == "HEAD");
        let Ok(reply) = wire.reply(is_head) else { break };
        let id = String::from_utf8_lossy(&reply.body).into_owned();
        let is_passed = if is_head { reply.status == 200 } else { is_id(&id) };
        let is_probe = meant.as_ref().is_some_and(|it| it.0.target == PROBE);
        if let Some((_, left)) = &meant {
            rest = left;
        }
        answered.push((meant.map(|it| it.0), is_passed, id, is_head));
        if is_probe {
            break;
        }
    }
    let seen = seen_since(front, upstream)?;
    // One by one: who was answered by the upstream was understood by it, and nothing else was.
    let mut seen = seen.into_iter().peekable();
    for (at, (meant, is_passed, id, is_head)) in answered.iter().enumerate() {
        if row.refuses(at) && *is_passed {
            return Err(format!("answer {at} is no refusal"));
        }
        if !is_passed {
            // An upstream may refuse what the front had no reason to, such as a method that it does not know.
            let _ = seen.next_if(|it| it.error.is_some() && !row.refuses(at));
            continue;
        }
        let (Some(meant), Some(seen)) = (meant, seen.next()) else {
            return Err(format!("answer {at} is nobody's: {id}"));
        };
        if seen.id != *id && !is_head {
            return Err(format!("answer {at} is {id}, and not {seen:?}"));
        }
        if !meant.is(&seen) {
            return Err(format!("{meant:?} was understood as {seen:?}"));
        }
        wrong_in(&seen, &meant.hops).map_or(Ok(()), |why| Err(format!("{why}: {seen:?}")))?;
    }
    // Who half-closes while a server works has left: nobody is answered, though the server was asked.
    if row.half_closes() && answered.iter().all(|it| it.1) {
        let meant = Meant::read(rest).map(|it| it.0);
        let _ = seen.next_if(|it| meant.is_some_and(|meant| meant.is(it)));
    }
    match seen.next() {
        Some(more) => Err(format!("nobody's request: {more:?}")),
        None => Ok(()),
    }
}

/// What the upstream has seen since it was asked last; somebody else asks now, who must notice nothing.
fn seen_since(front: SocketAddr, upstream: &Lenient) -> Result<Vec<Seen>, String> {
    let mut other = Wire::open(front);
    other.send(probe(CLEAN).as_bytes());
    let reply = other.reply(false).map_err(|why| format!("somebody else: {why}"))?;
    let id = String::from_utf8_lossy(&reply.body).into_owned();
    if reply.status != 200 {
        return Err(format!("somebody else is answered {}", reply.status));
    }
    let mut seen = upstream.seen(&id);
    let clean = seen.pop().ok_or("nothing was seen")?;
    if (&*clean.target, &*clean.method, &*clean.content) != (CLEAN, "GET", "") {
        return Err(format!("somebody else's request is {clean:?}"));
    }
    wrong_in(&clean, &[]).map_or(Ok(seen), |why| Err(format!("somebody else's: {why}")))
}

/// What is wrong with what the upstream has seen of a case of `h2` or `h3`.
fn check_streams(front: SocketAddr, upstream: &Lenient) -> Result<usize, String> {
    let seen = seen_since(front, upstream)?;
    // A method that it does not know an upstream may refuse.
    let is_unknown = |it: &&Seen| it.error.as_deref() == Some("HPE_INVALID_METHOD");
    for seen in seen.iter().filter(|it| !is_unknown(it)) {
        let is_odd = |text: &str| text.bytes().any(|byte| byte <= b' ' || byte == 0x7f);
        if is_odd(&seen.method) || is_odd(&seen.target) {
            return Err(format!("two lines in one: {seen:?}"));
        }
        wrong_in(seen, &[]).map_or(Ok(()), |why| Err(format!("{why}: {seen:?}")))?;
    }
    Ok(seen.len())
}

/// A request of this suite's own.
fn probe(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: probe\r\n\r\n")
}

/// What a front gets wrong of all rows.
fn wrong(front: SocketAddr, upstream: &Lenient) -> Vec<String> {
    let all = rows().into_iter().chain(proxied::rows());
    // Other limits are in force here.
    let all = all.filter(|row| !row.is_about_limits());
    all.filter_map(|row| Some(format!("{}: {}", row.text(), check(front, upstream, &row).err()?)))
        .collect()
}

/// A front that reads lengths alone, and passes on what it has read as it is, over one connection.
fn naive(upstream: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let behind = Arc::new(Mutex::new(Wire::open(upstream)));
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let behind = Arc::clone(&behind);
            std::thread::spawn(move || pass(client, &behind));
        }
    });
    address
}

fn pass(mut client: TcpStream, behind: &Mutex<Wire>) {
    let mut input = Vec::new();
    while let Some((head, length)) = next(&mut client, &mut input) {
        let mut behind = behind.lock().unwrap();
        behind.send(&input.drain(..head + length).collect::<Vec<_>>());
        let Ok(reply) = behind.reply(false) else { return };
        let _ = client.write_all(reply.head.as_bytes());
        let _ = client.write_all(&reply.body);
    }
}

/// Reads a request: the length of its head, and of its content.
fn next(client: &mut TcpStream, input: &mut Vec<u8>) -> Option<(usize, usize)> {
    let mut buffer = [0; 4096];
    loop {
        let text = latin1(input);
        if let Some((head, content)) = text.split_once("\r\n\r\n") {
            let field = head.split("\r\n").find_map(|it| it.strip_prefix("Content-Length: "));
            let length = field.and_then(|it| it.parse().ok()).unwrap_or(0);
            if content.len() >= length {
                return Some((head.len() + 4, length));
            }
        }
        match client.read(&mut buffer) {
            Ok(n) if n > 0 => input.extend_from_slice(&buffer[..n]),
            _ => return None,
        }
    }
}

/// These are found where they are.
#[test]
fn a_front_that_reads_otherwise_is_found() {
    let Some(upstream) = Lenient::start(Kind::Python) else { return };
    let front = naive(upstream.address);
    let row = |bytes: &str| Row::new("9112 11.2", bytes, "h200+");
    let content = "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n";
    let head = format!("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n", content.len());
    let honest = row(&format!("{head}\r\n{content}"));
    assert_eq!(check(front, &upstream, &honest), Ok(()));
    let hop = row(&format!("{head}Connection: x-a\r\nX-A: b\r\n\r\n{content}"));
    assert!(check(front, &upstream, &hop).is_err_and(|why| why.contains("x-a is sent on")));
    let both = row(&format!("{head}Transfer-Encoding: chunked\r\n\r\n{content}"));
    assert!(check(front, &upstream, &both).is_err());
}

/// Requests of all kinds through our proxy.
fn ours(upstream: SocketAddr) -> House {
    let upstream = front::upstream(&[upstream], Terms::default());
    House::serving(front::passing(&upstream, &front::policy().websocket(false)))
}

fn run(kind: Kind) {
    let Some(upstream) = Lenient::start(kind) else { return };
    let house = ours(upstream.address);
    let wrong = wrong(house.address(), &upstream);
    assert!(wrong.is_empty(), "{} rows:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn node_understands_what_we_do() {
    run(Kind::Node);
}

#[test]
fn python_understands_what_we_do() {
    run(Kind::Python);
}

#[test]
fn nginx_understands_what_we_do() {
    run(Kind::Nginx);
}

/// One is enough: what is looked at is whether it is one request, with one framing.
#[test]
fn what_comes_by_streams_is_understood_as_it_was_meant() {
    let Some(upstream) = Lenient::start(Kind::Node) else { return };
    let house = ours(upstream.address);
    let (mut passed, mut wrong) = (0, Vec::new());
    for play in [h2::play_messages, h3::play_messages] {
        play(&house, &mut |section| match check_streams(house.address(), &upstream) {
            Ok(seen) => passed += seen,
            Err(why) => wrong.push(format!("{section}: {why}")),
        });
    }
    assert!(wrong.is_empty(), "{} rows:\n{}", wrong.len(), wrong.join("\n"));
    assert!(passed > 0, "none of the honest ones has come through");
}

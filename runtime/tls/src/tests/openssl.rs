//! Our client against `openssl s_server`, over a socket. Without it these cases say so, loudly, and pass; with `CI=true` in the
//! environment they fail.

use std::io::{BufRead, BufReader, Read, Write, stderr};
use std::iter;
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use trilane_exchange::{TlsInfo, TlsVersion};

use super::both::trusting;
use super::support::{Folder, Made};
use crate::{Broken, Connector, ConnectorConfig, Heard, Session};

/// A server that answers each line with its letters in reverse.
struct Server {
    process: Child,
    address: SocketAddr,
}

impl Server {
    /// Nothing without `openssl`.
    fn start(folder: &Folder, made: &Made, arguments: &[&str]) -> Option<Self> {
        let certificate = folder.write("certificate.pem", &made.certificate);
        let key = folder.write("key.pem", &made.key);
        let process = Command::new("openssl")
            .args(["s_server", "-accept", "127.0.0.1:0", "-rev", "-alpn", "http/1.1", "-cert"])
            .arg(certificate)
            .arg("-key")
            .arg(key)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut process) = process else {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "no openssl on this machine");
            // Not by `eprintln!`, which the test harness would keep to itself.
            stderr().write_all(b"\nskipped: no openssl on this machine\n\n").unwrap();
            return None;
        };
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let address = lines
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("ACCEPT ").and_then(|at| at.parse().ok()))
            .unwrap();
        Some(Self { process, address })
    }

    /// Says this in a connection of its own, and hears that many bytes; then both ends say that nothing follows.
    fn ask(
        &self,
        connector: &Connector,
        said: &[u8],
        len: usize,
    ) -> Result<(TlsInfo, Vec<u8>), Broken> {
        let mut socket = TcpStream::connect(self.address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut session = Session::client(connector, "localhost")?;
        let (mut info, mut content, mut is_end) = (None, Vec::new(), false);
        let (mut out, mut has_said, mut has_closed) = (Vec::new(), false, false);
        loop {
            session.take_owed(&mut out);
            if session.is_ready() && !has_said {
                session.seal(iter::once(said), &mut out)?;
                has_said = true;
            }
            if content.len() >= len && !has_closed {
                session.close(&mut out);
                has_closed = true;
            }
            // It may have left, with an alert that is still to be read.
            let _ = socket.write_all(&out);
            out.clear();
            let mut buffer = [0; 5000];
            let read = socket.read(&mut buffer).unwrap_or(0);
            if is_end || read == 0 {
                return Ok((info.unwrap(), content));
            }
            session.receive(&mut buffer[..read], |heard| match heard {
                Heard::Ready(found) => info = Some(found),
                Heard::Content(bytes) => content.extend_from_slice(bytes),
                Heard::End => is_end = true,
            })?;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn openssl_answers_and_knows_us_again() {
    let folder = Folder::new("openssl");
    let made = Made::new(&["localhost"]);
    let versions = [("-tls1_2", TlsVersion::V1_2), ("-tls1_3", TlsVersion::V1_3)];
    for (argument, version) in versions {
        // Records of 500 bytes, so that nearly everything comes in several.
        for more in [&[][..], &["-max_send_frag", "512"]] {
            let arguments = [&[argument][..], more].concat();
            let Some(server) = Server::start(&folder, &made, &arguments) else { return };
            let connector = Connector::new(&trusting(&made)).unwrap();
            for round in 0..4 {
                let line: Vec<u8> = (0..9000).map(|at| b'a' + (at % 26) as u8).collect();
                let said = [&line[..], b"\n"].concat();
                let (info, content) = server.ask(&connector, &said, said.len()).unwrap();
                let reverse: Vec<u8> = line.iter().rev().copied().chain([b'\n']).collect();
                assert!(content == reverse, "{arguments:?}");
                assert_eq!((info.version, info.alpn.as_deref()), (version, Some(&b"http/1.1"[..])));
                assert_eq!(info.resumed, round > 0, "{arguments:?}");
            }
        }
    }
}

#[test]
fn openssl_asks_who_we_are() {
    let folder = Folder::new("openssl");
    let [made, us] = [&["localhost"], &["us.example"]].map(|names| Made::new(names));
    let root = folder.write("root.pem", &us.certificate);
    let root = root.to_str().unwrap();
    for argument in ["-tls1_2", "-tls1_3"] {
        let arguments = [argument, "-Verify", "1", "-verify_return_error", "-CAfile", root];
        let Some(server) = Server::start(&folder, &made, &arguments) else { return };
        let known = ConnectorConfig { identity: Some(us.identity()), ..trusting(&made) };
        let known = Connector::new(&known).unwrap();
        assert_eq!(server.ask(&known, b"cba\n", 4).unwrap().1, b"abc\n");
        let unknown = Connector::new(&trusting(&made)).unwrap();
        let alert = if argument == "-tls1_3" { 116 } else { 40 };
        assert_eq!(server.ask(&unknown, b"cba\n", 4).unwrap_err(), Broken::Alert(alert));
    }
}

//! Upstreams that read requests as leniently as they can, each of another's making, and that tell what they understood: a line of
//! JSON each. Their answers are the line's id, so that it shows which answer belongs to which request.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use serde::Deserialize;

use super::SOON;

/// Whose they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Node,
    Python,
    Nginx,
}

/// A request as it was understood.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Seen {
    /// The connection's number, and the request's on it: 0 where there was none.
    pub(super) id: String,
    /// Why it was not understood.
    pub(super) error: Option<String>,
    #[serde(default)]
    pub(super) method: String,
    #[serde(default)]
    pub(super) target: String,
    #[serde(default)]
    pub(super) fields: Vec<(String, String)>,
    /// nginx has all of the head instead.
    #[serde(default)]
    head: String,
    /// A character a byte.
    #[serde(default)]
    pub(super) content: String,
}

impl Seen {
    fn parse(line: &str) -> Self {
        let mut seen: Self =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let lines = seen.head.split(['\r', '\n']).skip(1).filter(|line| !line.is_empty());
        let pairs = lines.map(|line| line.split_once(':').unwrap_or((line, "")));
        seen.fields.extend(pairs.map(|(name, value)| (name.to_owned(), value.trim().to_owned())));
        seen
    }

    /// All values of a field.
    pub(super) fn values(&self, name: &str) -> Vec<&str> {
        let of_name = self.fields.iter().filter(|(it, _)| it.eq_ignore_ascii_case(name));
        of_name.map(|(_, value)| &**value).collect()
    }
}

/// A process of its own.
pub(super) struct Lenient {
    child: Child,
    folder: PathBuf,
    pub(super) address: SocketAddr,
    lines: Receiver<String>,
}

impl Lenient {
    /// `None`, and said aloud, where the program is not installed.
    pub(super) fn start(kind: Kind) -> Option<Self> {
        let port =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let folder = std::env::temp_dir()
            .join(format!("trilane-lenient-{kind:?}-{}-{port}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let script =
            |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join(name).display().to_string();
        let (program, arguments) = match kind {
            Kind::Node => ("node", vec![script("lenient_upstream.js"), port.to_string()]),
            Kind::Python => ("python3", vec![script("lenient_upstream.py"), port.to_string()]),
            Kind::Nginx => {
                let config = folder.join("config");
                fs::write(&config, nginx(&folder, port)).unwrap();
                ("nginx", vec!["-c".to_owned(), config.display().to_string()])
            }
        };
        let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
        let mut command = Command::new(program);
        command.args(arguments).env("PATH", path).stdin(Stdio::null()).stdout(Stdio::piped());
        let Ok(mut child) = command.spawn() else {
            super::real::skip(program);
            return None;
        };
        let (output, (sender, lines)) = (child.stdout.take().unwrap(), channel());
        std::thread::spawn(move || {
            for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                // nginx tells obs-text as it is.
                if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    break;
                }
            }
        });
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut made = Self { child, folder, address, lines };
        let end = Instant::now() + SOON;
        while TcpStream::connect(address).is_err() {
            let is_there = matches!(made.child.try_wait(), Ok(None));
            assert!(is_there && Instant::now() < end, "{program} does not answer");
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        Some(made)
    }

    /// What it has understood since, up to the request with this id.
    pub(super) fn seen(&self, id: &str) -> Vec<Seen> {
        let mut all = Vec::new();
        while all.last().is_none_or(|last: &Seen| last.id != id) {
            let line = self.lines.recv_timeout(SOON);
            all.push(Seen::parse(&line.unwrap_or_else(|_| panic!("nothing of {id}: {all:?}"))));
        }
        all
    }
}

impl Drop for Lenient {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn nginx(folder: &Path, port: u16) -> String {
    let user = if super::real::is_root() { "user root root;" } else { "" };
    let folder = folder.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {folder}/{name};\n"))
        .concat();
    let line = [
        ("id", "$connection.$connection_requests"),
        ("method", "$request_method"),
        ("target", "$request_uri"),
        ("head", "$echo_client_request_headers"),
        ("content", "$request_body"),
    ]
    .map(|(name, value)| format!("\"{name}\":\"{value}\""))
    .join(",");
    format!(
        "include /usr/share/nginx/modules-available/mod-http-echo.conf;
        daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log; {user}
        events {{ worker_connections 512; }}
        http {{
            log_format seen escape=json '{{{line}}}';
            # The module that tells heads does not survive what is refused.
            map $status $is_seen {{ default 1; ~^[45] 0; }}
            access_log /dev/stdout seen if=$is_seen;
            ignore_invalid_headers off; underscores_in_headers on; merge_slashes off;
            client_max_body_size 0; client_body_buffer_size 1m; large_client_header_buffers 8 64k;
            {temporary}
            server {{
                listen 127.0.0.1:{port};
                location / {{ echo_read_request_body; echo -n $connection.$connection_requests; }}
            }}
        }}"
    )
}

//! Behind a real nginx (FEATURES O7), with the very file that is recommended: `server/cli/examples/nginx.conf`.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use trilane::ws::Message;

use super::super::super::parity::{Ask, Folder, Got, LANES, Length, Over, Place, eventually};
use super::super::super::process::Process;
use super::super::super::upstream::real::{Real, is_root};
use super::super::ws::Talk;
use super::Ended;

/// nginx in front of two processes.
struct Site {
    nginx: Real,
    backs: [Process; 2],
    config: String,
    _folder: Folder,
}

impl Place for Site {
    fn address(&self, over: Over) -> SocketAddr {
        assert_eq!(over, Over::Tcp);
        self.nginx.address
    }
}

fn start(address: &str, config: &str) -> Process {
    let mut process = None;
    eventually("a server starts", || {
        let flags = ["--http", address, "--shards", "2", "--log", "off", "--config", config];
        process = Process::start(&flags, |_| {}).ok();
        process.is_some()
    });
    process.unwrap()
}

impl Site {
    /// `None` without nginx.
    fn new() -> Option<Self> {
        let folder = Folder::new();
        // Who asks is shown by who may not.
        folder.write(
            "site.toml",
            "[proxies]\ntrusted = ['127.0.0.1']\n[access]\ndeny = ['127.0.0.66']\n",
        );
        let config = folder.0.join("site.toml").to_str().unwrap().to_owned();
        let backs = [start("127.0.0.1:0", &config), start("127.0.0.1:0", &config)];
        let places = backs.each_ref().map(|it| it.address().to_string());
        let nginx = Real::start("nginx", &[], |folder, ports| whole(folder, ports[0], &places))?;
        Some(Self { nginx, backs, config, _folder: folder })
    }
}

/// The file, with places that there are here, and what is around it.
fn whole(folder: &Path, port: u16, backs: &[String; 2]) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../server/cli/examples/nginx.conf");
    let mut site = std::fs::read_to_string(file).unwrap();
    let listen = format!("listen 127.0.0.1:{port};");
    for (from, to) in
        [("listen 80;", &*listen), ("127.0.0.1:8081", &*backs[0]), ("127.0.0.1:8082", &*backs[1])]
    {
        assert!(site.contains(from), "{from}");
        site = site.replace(from, to);
    }
    let user = if is_root() { "user root root;" } else { "" };
    let folder = folder.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {folder}/{name};\n"))
        .concat();
    format!(
        "daemon off; worker_processes 2; pid {folder}/pid; error_log {folder}/error.log; {user}
        events {{ worker_connections 512; }}
        http {{ access_log off; {temporary} {site} }}"
    )
}

#[test]
fn clients_streams_and_websockets_come_through() {
    let Some(site) = Site::new() else { return };
    let lane = LANES[0];
    let told = lane.open(&site).ask(&Ask::get("/headers")).status(200).json();
    assert_eq!((&told["protocol"], &told["authority"]), (&"HTTP/1.1".into(), &"it".into()));
    // The address is the client's, and not that which it has made up.
    for (client, status) in [("127.0.0.1", "200"), ("127.0.0.66", "403")] {
        let url = format!("http://{}/plaintext", site.nginx.address);
        let mut curl = Command::new("curl");
        curl.args(["-sS", "-o", "/dev/null", "-w", "%{http_code}", "--interface", client]);
        curl.args(["-H", "x-forwarded-for: 192.0.2.1", "-H", "forwarded: for=192.0.2.1", &url]);
        let Ok(output) = curl.output() else { return };
        assert_eq!(String::from_utf8_lossy(&output.stdout), status, "{client}");
    }
    // A stream comes in its pieces.
    let mut client = lane.open(&site);
    let id = client.begin(&Ask::get("/stream/50"));
    let Got::Head(_) = client.next(id) else { panic!("no head") };
    assert_eq!(client.next(id), Got::Data(b"chunk 0\n".to_vec()));
    assert!(client.answer(id).whole().text().ends_with("chunk 49\n"));
    let content = vec![b'n'; 3 << 20];
    for length in [Length::Exact(content.len() as u64), Length::Unknown] {
        let answer = lane.open(&site).ask_with(&Ask::post("/echo", length), &content).status(200);
        assert!(answer.body == content, "{length:?}");
    }
    let mut talk = Talk::open(lane, &site, &Ask::websocket("/ws"));
    for text in ["one", "two"] {
        talk.send(Message::Text(text.into()));
        assert_eq!(talk.next(), Some(Message::Text(text.into())));
    }
}

#[test]
fn a_server_is_drained_and_restarted_and_nobody_notices() {
    let Some(mut site) = Site::new() else { return };
    let (is_over, answered) = (AtomicBool::new(false), AtomicU64::new(0));
    let address = Front(site.nginx.address);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !is_over.load(SeqCst) {
                    let mut client = LANES[0].open(&address);
                    while client.is_open() && !is_over.load(SeqCst) {
                        for target in ["/plaintext", "/slow/3", "/bytes/20000"] {
                            client.ask(&Ask::get(target)).status(200);
                            answered.fetch_add(1, SeqCst);
                        }
                    }
                }
            });
        }
        let ended = Ended(&is_over);
        let go_on = || {
            let before = answered.load(SeqCst);
            eventually("the load goes on", || answered.load(SeqCst) > before + 300);
        };
        for (server, signal) in [(0, "TERM"), (1, "TERM"), (0, "KILL")] {
            go_on();
            let place = site.backs[server].address().to_string();
            site.backs[server].signal(signal);
            site.backs[server].exit_within(Duration::from_secs(10));
            go_on();
            site.backs[server] = start(&place, &site.config);
        }
        go_on();
        drop(ended);
    });
    println!("{} requests", answered.load(SeqCst));
}

/// Where nginx is, for who does not watch it.
struct Front(SocketAddr);

impl Place for Front {
    fn address(&self, _: Over) -> SocketAddr {
        self.0
    }
}

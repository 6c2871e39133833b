//! `trilane probe` (FEATURES O9): a line a protocol, of a server over TLS, of one in clear, and of nobody.

use std::fs;
use std::net::TcpListener;

use super::super::parity::{Folder, House, Over, Place, secure};
use super::super::process::Process;

fn line(said: &str, protocol: &str) -> String {
    let line = said.lines().find(|line| line.split(' ').next() == Some(protocol));
    line.unwrap_or_else(|| panic!("no {protocol} in {said}")).to_owned()
}

#[test]
fn a_line_a_protocol() {
    let roots = secure::files().0.to_str().unwrap();
    let port = House::shared().at(Over::Tls).port();
    let url = format!("https://localhost:{port}/plaintext");
    let (is_well, said) = Process::said(&["probe", &url, "--roots", roots]);
    assert!(is_well, "{said}");
    for (protocol, version) in [("http/1.1", "HTTP/1.1"), ("h2", "HTTP/2")] {
        let line = line(&said, protocol);
        let words = [
            "200",
            version,
            "TLS 1.3",
            "X25519MLKEM768",
            &format!("ALPN {protocol}"),
            "Alt-Svc h3=",
        ];
        assert!(words.iter().all(|word| line.contains(word)), "{line}");
    }
    assert!(line(&said, "h3").contains("not asked"), "{said}");
    let (is_well, said) = Process::said(&["probe", &url, "--insecure"]);
    assert!(is_well && line(&said, "h2").contains("200"), "{said}");
    // Nobody of the system vouches for it.
    let (is_well, said) = Process::said(&["probe", &url]);
    assert!(!is_well && said.contains("no answer") && !said.contains("200"), "{said}");
}

/// RFC 7838 §3: behind a load balancer clients see another port than we listen on.
#[test]
fn the_port_that_clients_see_is_named() {
    let (folder, (roots, key)) = (Folder::new(), secure::files());
    let file = folder.0.join("site.toml");
    fs::write(&file, "[quic]\nadvertised_port = 443\n[[routes]]\nrespond = 'here'\n").unwrap();
    let (file, roots, key) =
        (file.to_str().unwrap(), roots.to_str().unwrap(), key.to_str().unwrap());
    let flags =
        ["serve", "--config", file, "--http", "off", "--https", "127.0.0.1:0", "--cert", roots];
    let process = Process::start(&[&flags[..], &["--key", key]].concat(), |_| {}).unwrap();
    let url = format!("https://localhost:{}/", process.addresses().address(Over::Tls).port());
    let (_, said) = Process::said(&["probe", &url, "--roots", roots]);
    for protocol in ["http/1.1", "h2"] {
        let line = line(&said, protocol);
        assert!(line.contains("Alt-Svc h3=\":443\""), "{line}");
    }
}

#[test]
fn in_clear_and_nobody() {
    let address = House::shared().at(Over::Tcp);
    let (is_well, said) = Process::said(&["probe", &format!("http://{address}/none")]);
    assert!(is_well && line(&said, "http/1.1").contains("404, HTTP/1.1"), "{said}");
    assert!(line(&said, "h2c").contains("404, HTTP/2"), "{said}");
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (is_well, said) = Process::said(&["probe", &format!("http://{gone}/")]);
    assert!(!is_well && line(&said, "http/1.1").contains("refused"), "{said}");
    let (is_well, said) = Process::said(&["probe", "localhost"]);
    assert!(!is_well && said.contains("'localhost' is no URL"), "{said}");
}

//! `/tls`: what the handshake has found out, as JSON; `null` in clear.

use serde::Serialize;
use trilane::{IntoResponse, Json, Response, Tls};

#[derive(Serialize)]
struct Seen<'a> {
    version: String,
    cipher_suite: &'a str,
    group: Option<&'a str>,
    alpn: Option<String>,
    server_name: Option<&'a str>,
    resumed: bool,
    client: Option<Client<'a>>,
}

#[derive(Serialize)]
struct Client<'a> {
    subject: &'a str,
    /// SHA-256 of the certificate.
    fingerprint: String,
    certificates: usize,
}

pub(super) async fn tls(tls: Option<Tls>) -> Response {
    let seen = tls.as_ref().map(|Tls(info)| Seen {
        version: info.version.to_string(),
        cipher_suite: info.cipher_suite,
        group: info.group,
        alpn: info.alpn.as_deref().map(|name| String::from_utf8_lossy(name).into_owned()),
        server_name: info.server_name.as_deref(),
        resumed: info.resumed,
        client: info.client.as_ref().map(|client| Client {
            subject: &client.subject,
            fingerprint: client.fingerprint.iter().map(|byte| format!("{byte:02x}")).collect(),
            certificates: client.chain.len(),
        }),
    });
    Json(seen).into_response()
}

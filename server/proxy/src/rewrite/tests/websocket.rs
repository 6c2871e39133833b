//! WebSockets through us, by Upgrade and by extended CONNECT.

use super::*;

const UPGRADE: [&str; 6] = [
    "Host: a",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Protocol: chat",
];
/// RFC 6455 §1.3.
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

fn opened(front: &RequestHead, protocol: Protocol) -> (String, Vec<String>, Bridge) {
    let nonce = u128::from_be_bytes(*b"the sample nonce");
    let facts = Facts { nonce, upstream: upstream(protocol), ..facts() };
    let Rewritten { head, bridge } = super::super::request(front, &facts, &policy()).unwrap();
    let start = format!("{} {} {:?}", head.method, head.target(), head.connect_protocol());
    let mut lines = lines(&head.fields);
    lines.retain(|line| !line.starts_with("via"));
    (start, lines, bridge)
}

fn connect() -> RequestHead {
    let mut front = head("CONNECT /chat", &["Host: a", UPGRADE[4], UPGRADE[5]]);
    front.protocol = Protocol::Http2;
    front.set_connect_protocol("websocket");
    front
}

fn answered(bridge: &Bridge, status: u16, lines: &[&str]) -> Result<(u16, Vec<String>), BadAnswer> {
    let mut head = ResponseHead::new(StatusCode::from_u16(status).unwrap());
    head.fields = fields(lines);
    let policy = policy().response_via(false);
    let upstream = upstream(Protocol::Http11);
    super::super::response(&mut head, &connect(), (bridge, upstream), &policy)?;
    Ok((head.status.as_u16(), super::lines(&head.fields)))
}

#[test]
fn the_four_ways() {
    let front = head("GET /chat", &UPGRADE);
    let (key, version, chat) = (
        UPGRADE[3].to_ascii_lowercase().replace("dghlihnhbxbszsbub25jzq", "dGhlIHNhbXBsZSBub25jZQ"),
        "sec-websocket-version: 13",
        "sec-websocket-protocol: chat",
    );
    let (upgrade, connection) = ("upgrade: websocket", "connection: upgrade");
    let (start, lines, bridge) = opened(&front, Protocol::Http11);
    assert_eq!((start.as_str(), bridge), ("GET /chat None", Bridge::Upgrade));
    assert_eq!(lines, ["host: a", &key, version, chat, upgrade, connection]);

    let (start, lines, bridge) = opened(&connect(), Protocol::Http11);
    assert_eq!((start.as_str(), bridge), ("GET /chat None", Bridge::ToUpgrade(ACCEPT.into())));
    assert_eq!(lines, ["host: a", version, chat, upgrade, connection, &key]);

    let (start, lines, bridge) = opened(&front, Protocol::Http2);
    let expected = "CONNECT /chat Some(\"websocket\")";
    assert_eq!((start.as_str(), bridge), (expected, Bridge::ToConnect(ACCEPT.into())));
    assert_eq!(lines, ["host: a", version, chat]);

    let (start, lines, bridge) = opened(&connect(), Protocol::Http2);
    assert_eq!((start.as_str(), bridge), (expected, Bridge::Connect));
    assert_eq!(lines, ["host: a", version, chat]);
}

#[test]
fn what_opens_none() {
    for (at, line) in [
        (1, "Upgrade: h2c"),
        (2, "Connection: keep-alive"),
        (4, "Content-Length: 5"),
        (4, "Transfer-Encoding: chunked"),
    ] {
        let mut lines = UPGRADE;
        lines[at] = line;
        let (_, lines, bridge) = opened(&head("GET /", &lines), Protocol::Http11);
        assert_eq!(bridge, Bridge::None, "{line}");
        assert!(
            !lines.iter().any(|line| line.starts_with("upgrade") || line.starts_with("connection"))
        );
    }
    for (start, protocol) in [("POST /", Protocol::Http11), ("GET /", Protocol::Http10)] {
        let mut front = head(start, &UPGRADE);
        front.protocol = protocol;
        assert_eq!(opened(&front, Protocol::Http11).2, Bridge::None, "{start}");
    }
    let off = policy().websocket(false);
    let upgrade = super::super::request(&head("GET /", &UPGRADE), &facts(), &off).unwrap();
    assert_eq!(upgrade.bridge, Bridge::None);
    let refused = super::super::request(&connect(), &facts(), &off).err();
    assert_eq!(refused, Some(Refusal::Protocol));
    let mut other = connect();
    other.set_connect_protocol("connect-udp");
    let refused = super::super::request(&other, &facts(), &policy()).err();
    assert_eq!(refused, Some(Refusal::Protocol));
    // RFC 6455 §4.2.1: of no use to make a CONNECT of.
    for key in ["sec-websocket-key: short", "x: y"] {
        let mut lines = UPGRADE;
        lines[3] = key;
        let facts = Facts { upstream: upstream(Protocol::Http2), ..facts() };
        let refused = super::super::request(&head("GET /", &lines), &facts, &policy()).err();
        assert_eq!(refused, Some(Refusal::Ambiguous), "{key}");
    }
}

/// RFC 6455 §4.1, §4.2.2; RFC 8441 §5.
#[test]
fn answers() {
    let accept = format!("sec-websocket-accept: {ACCEPT}");
    let switch = ["Upgrade: websocket", "Connection: upgrade", &accept];
    let said = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
    let to_upgrade = Bridge::ToUpgrade(ACCEPT.into());
    let to_connect = Bridge::ToConnect(ACCEPT.into());
    let hundred_one = said(&["upgrade: websocket", "connection: upgrade", &accept]);
    let through = said(&[&accept, "upgrade: websocket", "connection: upgrade"]);
    for (bridge, status, lines, expected) in [
        (&Bridge::Upgrade, 101, &switch[..], Ok((101, through))),
        (&Bridge::Upgrade, 101, &["Upgrade: h2c"], Err(BadAnswer::Switch)),
        (&Bridge::Upgrade, 200, &[], Ok((200, vec![]))),
        (&Bridge::Upgrade, 403, &[], Ok((403, vec![]))),
        (&Bridge::None, 101, &switch, Err(BadAnswer::Switch)),
        (&to_upgrade, 101, &switch, Ok((200, vec![]))),
        (&to_upgrade, 101, &switch[..2], Err(BadAnswer::Switch)),
        (&to_upgrade, 101, &switch[1..], Err(BadAnswer::Switch)),
        (&to_upgrade, 200, &[], Err(BadAnswer::Switch)),
        (&to_upgrade, 426, &[], Ok((426, vec![]))),
        (&to_connect, 200, &[], Ok((101, hundred_one))),
        (&to_connect, 403, &[], Ok((403, vec![]))),
        (&Bridge::Connect, 200, &[], Ok((200, vec![]))),
    ] {
        // What opens it has the status that does so in front.
        let opens = bridge.opens(StatusCode::from_u16(status).unwrap());
        assert!(
            expected.is_err()
                || opens
                    == matches!(
                        (bridge, status),
                        (Bridge::Connect | Bridge::ToConnect(_), 200) | (_, 101)
                    )
        );
        assert_eq!(answered(bridge, status, lines), expected, "{bridge:?} {status}");
    }
}

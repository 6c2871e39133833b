//! The client behind proxies (FEATURES X8): believed where the proxy is trusted, ignored where it is not.

use trilane::{Address, ClientField, IpList, Request, Router, TrustedProxies, get};

use crate::parity::{Ask, House, LANES};

/// One router a field; the first proxy of each is trusted, those of `/stranger` are not.
fn house() -> House {
    House::serving(|_| {
        let who = |request: Request| async move {
            let client = request.exchange().client();
            let Address::Ip(address) = client.address else { return "unix".to_owned() };
            format!(
                "{} {} {}",
                address.ip(),
                client.is_secure,
                request.head().fields.contains("x-real-ip")
            )
        };
        let of = |field| {
            let inside = get(|| async { "in" }).layer(IpList::new().allow("203.0.113.0/24"));
            let proxies = TrustedProxies::new(field).trust("10.0.0.0/8").proto().strip();
            (Router::new().route("/", get(who)).route("/in", inside), proxies)
        };
        let trusted = |field| {
            let (router, proxies) = of(field);
            router.layer(proxies.trust("127.0.0.1"))
        };
        let (router, proxies) = of(ClientField::XForwardedFor);
        Router::new()
            .nest("/list", trusted(ClientField::XForwardedFor))
            .nest("/forwarded", trusted(ClientField::Forwarded))
            .nest("/real", trusted(ClientField::XRealIp))
            .nest("/stranger", router.layer(proxies))
    })
}

#[test]
fn whose_word_counts() {
    let house = house();
    for lane in LANES {
        let mut client = lane.open(&house);
        let is_secure = !["h1", "h1.0", "h2c"].contains(&lane.name());
        let ask = |target: &str| {
            Ask::get(target)
                .field("x-forwarded-for", "1.1.1.1, 203.0.113.1, 10.0.0.9")
                .field("x-forwarded-proto", "https")
                .field(
                    "forwarded",
                    "for=1.1.1.1, for=\"[2001:db8::2]:47011\";proto=http, for=10.1.1.1",
                )
                .field("x-real-ip", "203.0.113.3")
        };
        for (target, text, status) in [
            ("/list", "203.0.113.1 true true".to_owned(), 200),
            ("/forwarded", "2001:db8::2 false true".to_owned(), 403),
            ("/real", "203.0.113.3 true true".to_owned(), 200),
            ("/stranger", format!("127.0.0.1 {is_secure} false"), 403),
        ] {
            let answer = client.ask(&ask(target)).status(200);
            assert_eq!(answer.text(), text, "{} {target}", lane.name());
            client.ask(&ask(&format!("{target}/in"))).status(status);
        }
    }
}

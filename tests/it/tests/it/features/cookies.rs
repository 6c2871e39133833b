//! Cookies (FEATURES W3): read, set with secure defaults, sealed; the same on every protocol and every shard.

use trilane::{CookieJar, CookieKeys, Cookies, PrivateCookies, Router, SignedCookies, get};

use crate::parity::{Answer, Ask, House, LANES};

fn house() -> House {
    let keys = CookieKeys::new(&[7; 64]).unwrap();
    House::serving(move |_| {
        let read =
            |cookies: Cookies| async move { cookies.get("a").unwrap_or_default().into_owned() };
        let jar = |jar: CookieJar| async move { (jar.add(("a", "1; x")).remove("b"), "set") };
        let seal = |jar: SignedCookies| async move { (jar.add(("s", "ann")), "set") };
        let hide = |jar: PrivateCookies| async move { (jar.add(("p", "ann")), "set") };
        let open = |signed: SignedCookies, private: PrivateCookies| async move {
            format!("{:?} {:?}", signed.get("s"), private.get("p"))
        };
        Router::new()
            .route("/read", get(read))
            .route("/jar", get(jar))
            .route("/seal", get(seal))
            .route("/hide", get(hide))
            .route("/open", get(open))
            .with_state(keys.clone())
    })
}

fn set(answer: &Answer) -> Vec<&str> {
    let all = answer.head.fields.iter().filter(|(name, _)| name == "set-cookie");
    all.map(|(_, value)| value.as_str()).collect()
}

#[test]
fn cookies_come_and_go() {
    let house = house();
    for lane in LANES {
        let mut client = lane.open(&house);
        let secure = if ["h1", "h1.0", "h2c"].contains(&lane.name()) { "" } else { " Secure;" };
        let answer = client.ask(&Ask::get("/jar")).status(200);
        let lines = set(&answer);
        assert_eq!(lines.len(), 2, "{} {lines:?}", lane.name());
        assert_eq!(lines[0], format!("a=1%3B%20x; HttpOnly; SameSite=Lax;{secure} Path=/"));
        assert!(lines[1].starts_with("b=; ") && lines[1].contains("Max-Age=0"));
        let read =
            client.ask(&Ask::get("/read").field("cookie", "z=0").field("cookie", "a=1%3B%20x"));
        // HTTP/1 has one line (RFC 6265bis §5.8.1); whoever sends two is read all the same.
        assert_eq!(read.status(200).text(), "1; x", "{}", lane.name());
        let pair = |target: &str| {
            let answer = lane.open(&house).ask(&Ask::get(target)).status(200);
            set(&answer)[0].split(';').next().unwrap().to_owned()
        };
        let (sealed, hidden) = (pair("/seal"), pair("/hide"));
        assert!(sealed.ends_with("ann") && !hidden.contains("ann"));
        // Another connection, perhaps on the other shard.
        let mut other = lane.open(&house);
        let both = format!("{sealed}; {hidden}");
        let open = |text: String| Ask::get("/open").field("cookie", text);
        assert_eq!(other.ask(&open(both)).text(), "Some(\"ann\") Some(\"ann\")");
        let forged = format!("{}eve; p={}", sealed.strip_suffix("ann").unwrap(), &sealed[2..]);
        assert_eq!(other.ask(&open(forged)).text(), "None None");
    }
}

//! Cookies: what is read, what is set and how, and what cannot be changed or read.

use trilane_exchange::{Address, Client};
use trilane_semantics::Known;

use super::support::{built, request, seen, send};
use crate::cookies::time;
use crate::{
    App, Cookie, CookieJar, CookieKeyError, CookieKeys, Cookies, PrivateCookies, Router, SameSite,
    SignedCookies, get,
};

#[test]
fn what_a_request_brings() {
    let read = |lines: &[&str]| {
        let fields: Vec<_> = lines.iter().map(|line| ("cookie", *line)).collect();
        let list = |cookies: Cookies| async move {
            let all: Vec<_> =
                cookies.iter().map(|(name, value)| format!("{name}:{value}")).collect();
            format!("{} {:?}", all.join(","), cookies.get("a"))
        };
        seen(send(&built(Router::new().route("/", get(list))), request("GET", "/", &fields, ""))).1
    };
    for (lines, expected) in [
        (&["a=1; b=2"][..], "a:1,b:2 Some(\"1\")"),
        // RFC 9113 §8.2.3: one line a cookie.
        (&["b=2", "a=1"], "b:2,a:1 Some(\"1\")"),
        (&["a=1;a=2"], "a:1,a:2 Some(\"1\")"),
        (&[" a =\t1 ;;=x; y; A=3"], "a:1,A:3 Some(\"1\")"),
        (&["a=b=c; b="], "a:b=c,b: Some(\"b=c\")"),
        (&["a=%20%C3%A9; b=100%"], "a: \u{e9},b:100% Some(\" \u{e9}\")"),
        (&["a=\"x\""], "a:\"x\" Some(\"\\\"x\\\"\")"),
        // A name that looks like another one is not that one.
        (&["%61=1; __%48ost-a=1"], "%61:1,__%48ost-a:1 None"),
        (&[], " None"),
    ] {
        assert_eq!(read(lines), expected, "{lines:?}");
    }
}

/// The `Set-Cookie` lines of a jar's answer.
fn set(change: fn(CookieJar) -> CookieJar, is_secure: bool, brought: &str) -> Vec<String> {
    let app = built(
        Router::new().route("/", get(move |jar: CookieJar| async move { (change(jar), "ok") })),
    );
    let request = request("GET", "/", &[("cookie", brought)], "");
    request.exchange().set_client(Client { address: Address::Unix, is_secure });
    let response = send(&app, request);
    if response.head.status != 200 {
        return vec![response.head.status.to_string()];
    }
    response
        .head
        .fields
        .all(Known::SetCookie)
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .collect()
}

#[test]
fn what_an_answer_sets() {
    let usual = "HttpOnly; SameSite=Lax; Path=/";
    assert_eq!(set(|jar| jar, true, "a=1"), [""; 0]);
    assert_eq!(set(|jar| jar.add(("a", "1")), false, ""), [format!("a=1; {usual}")]);
    assert_eq!(
        set(|jar| jar.add(("a", "1")), true, ""),
        ["a=1; HttpOnly; SameSite=Lax; Secure; Path=/"]
    );
    let own = |jar: CookieJar| {
        let cookie =
            Cookie::build(("a", "x; y")).http_only(false).path("/p").same_site(SameSite::Strict);
        jar.add(cookie.max_age(time::Duration::days(1)))
    };
    assert_eq!(set(own, false, ""), ["a=x%3B%20y; SameSite=Strict; Path=/p; Max-Age=86400"]);
    // RFC 6265bis §4.1.3, §5.7: without Secure, browsers refuse these.
    let host = |jar: CookieJar| jar.add(("__Host-a", "1")).add(("__Secure-b", "2"));
    assert!(set(host, false, "").iter().all(|line| line.contains("; Secure")));
    let everywhere = |jar: CookieJar| jar.add(Cookie::build(("a", "1")).same_site(SameSite::None));
    assert!(set(everywhere, false, "")[0].contains("; Secure"));
    // The last word on a name counts.
    let twice = |jar: CookieJar| jar.add(("a", "1")).add(("b", "2")).add(("a", "3"));
    assert_eq!(set(twice, false, ""), [format!("b=2; {usual}"), format!("a=3; {usual}")]);
    let gone = |jar: CookieJar| {
        assert_eq!(jar.get("a").as_deref(), Some("1"));
        let jar = jar.remove("a");
        assert_eq!(jar.get("a"), None);
        jar
    };
    let lines = set(gone, false, "a=1");
    assert_eq!(
        lines,
        ["a=; HttpOnly; SameSite=Lax; Path=/; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT"]
    );
    let kept = |jar: CookieJar| {
        let jar = jar.add(("b", "2"));
        assert_eq!((jar.get("a").as_deref(), jar.get("b").as_deref()), (Some("1"), Some("2")));
        jar
    };
    assert_eq!(set(kept, false, "a=1").len(), 1);
    assert_eq!(set(|jar| jar.add(("a b", "1")), false, ""), ["500 Internal Server Error"]);
    assert_eq!(set(|jar| jar.add(("", "1")), false, ""), ["500 Internal Server Error"]);
    assert_eq!(set(|jar| jar.add(("a|b", "1")), false, ""), ["500 Internal Server Error"]);
    let split = |jar: CookieJar| jar.add(Cookie::build(("a", "1")).path("/\r\nx: y"));
    assert_eq!(set(split, false, ""), ["500 Internal Server Error"]);
}

fn sealing(keys: CookieKeys) -> App {
    let seal = |jar: SignedCookies| async move {
        (jar.add(("user", "ann; x")).add(("role", "guest")), "")
    };
    let hide = |jar: PrivateCookies| async move {
        (jar.add(("user", "ann; x")).add(("role", "guest")), "")
    };
    let signed =
        |jar: SignedCookies| async move { format!("{:?} {:?}", jar.get("user"), jar.get("role")) };
    let hidden =
        |jar: PrivateCookies| async move { format!("{:?} {:?}", jar.get("user"), jar.get("role")) };
    let both = |jar: SignedCookies| async move {
        let jar = jar.remove("user");
        assert_eq!(jar.get("user"), None);
        (jar, "")
    };
    let router = Router::new()
        .route("/signed", get(signed).post(seal).delete(both))
        .route("/private", get(hidden).post(hide));
    built(router.with_state(keys))
}

/// Names and values that an answer sets.
fn values(app: &App, path: &str) -> Vec<(String, String)> {
    let fields = send(app, request("POST", path, &[], "")).head.fields;
    let pair = |line: &[u8]| {
        let text = String::from_utf8_lossy(line).into_owned();
        let (name, rest) = text.split_once('=').unwrap();
        (name.to_owned(), rest.split(';').next().unwrap().to_owned())
    };
    fields.all(Known::SetCookie).map(pair).collect()
}

fn told(app: &App, path: &str, cookies: &str) -> String {
    seen(send(app, request("GET", path, &[("cookie", cookies)], ""))).1
}

#[test]
fn what_is_sealed_is_only_ours() {
    let app = sealing(CookieKeys::new(&[1; 64]).unwrap());
    for path in ["/signed", "/private"] {
        let all = values(&app, path);
        let [(_, user), (_, role)] = &all[..] else { panic!("{all:?}") };
        let whole = format!("user={user}; role={role}");
        assert_eq!(told(&app, path, &whole), "Some(\"ann; x\") Some(\"guest\")", "{path}");
        assert_eq!(user.contains("ann"), path == "/signed");
        // A value is for its name alone.
        assert_eq!(told(&app, path, &format!("user={role}; role={user}")), "None None", "{path}");
        for at in 0..user.len() {
            let mut bytes = user.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            // The last letter of base64 has bits that nobody looks at.
            let got = told(&app, path, &format!("user={changed}"));
            assert!(
                got == "None None" || user.ends_with("%3D") && at + 8 > user.len(),
                "{path} {at} {got}"
            );
        }
        for wrong in ["", "x", "ann", &user[1..], &user[..20]] {
            assert_eq!(told(&app, path, &format!("user={wrong}")), "None None", "{path} {wrong}");
        }
    }
    let removed = send(&app, request("DELETE", "/signed", &[("cookie", "user=x")], ""));
    assert!(removed.head.fields.get_str(Known::SetCookie).unwrap().starts_with("user=; "));
}

#[test]
fn keys_change_one_after_the_other() {
    let old = sealing(CookieKeys::new(&[1; 64]).unwrap());
    let new = CookieKeys::new(&[2; 64]).unwrap();
    let both = sealing(new.clone().with_old(&[1; 64]).unwrap());
    let new = sealing(new);
    for path in ["/signed", "/private"] {
        let line = |app: &App| format!("user={}", values(app, path)[0].1);
        let (of_old, of_both) = (line(&old), line(&both));
        assert_eq!(told(&both, path, &of_old), "Some(\"ann; x\") None");
        assert_eq!(told(&new, path, &of_old), "None None");
        // Sealed with the first one.
        assert_eq!(told(&new, path, &of_both), "Some(\"ann; x\") None");
        assert_eq!(told(&old, path, &of_both), "None None");
    }
    assert_eq!(CookieKeys::new(&[1; 63]).unwrap_err(), CookieKeyError);
    assert!(CookieKeys::new(&[1; 64]).unwrap().with_old(b"").is_err());
}

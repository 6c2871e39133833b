//! What a page needs, told before it is ready (FEATURES P10): 103 over every protocol that has it, promises over HTTP/2.

use std::process::{Command, Stdio};
use std::time::Duration;

use trilane::{Error, Fields, Known, Limits, Link, Request, Router, Server, StatusCode, get};

use super::super::parity::{Ability, Ask, Got, Head, House, LANES, Over};

/// Hints, waits, hints again, and answers.
async fn page(request: Request) -> Result<&'static str, Error> {
    let hint = |links: &[&str]| {
        let links = links.iter().map(|target| Link::preload(*target).as_("style"));
        let bad = |_| Error::new(StatusCode::INTERNAL_SERVER_ERROR);
        request.exchange().hint(links).map_err(bad)
    };
    hint(&["/a.css", "/b.css"])?;
    request.shard().sleep(Duration::from_millis(20)).await;
    hint(&["https://other.example/c.css"])?;
    Ok("the page")
}

async fn style(fields: Fields) -> Vec<u8> {
    [b"style for ", fields.get(Known::UserAgent).unwrap_or(b"nobody")].concat()
}

fn app() -> Router {
    let forever = get(|request: Request| async move {
        for number in 0..33 {
            let told = request.exchange().hint([Link::preload(format!("/{number}"))]);
            if told.is_err() {
                return number.to_string();
            }
        }
        "no end".to_owned()
    });
    Router::new()
        .route("/page", get(page))
        .route("/many", forever)
        .route("/a.css", get(style))
        .route("/b.css", get(style))
}

/// Links of each 103 that came.
fn told(interim: &[Head]) -> Vec<Vec<&str>> {
    interim
        .iter()
        .inspect(|head| assert_eq!(head.status, 103))
        .map(|head| head.fields.iter().map(|(_, value)| value.as_str()).collect())
        .collect()
}

#[test]
fn a_hint_comes_while_the_handler_waits() {
    let house = House::serving(|_| app());
    for lane in LANES {
        let answer = lane.open(&house).ask(&Ask::get("/page")).status(200);
        assert_eq!(answer.text(), "the page", "{}", lane.name());
        let style = |target| format!("<{target}>; rel=preload; as=style");
        let [a, b, c] = ["/a.css", "/b.css", "https://other.example/c.css"].map(style);
        let expected = [vec![&*a, &*b], vec![&*c]];
        if lane.can(Ability::Interim) {
            assert_eq!(told(&answer.interim), expected, "{}", lane.name());
        } else {
            assert!(answer.interim.is_empty(), "{}", lane.name());
        }
    }
}

/// 103 comes although the handler has not answered, and never will in time.
#[test]
fn the_demo_hints_at_its_style() {
    for lane in LANES.iter().filter(|lane| lane.can(Ability::Interim)) {
        let mut client = lane.open(House::shared());
        let id = client.begin(&Ask::get("/hints"));
        let Got::Interim(head) = client.next(id) else { panic!("{}", lane.name()) };
        let link = "</static/style.css>; rel=preload; as=style";
        assert_eq!((head.status, head.field("link")), (103, Some(link)), "{}", lane.name());
        let answer = client.answer(id).whole().status(200);
        assert_eq!(answer.head.field("link"), Some(link), "{}", lane.name());
    }
}

#[test]
fn hints_have_a_bound() {
    let house = House::serving(|_| app());
    for lane in LANES {
        let answer = lane.open(&house).ask(&Ask::get("/many")).status(200);
        assert_eq!(answer.text(), "32", "{}", lane.name());
    }
}

fn house(pushes: usize) -> House {
    let mut limits = Limits::default();
    limits.pushes = pushes;
    House::of(Server::new(|_| app()).h2c().limits(limits))
}

/// A client that takes promises. Without it this says so, and passes.
#[test]
fn nghttp_takes_promises() {
    for (pushes, expected) in [(0, 0), (4, 2)] {
        let house = house(pushes);
        let url = format!("http://{}/page", house.at(Over::Tcp));
        let mut command = Command::new("nghttp");
        command.args(["-v", "--no-dep", &url]).stdin(Stdio::null());
        let Ok(output) = command.output() else {
            eprintln!("skipped: no nghttp on this machine");
            return;
        };
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("the page"), "{text}");
        let promises = text.matches("recv PUSH_PROMISE frame").count();
        assert_eq!(promises, expected, "{text}");
        for path in [":path: /a.css", ":path: /b.css"] {
            assert_eq!(text.matches(path).count(), expected / 2, "{text}");
        }
        // RFC 9113 §8.4: not for others.
        assert!(!text.contains(":path: /c.css"), "{text}");
        assert_eq!(text.matches("style for nghttp2/").count(), expected, "{text}");
        assert_eq!(text.matches(":status: 103").count(), 2, "{text}");
    }
}

/// Nobody is promised anything who has not said that it may be.
#[test]
fn who_takes_no_promise_gets_the_hint() {
    let house = house(4);
    let url = format!("http://{}/page", house.at(Over::Tcp));
    let Ok(output) = Command::new("nghttp").args(["-v", "--no-push", &url]).output() else {
        eprintln!("skipped: no nghttp on this machine");
        return;
    };
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(!text.contains("PUSH_PROMISE") && text.contains(":status: 103"), "{text}");
}

/// curl shows what came before the answer.
#[test]
fn curl_sees_hints() {
    let house = House::serving(|_| app());
    let url = format!("http://{}/page", house.at(Over::Tcp));
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        let Ok(output) = Command::new("curl").args(["-sS", "-i", version, &url]).output() else {
            eprintln!("skipped: no curl on this machine");
            return;
        };
        let text = String::from_utf8_lossy(&output.stdout).to_lowercase();
        assert_eq!(text.matches(" 103 ").count(), 2, "{text}");
        assert!(text.contains("link: </a.css>; rel=preload; as=style"), "{text}");
        assert!(text.ends_with("the page"), "{text}");
    }
}

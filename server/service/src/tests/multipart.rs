//! Forms with files: fields as they come, limits, and what is no form.

use trilane_exchange::{Frame, Incoming};
use trilane_semantics::Payload;

use super::support::{built, request, seen, send};
use crate::{App, BodyLimit, Error, Multipart, MultipartLimits, Router, default_layers, post};

const TYPE: &str = "multipart/form-data; boundary=\"b-1\"";
const FORM: &str = "--b-1\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nhello\r\n\
    --b-1\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.bin\"\r\nContent-Type: image/png\r\n\r\n\
    \r\n--b-\r\n--b-1x\r\n--b-1--\r\n";

async fn all(mut form: Multipart) -> Result<String, Error> {
    let mut report = String::new();
    while let Some(field) = form.next_field().await? {
        let (file, kind) =
            (field.file_name().map(ToOwned::to_owned), field.content_type().map(ToOwned::to_owned));
        let name = field.name().to_owned();
        report += &format!("{name} {file:?} {kind:?} {:?}\n", field.text().await?);
    }
    Ok(report)
}

async fn names(mut form: Multipart) -> Result<String, Error> {
    let mut names = Vec::new();
    while let Some(mut field) = form.next_field().await? {
        names.push(field.name().to_owned());
        // Some is read, the rest is dropped.
        field.chunk().await?;
    }
    assert!(form.next_field().await?.is_none());
    Ok(names.join(","))
}

fn app(limits: MultipartLimits) -> App {
    let limited = post(all).layer(BodyLimit::new(64));
    let router =
        Router::new().route("/", post(all)).route("/names", post(names)).route("/small", limited);
    built(router.layer(limits).layer(default_layers(None)))
}

fn ask(app: &App, target: &str, kind: &str, content: &str) -> (u16, String) {
    seen(send(app, request("POST", target, &[("content-type", kind)], content.to_owned())))
}

fn part(name: &str, content: &str) -> String {
    format!("--b-1\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{content}\r\n")
}

#[test]
fn fields_one_after_the_other() {
    let app = app(MultipartLimits::default());
    let broken = FORM.replace("b-1x\r\n--b-1--", "b-1--");
    let file = "file Some(\"a.bin\") Some(\"image/png\") \"\\r\\n--b-\"\n";
    let report = format!("title None None \"hello\"\n{file}");
    assert_eq!(ask(&app, "/", TYPE, &broken), (200, report.clone()));
    assert_eq!(ask(&app, "/names", TYPE, &broken), (200, "title,file".into()));
    assert_eq!(ask(&app, "/", TYPE, "--b-1--"), (200, String::new()));
    // Cut into frames at every byte.
    for cut in 0..broken.len() {
        let (writer, incoming) = Incoming::channel(None, u64::MAX);
        for piece in [&broken[..cut], &broken[cut..]] {
            writer.push(Frame::Data(Payload::from(piece.to_owned())));
        }
        writer.end(Ok(()));
        let mut request = request("POST", "/", &[("content-type", TYPE)], "");
        request.body = incoming;
        assert_eq!(seen(send(&app, request)), (200, report.clone()), "{cut}");
    }
}

#[test]
fn what_is_no_form() {
    let app = app(MultipartLimits::default());
    for (kind, status) in [
        ("multipart/form-data; boundary=b-1", 200),
        ("Multipart/Form-Data;charset=utf-8;BOUNDARY=b-1", 200),
        ("multipart/mixed; boundary=b-1", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data", 400),
        ("multipart/form-data; boundary=", 400),
        ("multipart/form-data; boundary=\"b-1", 400),
        (&format!("multipart/form-data; boundary={}", "b".repeat(71)), 400),
        ("", 415),
    ] {
        assert_eq!(ask(&app, "/", kind, "--b-1--").0, status, "{kind}");
    }
    let nameless = "--b-1\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b-1--";
    let latin = part("a", "\u{e9}").into_bytes();
    for content in ["", "x", FORM, nameless, "--b-1\r\n\r\nx\r\n--b-1--", &part("a", "b")] {
        let (status, text) = ask(&app, "/", TYPE, content);
        assert_eq!(status, 400, "{content}");
        assert!(text.contains("\"details\":{\"reason\":[\""), "{text}");
    }
    let latin: Vec<u8> = latin.into_iter().filter(|&b| b != 0xa9).chain(*b"--b-1--").collect();
    let answer = send(&app, request("POST", "/", &[("content-type", TYPE)], latin));
    assert_eq!(answer.head.status, 400);
}

#[test]
fn limits() {
    let limits = MultipartLimits { fields: 2, field: 20, text: 10, header: 100 };
    let app = app(limits);
    let form = |parts: &[String]| format!("{}--b-1--", parts.concat());
    let (ten, eleven) = ("x".repeat(10), "x".repeat(11));
    let (twenty, more) = ("x".repeat(20), "x".repeat(21));
    let long = "n".repeat(100);
    for (target, parts, limit) in [
        ("/", &[part("a", &ten), part("b", &ten)][..], None),
        ("/", &[part("a", ""), part("b", ""), part("c", "")], Some("fields")),
        ("/", &[part("a", &eleven)], Some("text")),
        ("/names", &[part("a", &twenty)], None),
        ("/names", &[part("a", &more)], Some("field")),
        ("/names", &[part(&long, "")], Some("header")),
    ] {
        let (status, text) = ask(&app, target, TYPE, &form(parts));
        match limit {
            None => assert_eq!(status, 200, "{text}"),
            Some(limit) => {
                assert_eq!(status, 413, "{text}");
                assert!(
                    text.contains(&format!("\"details\":{{\"limit\":[\"{limit}\"]}}")),
                    "{text}"
                );
            }
        }
    }
    assert_eq!(ask(&app, "/small", TYPE, &form(&[part("a", &ten)])).0, 413);
}

//! Forms with files (FEATURES W3): field by field, over every protocol, from curl too.

use trilane::{BodyLimit, Error, Multipart, MultipartLimits, Router, default_layers, post};

use crate::parity::{Ask, House, LANES, Length, Over, curl_at};

async fn report(mut form: Multipart) -> Result<String, Error> {
    let mut report = String::new();
    while let Some(mut field) = form.next_field().await? {
        let (name, file) = (field.name().to_owned(), field.file_name().unwrap_or("-").to_owned());
        let (mut bytes, mut sum) = (0, 0_u64);
        while let Some(chunk) = field.chunk().await? {
            bytes += chunk.len();
            sum += chunk.iter().map(|&byte| u64::from(byte)).sum::<u64>();
        }
        report += &format!("{name} {file} {bytes} {sum}\n");
    }
    Ok(report)
}

fn house() -> House {
    House::serving(|_| {
        let limits = MultipartLimits { fields: 3, ..MultipartLimits::default() };
        let upload = post(report).layer(limits).layer(BodyLimit::new(4 << 20));
        Router::new().route("/", upload).layer(default_layers(None))
    })
}

fn part(name: &str, content: &[u8]) -> Vec<u8> {
    let head = format!("--b-1\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
    [head.as_bytes(), content, b"\r\n"].concat()
}

#[test]
fn forms_over_every_protocol() {
    let house = house();
    let large = vec![b'\r'; 1 << 20];
    let form = |parts: &[Vec<u8>]| [&parts.concat()[..], b"--b-1--\r\n"].concat();
    for lane in LANES {
        let send = |kind: &str, content: &[u8]| {
            let ask =
                Ask::post("/", Length::Exact(content.len() as u64)).field("content-type", kind);
            lane.open(&house).ask_with(&ask, content)
        };
        let kind = "multipart/form-data; boundary=b-1";
        let whole = form(&[part("a", b"1"), part("large", &large)]);
        let text = format!("a - 1 49\nlarge - 1048576 {}\n", 13 << 20);
        assert_eq!(send(kind, &whole).status(200).text(), text, "{}", lane.name());
        assert_eq!(
            send("text/plain", &whole).status(415).json()["error"]["code"],
            "UNSUPPORTED_MEDIA_TYPE"
        );
        send("multipart/form-data", b"--b-1--").status(400);
        send(kind, &whole[..1000]).status(400);
        let many =
            send(kind, &form(&[part("a", b""), part("b", b""), part("c", b""), part("d", b"")]))
                .status(413);
        assert_eq!(many.json()["error"]["details"]["limit"][0], "fields");
        send(kind, &form(&[part("a", &vec![0; 5 << 20])])).status(413);
    }
}

#[test]
fn curl_sends_forms() {
    let house = house();
    let forms: &[&str] =
        &["-F", "title=hello", "-F", "file=@-;filename=a \"b\".bin;type=image/png"];
    let content = vec![7; 1 << 20];
    for (over, more) in [
        (Over::Tcp, &[][..]),
        (Over::Tcp, &["-H", "Transfer-Encoding: chunked"]),
        (Over::Tcp, &["--http2-prior-knowledge"]),
        (Over::Tls, &[]),
    ] {
        let arguments = [forms, more].concat();
        let Some(text) = curl_at(&house, over, &arguments, "/", &content) else { return };
        let report = format!("title - 5 532\nfile a %22b%22.bin 1048576 {}\n", 7 << 20);
        assert!(text.ends_with(&report), "{more:?} {text}");
    }
}

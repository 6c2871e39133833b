//! Ranges of static files (FEATURES R3) row by row, as RFC 9110 §14 has them: one, several, none, and of which representation.

use super::files::{AFTER, BEFORE, CHANGED, CONTENT, ask, serving, write_at};
use crate::parity::{Answer, Ask, Folder, LANES};

/// What a Range field, perhaps with others, comes to: parts of the content, or a status.
enum Right {
    Parts(&'static [(usize, usize)]),
    Whole,
    Unsatisfiable,
}

use Right::{Parts, Unsatisfiable, Whole};

/// Of a content of 36 bytes.
const RANGES: &[(&[(&str, &str)], Right)] = &[
    (&[("range", "bytes=0-0")], Parts(&[(0, 0)])),
    (&[("range", "bytes=5-9")], Parts(&[(5, 9)])),
    (&[("range", "bytes=30-")], Parts(&[(30, 35)])),
    (&[("range", "bytes=35-99")], Parts(&[(35, 35)])),
    (&[("range", "bytes=-1")], Parts(&[(35, 35)])),
    (&[("range", "bytes=-99")], Parts(&[(0, 35)])),
    (&[("range", "bytes=0-")], Parts(&[(0, 35)])),
    (&[("range", "bytes=0-0,-1")], Parts(&[(0, 0), (35, 35)])),
    (&[("range", "BYTES=1-2")], Parts(&[(1, 2)])),
    (&[("range", "bytes=0-0,10-11")], Parts(&[(0, 0), (10, 11)])),
    (&[("range", "bytes=10-11, 0-0 , -2")], Parts(&[(10, 11), (0, 0), (34, 35)])),
    (&[("range", "bytes=0-5,3-9,8-9")], Parts(&[(0, 9)])),
    (&[("range", "bytes=0-0,99-")], Parts(&[(0, 0)])),
    (&[("range", "bytes=36-")], Unsatisfiable),
    (&[("range", "bytes=99-100,-0")], Unsatisfiable),
    (&[("range", "bytes=5-4")], Whole),
    (&[("range", "bytes=0-0,5-4")], Whole),
    (&[("range", "bytes=a-b")], Whole),
    (&[("range", "bytes=")], Whole),
    (&[("range", "lines=0-0")], Whole),
    (&[("range", "bytes=0-0"), ("range", "bytes=0-0")], Whole),
    (&[("range", "bytes=1-2"), ("if-range", "{etag}")], Parts(&[(1, 2)])),
    (&[("range", "bytes=1-2,4-5"), ("if-range", "{etag}")], Parts(&[(1, 2), (4, 5)])),
    (&[("range", "bytes=1-2"), ("if-range", "W/{etag}")], Whole),
    (&[("range", "bytes=1-2"), ("if-range", "\"x\"")], Whole),
    (&[("range", "bytes=99-"), ("if-range", "\"x\"")], Whole),
    (&[("range", "bytes=1-2"), ("if-range", CHANGED)], Parts(&[(1, 2)])),
    (&[("range", "bytes=1-2"), ("if-range", BEFORE)], Whole),
    (&[("range", "bytes=1-2"), ("if-range", AFTER)], Whole),
    (&[("range", "bytes=1-2"), ("if-match", "{etag}")], Parts(&[(1, 2)])),
    (&[("range", "bytes=1-2"), ("if-none-match", "\"x\"")], Parts(&[(1, 2)])),
    (&[("if-range", "\"x\"")], Whole),
];

#[test]
fn ranges_row_by_row() {
    let folder = Folder::new();
    write_at(&folder, "small.txt", CONTENT);
    let house = serving(&folder, |files| files);
    for lane in LANES {
        let mut client = lane.open(&house);
        let whole = client.ask(&Ask::get("/small.txt")).status(200);
        assert_eq!(whole.head.field("accept-ranges"), Some("bytes"));
        let etag = whole.head.field("etag").unwrap();
        for (fields, right) in RANGES {
            let answer = ask(&mut *client, "GET", "/small.txt", etag, fields);
            let context = format!("{} {fields:?}: {answer:?}", lane.name());
            let length = answer.body.len().to_string();
            assert_eq!(answer.head.field("content-length"), Some(&*length), "{context}");
            let range = answer.head.field("content-range");
            let text = |(first, last): (usize, usize)| CONTENT[first..=last].to_owned();
            match right {
                Whole => assert_eq!(
                    (answer.head.status, range, answer.text()),
                    (200, None, CONTENT.into())
                ),
                Unsatisfiable => assert_eq!((answer.head.status, range), (416, Some("bytes */36"))),
                Parts([one]) => {
                    assert_eq!((answer.head.status, answer.text()), (206, text(*one)), "{context}");
                    assert_eq!(range, Some(&*format!("bytes {}-{}/36", one.0, one.1)), "{context}");
                }
                Parts(several) => {
                    assert_eq!((answer.head.status, range), (206, None), "{context}");
                    let parts = parts_of(&answer).into_iter();
                    let parts: Vec<_> = parts
                        .map(|(range, part)| (range, String::from_utf8(part).unwrap()))
                        .collect();
                    let right = several.iter().map(|&(first, last)| {
                        (format!("bytes {first}-{last}/36"), text((first, last)))
                    });
                    assert_eq!(parts, right.collect::<Vec<_>>(), "{context}");
                }
            }
            if answer.head.status < 300 {
                assert_eq!(answer.head.field("etag"), Some(etag), "{context}");
            }
            // RFC 9110 §14.2: Range is for GET alone.
            let bare = ask(&mut *client, "HEAD", "/small.txt", etag, fields);
            assert_eq!(bare.head.field("content-range"), None, "{context}");
            assert_eq!(bare.head.status, 200, "{context}");
        }
    }
}

/// Each part of multipart/byteranges (RFC 9110 §14.6), by its Content-Range.
fn parts_of(answer: &Answer) -> Vec<(String, Vec<u8>)> {
    let kind = answer.head.field("content-type").unwrap();
    let boundary = kind.strip_prefix("multipart/byteranges; boundary=").expect(kind);
    let delimiter = format!("\r\n--{boundary}").into_bytes();
    let (mut parts, mut rest) = (Vec::new(), &answer.body[..]);
    let cut = |rest: &[u8], mark: &[u8]| {
        rest.windows(mark.len()).position(|window| window == mark).map(|at| (at, at + mark.len()))
    };
    assert_eq!(cut(rest, &delimiter).map(|(at, _)| at), Some(0), "nothing comes before");
    while let Some((end, next)) = cut(rest, &delimiter) {
        if !parts.is_empty() || end > 0 {
            let (head, content) = cut(&rest[..end], b"\r\n\r\n").unwrap();
            let head = String::from_utf8(rest[..head].to_vec()).unwrap();
            let range =
                head.strip_prefix("\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: ");
            parts.push((range.expect(&head).to_owned(), rest[content..end].to_vec()));
        }
        rest = &rest[next..];
    }
    assert_eq!(rest, b"--\r\n");
    parts
}

#[test]
fn parts_of_a_large_file() {
    let folder = Folder::new();
    let large: Vec<u8> = (0..1 << 20).map(|at: u32| (at ^ (at >> 7)) as u8).collect();
    folder.write("large.txt", &large);
    let house = serving(&folder, |files| files);
    for lane in LANES {
        let mut client = lane.open(&house);
        let ask = Ask::get("/large.txt").field("range", "bytes=500000-899999,0-0,-300000");
        for _ in 0..2 {
            let answer = client.ask(&ask).status(206);
            let length = answer.body.len().to_string();
            assert_eq!(answer.head.field("content-length"), Some(&*length), "{}", lane.name());
            let parts = parts_of(&answer);
            // The first and the last overlap, and are one.
            assert_eq!(parts.len(), 2, "{}", lane.name());
            assert!(parts[0] == ("bytes 500000-1048575/1048576".into(), large[500_000..].to_vec()));
            assert!(parts[1] == ("bytes 0-0/1048576".into(), large[..1].to_vec()));
        }
        let many = (0..100).map(|at| format!("{0}-{0}", at * 10)).collect::<Vec<_>>().join(",");
        let many = Ask::get("/large.txt").field("range", format!("bytes={many}"));
        assert!(client.ask(&many).status(200).body == large, "{}", lane.name());
    }
}

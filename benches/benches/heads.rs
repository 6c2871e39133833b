//! HTTP/1.1 heads: reading a request's, with httparse alone as the floor, and writing a response's.

use std::hint::black_box;
use std::rc::Rc;

use criterion::{BatchSize, Criterion, Throughput};
use trilane_benches::requests::{BROWSER, ONE_FIELD};
use trilane_http1::Http1;
use trilane_semantics::{
    Content, Event, ExchangeId, Input, Instant, Known, Limits, Machine, Next, Outbox, RequestHead,
    ResponseHead, Stamp, StatusCode,
};

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    requests(&mut criterion);
    response(&mut criterion);
    criterion.final_summary();
}

fn machine() -> Http1 {
    Http1::server(Rc::new(Limits::default()), Instant::default())
}

/// The request that a new machine makes of these bytes.
fn read(machine: &mut Http1, bytes: &[u8]) -> (ExchangeId, RequestHead) {
    let mut input = Input::new((), bytes, false);
    match machine.poll_event(Instant::default(), &mut input) {
        Ok(Next::Event(Event::Request { id, head, content: Content::None }))
            if input.is_empty() =>
        {
            (id, head)
        }
        other => panic!("not a request: {other:?}"),
    }
}

fn requests(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("request head");
    for (name, bytes, fields) in [("browser", BROWSER, 17), ("one field", ONE_FIELD, 1)] {
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(format!("{name}, httparse alone"), |bencher| {
            bencher.iter(|| {
                let mut headers = [httparse::EMPTY_HEADER; 32];
                let mut request = httparse::Request::new(&mut headers);
                let parsed = request.parse(black_box(bytes));
                assert_eq!(parsed, Ok(httparse::Status::Complete(bytes.len())));
                assert_eq!(request.headers.len(), fields);
            });
        });
        group.bench_function(format!("{name}, the machine"), |bencher| {
            bencher.iter_batched_ref(
                machine,
                |machine| {
                    let (_, head) = read(machine, black_box(bytes));
                    assert_eq!((head.target(), head.fields.len()), ("/plaintext", fields));
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

fn response(criterion: &mut Criterion) {
    let mut head = ResponseHead::new(StatusCode::OK);
    let set = head.fields.append(Known::ContentType, "text/plain; charset=utf-8");
    assert_eq!(set, Ok(()));
    let stamp = Stamp::new("Sat, 21 Nov 2026 12:00:00 GMT", "trilane");
    let mut out = Outbox::new();
    criterion.bench_function("response head, 5 fields", |bencher| {
        bencher.iter_batched_ref(
            || {
                let mut machine = machine();
                let (id, _) = read(&mut machine, ONE_FIELD);
                (machine, id)
            },
            |(machine, id)| {
                out.clear(1 << 10);
                let content = Content::Exact(13);
                let sent = machine.respond(*id, black_box(&head), content, &stamp, &mut out);
                assert_eq!(sent, Ok(()));
                let bytes = out.single().unwrap_or_default();
                assert!(bytes.starts_with(b"HTTP/1.1 200 OK\r\n") && bytes.ends_with(b"\r\n\r\n"));
            },
            BatchSize::SmallInput,
        );
    });
}

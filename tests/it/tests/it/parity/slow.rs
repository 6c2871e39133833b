//! Slow readers (FEATURES P7): the handler's writes wait, and nothing is kept that the reader did not take.

use std::sync::atomic::Ordering::SeqCst;
use std::thread::sleep;
use std::time::Duration;

use super::house::eventually;
use super::{Ask, Got, House, LANES};
use crate::process::Process;

const MIB: u64 = 1 << 20;

#[test]
fn a_handler_waits_for_a_reader_that_stops() {
    let house = House::new(|_| {});
    for (at, lane) in (1..).zip(LANES) {
        house.probe.made.store(0, SeqCst);
        let mut client = lane.open(&house);
        let id = client.begin(&Ask::get("/test/endless"));
        eventually("the body begins", || house.begun() == at);
        let mut made = 0;
        eventually("the writes stop", || {
            let before = std::mem::replace(&mut made, house.made());
            sleep(Duration::from_millis(100));
            before == house.made()
        });
        // What the kernel holds for both ends, and our own `send_queue`.
        assert!(made < 32 * MIB, "{}: {made} bytes wait", lane.name());
        // It goes on when the reader does.
        let Got::Head(_) = client.next(id) else { panic!("no head") };
        eventually("the writes go on", || {
            assert!(matches!(client.next(id), Got::Data(_)));
            house.made() > made + MIB
        });
        client.leave();
    }
    house.settle();
}

#[test]
fn memory_stays_flat_while_64_mib_are_read_slowly() {
    const READERS: usize = 4;
    let process = Process::demo(&["--log", "off"]);
    for lane in LANES {
        lane.open(&process).ask(&Ask::get("/bytes/2000000")).status(200);
        let before = process.memory();
        let mut readers = Vec::new();
        for _ in 0..READERS {
            let mut client = lane.open(&process);
            let id = client.begin(&Ask::get(format!("/bytes/{}", 64 * MIB)));
            readers.push((client, id, 0));
        }
        let mut most = before;
        for _ in 0..20 {
            sleep(Duration::from_millis(15));
            for (client, id, read) in &mut readers {
                if let Got::Data(data) = client.next(*id) {
                    *read += data.len() as u64;
                }
            }
            most = most.max(process.memory());
        }
        // The rest at once: bounded in time, and all of it there.
        for (client, id, read) in &mut readers {
            let rest = client.answer(*id).whole();
            assert_eq!(*read + rest.body.len() as u64, 64 * MIB, "{}", lane.name());
            most = most.max(process.memory());
        }
        let grown = most.saturating_sub(before);
        assert!(grown < 12 * MIB, "{}: {grown} bytes more for {READERS} readers", lane.name());
    }
}

#[test]
fn memory_stays_flat_while_an_upload_waits_for_its_reader() {
    let process = Process::demo(&["--log", "off"]);
    for lane in LANES {
        let size = 96 * MIB;
        let piece = vec![b'u'; MIB as usize];
        // Both shards have used each of their receive buffers (8 MiB a shard) once.
        for _ in 0..8 {
            let mut warm = lane.open(&process);
            let id = warm.begin(&Ask::post("/upload", super::Length::Exact(16 * MIB)));
            (0..16).for_each(|_| warm.send(id, &piece).unwrap());
            warm.answer(id).whole().status(200);
        }
        let before = process.memory();
        let mut client = lane.open(&process);
        let id = client.begin(&Ask::post("/upload", super::Length::Exact(size)));
        let mut most = before;
        for _ in 0..size / MIB {
            client.send(id, &piece).unwrap();
            most = most.max(process.memory());
        }
        let answer = client.answer(id).whole().status(200);
        assert_eq!(answer.text(), format!("{{\"bytes\":{size}}}"));
        let grown = most.saturating_sub(before);
        assert!(grown < 12 * MIB, "{}: {grown} bytes more", lane.name());
    }
}

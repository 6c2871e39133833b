//! Any bytes as a recording, and as the steps of one: read without a panic, replayed without a panic, and what was read is what is written.

use trilane_record::Recording;

/// What stands before steps, for each machine.
const HEADS: [&str; 4] = [
    "protocol HTTP/1.1\nredacted 1\n",
    "protocol HTTP/2\ncontent 1\n",
    "protocol HTTP/3\ndatagrams 1\n",
    "protocol HTTP/1.1\nexchanges 9\nbegan 7\n",
];

/// `data` as a file, and as steps in a file whose sum is right.
pub fn recording(data: &[u8]) {
    look(data);
    for head in HEADS {
        let mut file = format!("trilane recording 1\n{head}\n").into_bytes();
        file.extend_from_slice(data);
        file.extend_from_slice(&sum(&file).to_le_bytes());
        look(&file);
    }
}

fn look(file: &[u8]) {
    let Ok(recording) = Recording::read(file) else { return };
    assert_eq!(Recording::read(&recording.to_bytes()).as_ref(), Ok(&recording));
    let mut said = 0;
    let report = recording.replay(|_| said += 1);
    assert!(said <= report.steps);
    drop(recording.corpus());
}

/// ISO 3309, bit by bit: nothing is shared with the one that is tried.
fn sum(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, &byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| {
            sum >> 1 ^ if sum & 1 == 1 { 0xedb8_8320 } else { 0 }
        })
    })
}

//! The public files of the QPACK offline interop, `qpackers/qifs`: read what other encoders wrote, and write it again.
//!
//! They are 60 MB and not part of this tree:
//!
//!     QPACK_QIFS=DIR cargo test -p trilane-qpack --release --test interop -- --ignored --nocapture
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on should stop"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use trilane_qpack::{Decoded, Decoder, Encoder, Field};
use trilane_semantics::NameRef;

type Lines = Vec<(Vec<u8>, Vec<u8>)>;

#[test]
#[ignore = "needs a checkout of qpackers/qifs, named by QPACK_QIFS"]
fn every_file_is_read() {
    let top = PathBuf::from(std::env::var("QPACK_QIFS").unwrap());
    let (mut files, mut sections) = (0, 0);
    for folder in entries(&top.join("encoded/qpack-05")).iter().filter(|path| path.is_dir()) {
        for file in entries(folder) {
            let name = file.file_name().unwrap().to_str().unwrap().to_owned();
            // NAME.out.CAPACITY.BLOCKED.ACKNOWLEDGED
            let Some((qif, settings)) = name.split_once(".out.") else { continue };
            let mut numbers = settings.rsplit('.').map(|number| number.parse::<usize>().unwrap());
            let (_, blocked, capacity) =
                (numbers.next().unwrap(), numbers.next().unwrap(), numbers.next().unwrap());
            let qif = top.join("qifs").join(format!("{qif}.qif"));
            if !qif.exists() {
                continue;
            }
            let expected = blocks(&qif);
            let read = read(&fs::read(&file).unwrap(), capacity, blocked).expect(&name);
            assert!(read.values().eq(&expected), "{name}");
            files += 1;
            sections += expected.len();
        }
    }
    assert!(files >= 400, "{files} files");
    println!("{files} files, {sections} sections");
}

#[test]
#[ignore = "needs a checkout of qpackers/qifs, named by QPACK_QIFS"]
fn every_error_is_one() {
    let top = PathBuf::from(std::env::var("QPACK_QIFS").unwrap());
    let files = entries(&top.join("encoded/errors"));
    assert!(files.len() >= 12);
    for file in files {
        let read = read(&fs::read(&file).unwrap(), 4096, 100);
        // Two were errors in a draft: they name the lines 0 and 62 of the static table.
        let is_line = file.ends_with("err9") || file.ends_with("err10");
        assert_eq!(read.is_ok(), is_line, "{file:?}: {read:?}");
    }
}

#[test]
#[ignore = "needs a checkout of qpackers/qifs, named by QPACK_QIFS"]
fn every_block_is_written() {
    let top = PathBuf::from(std::env::var("QPACK_QIFS").unwrap());
    for file in entries(&top.join("qifs")) {
        let blocks = blocks(&file);
        for capacity in [0, 256, 512, 4096] {
            let (mut encoder, mut decoder) = (Encoder::new(capacity), Decoder::new(capacity, 0));
            encoder.set_peer(capacity as u64);
            let (mut written, mut said, mut plain) = (0, 0, 0);
            for (stream, lines) in (0..).step_by(4).zip(&blocks) {
                let mut out = Vec::new();
                encoder.begin(stream, &mut out);
                for (name, value) in lines {
                    encoder.field(&mut out, Field::new(NameRef::new(name), value));
                    plain += name.len() + value.len();
                }
                encoder.end(&mut out);
                written += out.len();
                assert_eq!(decode(&mut decoder, stream, &out).unwrap().as_ref(), Some(lines));
                out.clear();
                encoder.instructions_owed(&mut out);
                said += out.len();
                assert_eq!(decoder.instructions(&out), Ok(out.len()));
                out.clear();
                decoder.owed(&mut out);
                assert_eq!(encoder.acknowledge(&out), Ok(out.len()));
            }
            println!(
                "{file:?}, {capacity}: {plain} bytes are {written} and {said} of instructions"
            );
        }
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// Blocks of `name`, tab, `value`, between empty lines.
fn blocks(qif: &Path) -> Vec<Lines> {
    let text = fs::read(qif).unwrap();
    let mut blocks = vec![Lines::new()];
    for line in text.split(|&byte| byte == b'\n').filter(|line| !line.starts_with(b"#")) {
        match line.iter().position(|&byte| byte == b'\t') {
            Some(tab) => {
                let line = (line[..tab].to_vec(), line[tab + 1..].to_vec());
                blocks.last_mut().unwrap().push(line);
            }
            None => blocks.push(Lines::new()),
        }
    }
    blocks.retain(|block| !block.is_empty());
    blocks
}

/// Sections by their stream, from a file of stream, length and bytes; stream 0 is the encoder stream.
fn read(mut file: &[u8], capacity: usize, blocked: usize) -> Result<BTreeMap<u64, Lines>, String> {
    let mut decoder = Decoder::new(capacity, blocked);
    // Some of these encoders take the capacity for granted, as an early draft did.
    let mut set = Vec::new();
    trilane_hpack::integer::encode(&mut set, 0x20, 5, capacity as u64);
    assert_eq!(decoder.instructions(&set), Ok(set.len()));
    let (mut read, mut waiting, mut kept) = (BTreeMap::new(), Vec::new(), Vec::new());
    while let Some((head, rest)) = file.split_first_chunk::<12>() {
        let (stream, len) = head.split_at(8);
        let stream = u64::from_be_bytes(stream.try_into().unwrap());
        let len = u32::from_be_bytes(len.try_into().unwrap()) as usize;
        let (bytes, rest) = rest.split_at_checked(len).ok_or("the file ends early")?;
        file = rest;
        if stream == 0 {
            kept.extend_from_slice(bytes);
            let taken = decoder.instructions(&kept).map_err(|why| why.to_string())?;
            kept.drain(..taken);
        } else {
            waiting.push((stream, bytes));
        }
        let mut later = Vec::new();
        for (stream, section) in waiting.drain(..) {
            match decode(&mut decoder, stream, section)? {
                Some(lines) => drop(read.insert(stream, lines)),
                None => later.push((stream, section)),
            }
        }
        waiting = later;
        decoder.owed(&mut Vec::new());
    }
    if waiting.is_empty() && kept.is_empty() { Ok(read) } else { Err("something waits".into()) }
}

fn decode(decoder: &mut Decoder, stream: u64, section: &[u8]) -> Result<Option<Lines>, String> {
    let mut lines = Lines::new();
    let decoded = decoder.decode(stream, section, |field| {
        lines.push((field.name.as_bytes().to_vec(), field.value.to_vec()));
        Ok::<_, String>(())
    });
    let decoded = decoded.map_err(|why| why.to_string())?;
    Ok((decoded == Decoded::Whole).then_some(lines))
}

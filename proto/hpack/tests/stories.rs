//! The public stories of other implementations, `http2jp/hpack-test-case`: read what all of them wrote, and write it again.
//!
//! They are 66 MB and not part of this tree:
//!
//!     HPACK_STORIES=DIR cargo test -p trilane-hpack --release --test stories -- --ignored
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use trilane_hpack::{Decoder, Encoder, Field};
use trilane_semantics::NameRef;

type Lines = Vec<(Vec<u8>, Vec<u8>)>;

#[test]
#[ignore = "needs a checkout of http2jp/hpack-test-case, named by HPACK_STORIES"]
fn every_story_is_read_and_written() {
    let top = std::env::var("HPACK_STORIES").unwrap();
    let (mut files, mut blocks) = (0, 0);
    for file in stories(Path::new(&top)) {
        let story: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        blocks += read(&story, &file);
        write(&story, &file);
        files += 1;
    }
    assert!(files >= 400 && blocks > 0, "{files} files, {blocks} blocks");
    println!("{files} stories, {blocks} blocks");
}

fn stories(top: &Path) -> Vec<PathBuf> {
    let folders = fs::read_dir(top).unwrap().map(|entry| entry.unwrap().path());
    let files = folders.filter_map(|folder| fs::read_dir(folder).ok()).flatten();
    let files = files.map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|kind| kind == "json")).collect()
}

fn cases(story: &Value) -> impl Iterator<Item = (&Value, Lines)> {
    story["cases"].as_array().unwrap().iter().map(|case| {
        let lines = case["headers"].as_array().unwrap().iter().map(|line| {
            let (name, value) = line.as_object().unwrap().iter().next().unwrap();
            (name.clone().into_bytes(), value.as_str().unwrap().as_bytes().to_vec())
        });
        (case, lines.collect())
    })
}

fn decode(decoder: &mut Decoder, block: &[u8], file: &Path) -> Lines {
    let mut lines = Lines::new();
    let decoded = decoder.decode(block, |field| {
        lines.push((field.name.as_bytes().to_vec(), field.value.to_vec()));
        Ok::<_, ()>(())
    });
    assert_eq!(decoded, Ok(()), "{file:?}");
    lines
}

/// How many blocks were read; raw stories have none.
fn read(story: &Value, file: &Path) -> usize {
    let mut decoder = Decoder::new(4096);
    let mut count = 0;
    for (case, lines) in cases(story) {
        let Some(wire) = case["wire"].as_str() else { continue };
        if let Some(size) = case["header_table_size"].as_u64() {
            decoder.set_max_table_size(size as usize);
        }
        let digits: Vec<_> = wire.chars().map(|digit| digit.to_digit(16).unwrap() as u8).collect();
        let block: Vec<_> = digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect();
        assert_eq!(decode(&mut decoder, &block, file), lines, "{file:?}, {}", case["seqno"]);
        count += 1;
    }
    count
}

/// Also with the `hpack` crate as the reader of the raw stories: it is slow.
fn write(story: &Value, file: &Path) {
    let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new(4096));
    let is_raw = file.parent().is_some_and(|folder| folder.ends_with("raw-data"));
    let mut theirs = hpack::Decoder::new();
    for (_, lines) in cases(story) {
        let mut block = Vec::new();
        encoder.begin(&mut block);
        for (name, value) in &lines {
            encoder.field(&mut block, Field::new(NameRef::new(name), value));
        }
        assert_eq!(decode(&mut decoder, &block, file), lines, "{file:?}");
        if is_raw {
            assert_eq!(theirs.decode(&block).unwrap(), lines);
        }
    }
}

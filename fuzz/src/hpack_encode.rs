//! HPACK encoding (RFC 7541): what is written comes back from our decoder and from the `hpack` crate.
//!
//! Steps: `fname:value` a field, `sname:value` a sensitive one, `b` the next block, `tN` the peer allows a table of N bytes.

use trilane_hpack::{Decoder, Encoder, Field};
use trilane_semantics::NameRef;

use crate::hpack_decode::MISSPELT;
use crate::script::Script;

/// `data` as a script.
pub fn hpack_encode(data: &[u8]) {
    let mut world = World {
        encoder: Encoder::new(),
        ours: Decoder::new(Encoder::TABLE_SIZE),
        theirs: Some(hpack::Decoder::new()),
        block: Vec::new(),
        lines: Vec::new(),
    };
    world.encoder.begin(&mut world.block);
    for step in Script::new(data).0 {
        let (name, value) = step.pair();
        match step.op {
            b'f' => world.field(name, value, false),
            b's' => world.field(name, value, true),
            b'b' => world.next(),
            b't' => {
                // Blocks lie between settings, as they do in HTTP/2.
                world.next();
                world.encoder.set_max_table_size(step.number());
                world.ours.set_max_table_size(step.number());
                world.block.clear();
                world.encoder.begin(&mut world.block);
            }
            _ => {}
        }
    }
    world.next();
}

struct World {
    encoder: Encoder,
    ours: Decoder,
    theirs: Option<hpack::Decoder<'static>>,
    block: Vec<u8>,
    lines: Vec<(Vec<u8>, Vec<u8>, bool)>,
}

impl World {
    fn field(&mut self, name: &[u8], value: &[u8], sensitive: bool) {
        let name = name.to_ascii_lowercase();
        let field = Field { name: NameRef::new(&name), value, sensitive };
        self.encoder.field(&mut self.block, field);
        self.lines.push((name, value.to_vec(), sensitive));
    }

    /// Ends the block: both read it. The next begins.
    fn next(&mut self) {
        let mut read = Vec::new();
        let decoded = self.ours.decode(&self.block, |field| {
            read.push((field.name.as_bytes().to_vec(), field.value.to_vec(), field.sensitive));
            Ok::<_, ()>(())
        });
        assert_eq!(decoded, Ok(()));
        assert_eq!(read.len(), self.lines.len());
        for (read, line) in read.iter().zip(&self.lines) {
            assert_eq!((&read.0, &read.1), (&line.0, &line.1));
            assert!(read.2 || !line.2, "a secret was indexed: {line:?}");
        }
        if self.lines.iter().any(|(name, ..)| name == MISSPELT) {
            self.theirs = None;
        }
        if let Some(theirs) = &mut self.theirs {
            let read = read.into_iter().map(|(name, value, _)| (name, value));
            assert!(theirs.decode(&self.block).is_ok_and(|theirs| theirs.into_iter().eq(read)));
        }
        self.block.clear();
        self.lines.clear();
        self.encoder.begin(&mut self.block);
    }
}

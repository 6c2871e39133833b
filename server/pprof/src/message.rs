//! Protocol buffers, as far as a profile needs them: numbers, bytes, and messages inside of each other.

/// A message that is being written.
#[derive(Debug, Default)]
pub(crate) struct Message(Vec<u8>);

/// The type of a field on the wire: a varint.
const VARINT: u64 = 0;
/// Bytes with their length before them.
const BYTES: u64 = 2;

impl Message {
    /// A field of a number; 0 is not written, as it is what is read where there is none.
    pub(crate) fn number(&mut self, field: u64, value: u64) -> &mut Self {
        if value != 0 {
            self.varint(field << 3 | VARINT);
            self.varint(value);
        }
        self
    }

    /// A field of many numbers, packed.
    pub(crate) fn numbers(
        &mut self,
        field: u64,
        values: impl IntoIterator<Item = u64>,
    ) -> &mut Self {
        let mut packed = Self::default();
        values.into_iter().for_each(|value| packed.varint(value));
        self.message(field, &packed)
    }

    /// A field of bytes or text, also if there are none.
    pub(crate) fn bytes(&mut self, field: u64, bytes: &[u8]) -> &mut Self {
        self.varint(field << 3 | BYTES);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    /// A field of another message.
    pub(crate) fn message(&mut self, field: u64, message: &Self) -> &mut Self {
        self.bytes(field, &message.0)
    }

    /// All of it.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes of the examples in the description of the format.
    #[test]
    fn fields_are_as_they_are_described() {
        let mut inner = Message::default();
        inner.number(1, 150).number(7, 0);
        let mut outer = Message::default();
        outer.bytes(2, b"testing").message(3, &inner).numbers(6, [3, 270, 86942]);
        let expected = [
            &[0x12, 7][..],
            b"testing",
            &[0x1a, 3, 8, 0x96, 1],
            &[0x32, 6, 3, 0x8e, 2, 0x9e, 0xa7, 5],
        ];
        assert_eq!(outer.into_bytes(), expected.concat());
        let mut most = Message::default();
        most.varint(u64::MAX);
        assert_eq!(most.into_bytes(), [&[0xff; 9][..], &[1]].concat());
    }
}

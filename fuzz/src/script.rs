//! Operations as text, so that a corpus can be written and a finding read: steps between `|`, the first byte of a
//! step says what, the rest is for it. Any bytes are a script.

use arbitrary::{Arbitrary, Result, Unstructured};

/// Steps of one script at most: more only takes time.
const STEPS: usize = 200;

/// One operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step<'a> {
    pub(crate) op: u8,
    pub(crate) rest: &'a [u8],
}

/// A list of operations.
#[derive(Debug)]
pub(crate) struct Script<'a>(pub(crate) Vec<Step<'a>>);

impl<'a> Script<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        // Taking the rest cannot fail.
        Self::arbitrary_take_rest(Unstructured::new(data)).unwrap_or(Self(Vec::new()))
    }
}

impl<'a> Arbitrary<'a> for Script<'a> {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let all = u.len();
        Ok(Self(steps(u.bytes(all)?)))
    }

    fn arbitrary_take_rest(u: Unstructured<'a>) -> Result<Self> {
        Ok(Self(steps(u.take_rest())))
    }
}

fn steps(bytes: &[u8]) -> Vec<Step<'_>> {
    let steps = bytes.split(|&byte| byte == b'|').filter_map(|step| step.split_first());
    steps.take(STEPS).map(|(&op, rest)| Step { op, rest }).collect()
}

impl<'a> Step<'a> {
    /// The decimal number that the rest begins with, at most a million.
    pub(crate) fn number(&self) -> usize {
        let digits = self.rest.iter().take_while(|byte| byte.is_ascii_digit());
        let number = digits.take(7).fold(0, |sum, byte| sum * 10 + usize::from(byte - b'0'));
        number.min(1_000_000)
    }

    /// Bytes that the rest has as hexadecimal digits, where any byte can be: up to the first that are none.
    pub(crate) fn hex(bytes: &[u8]) -> Vec<u8> {
        let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
        let pairs = bytes.as_chunks::<2>().0.iter();
        pairs.map_while(|&[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect()
    }

    /// The rest as a name and what stands after its first colon.
    pub(crate) fn pair(&self) -> (&'a [u8], &'a [u8]) {
        let colon = self.rest.iter().position(|&byte| byte == b':').unwrap_or(self.rest.len());
        (&self.rest[..colon], self.rest.get(colon + 1..).unwrap_or_default())
    }
}

//! Memory for content that is rendered whole: one buffer a thread, used again once what it held is sent.
//!
//! It is memory and no state: what is rendered never depends on what was there before.

use std::cell::Cell;
use std::rc::Rc;

use trilane_semantics::{Memory, Payload};

/// A new buffer has room for that many bytes.
const USUAL: usize = 512;
/// A buffer that grew past this is not used again, in bytes.
const KEEP: usize = 16 << 10;

thread_local! {
    static SPARE: Cell<Option<Rc<Buffer>>> = const { Cell::new(None) };
}

#[derive(Clone, Default)]
struct Buffer(Vec<u8>);

impl Memory for Buffer {
    fn as_slice(&self) -> &[u8] {
        &self.0
    }
}

/// What `write` appends to the empty buffer that it gets.
///
/// # Errors
/// That of `write`.
pub fn rendered<E>(write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Result<Payload, E> {
    // Taken out, so that whatever renders while this renders has another one.
    let mut buffer = SPARE.take().filter(|it| Rc::strong_count(it) == 1).unwrap_or_default();
    // Nobody else's, so nothing is cloned.
    let Buffer(bytes) = Rc::make_mut(&mut buffer);
    bytes.clear();
    bytes.reserve(USUAL);
    write(bytes)?;
    let length = bytes.len();
    if bytes.capacity() <= KEEP {
        SPARE.set(Some(Rc::clone(&buffer)));
    }
    Ok(Payload::from_lease(buffer, 0, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Payload {
        rendered(|out| {
            out.extend_from_slice(text.as_bytes());
            Ok::<(), ()>(())
        })
        .unwrap()
    }

    #[test]
    fn what_is_held_stays_as_it_is() {
        let one = of("one");
        let (two, place) = (of("two"), one.as_ref().as_ptr());
        assert_eq!((one.as_ref(), two.as_ref()), (&b"one"[..], &b"two"[..]));
        let again = two.as_ref().as_ptr();
        drop((one, two));
        assert_eq!(of("three").as_ref().as_ptr(), again, "the last buffer is used again");
        assert_ne!(place, again);
        assert_eq!(rendered(|_| Err(7)), Err(7));
    }

    #[test]
    fn rendering_while_rendering() {
        let outer = rendered(|out| {
            out.extend_from_slice(b"a");
            out.extend_from_slice(of("b").as_ref());
            Ok::<(), ()>(())
        });
        assert_eq!(outer.unwrap().as_ref(), b"ab");
    }

    #[test]
    fn the_bound_of_what_is_kept() {
        for (length, kept) in [(KEEP - 1, true), (KEEP, true), (KEEP + 1, false)] {
            SPARE.set(None);
            let exact = |out: &mut Vec<u8>| {
                out.reserve_exact(length);
                out.resize(length, 0);
                Ok::<(), ()>(())
            };
            drop(rendered(exact).unwrap());
            assert_eq!(SPARE.take().is_some(), kept, "{length}");
        }
    }
}

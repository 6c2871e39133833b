//! What layers leave on an exchange for those that come after the handler, such as the log. One value a type.

use std::any::{Any, TypeId};
use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

/// A few values, so that a list is faster than a map. A copy shares them: a layer that changes a request's head copies its
/// exchange, and what is noted after that is for the end of the exchange all the same.
#[derive(Clone, Default)]
pub(crate) struct Notes(Rc<List>);

type List = RefCell<Vec<(TypeId, Rc<dyn Any>)>>;

impl Notes {
    /// The value of that type takes the place of one that is there.
    pub(crate) fn put<T: 'static>(&self, value: T) {
        let (kind, value) = (TypeId::of::<T>(), Rc::new(value) as Rc<dyn Any>);
        let mut notes = self.0.borrow_mut();
        match notes.iter_mut().find(|(other, _)| *other == kind) {
            Some((_, old)) => *old = value,
            None => notes.push((kind, value)),
        }
    }

    pub(crate) fn get<T: 'static>(&self) -> Option<Rc<T>> {
        let kind = TypeId::of::<T>();
        let notes = self.0.borrow();
        let (_, value) = notes.iter().find(|(other, _)| *other == kind)?;
        Rc::clone(value).downcast().ok()
    }

    pub(crate) fn clear(&mut self) {
        match Rc::get_mut(&mut self.0) {
            Some(list) => list.get_mut().clear(),
            None => self.0 = Rc::default(),
        }
    }
}

impl fmt::Debug for Notes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Notes({})", self.0.borrow().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_a_type() {
        let mut notes = Notes::default();
        notes.put(1_u8);
        notes.put("a");
        notes.put(2_u8);
        assert_eq!(notes.get::<u8>().as_deref(), Some(&2));
        assert_eq!(notes.get::<&str>().as_deref(), Some(&"a"));
        assert_eq!(notes.get::<u16>(), None);
        let copy = notes.clone();
        copy.put(3_u16);
        assert_eq!(notes.get::<u16>().as_deref(), Some(&3));
        notes.clear();
        assert_eq!(notes.get::<u8>(), None);
        // Of another exchange: the copy belongs to the one before.
        assert_eq!(copy.get::<u8>().as_deref(), Some(&2));
    }
}

//! What layers leave on an exchange for those that come after the handler, such as the log. One value a type.

use std::any::{Any, TypeId};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;

use crate::client::Client;
use crate::trace::TraceContext;

/// What was noted. A copy shares it: a layer that changes a request's head copies its exchange, and what is noted after that is
/// for the end of the exchange all the same.
#[derive(Clone, Default)]
pub(crate) struct Notes(Rc<Noted>);

#[derive(Default)]
struct Noted {
    /// A few values, so that a list is faster than a map.
    list: RefCell<Vec<(TypeId, Rc<dyn Any>)>>,
    client: Cell<Option<Client>>,
    trace: Cell<Option<TraceContext>>,
}

impl Notes {
    /// The value of that type takes the place of one that is there.
    pub(crate) fn put<T: 'static>(&self, value: T) {
        let (kind, value) = (TypeId::of::<T>(), Rc::new(value) as Rc<dyn Any>);
        let mut notes = self.0.list.borrow_mut();
        match notes.iter_mut().find(|(other, _)| *other == kind) {
            Some((_, old)) => *old = value,
            None => notes.push((kind, value)),
        }
    }

    pub(crate) fn get<T: 'static>(&self) -> Option<Rc<T>> {
        let kind = TypeId::of::<T>();
        let notes = self.0.list.borrow();
        let (_, value) = notes.iter().find(|(other, _)| *other == kind)?;
        Rc::clone(value).downcast().ok()
    }

    /// Who asks, where a layer knows better than the connection.
    pub(crate) fn client(&self) -> &Cell<Option<Client>> {
        &self.0.client
    }

    pub(crate) fn trace(&self) -> &Cell<Option<TraceContext>> {
        &self.0.trace
    }

    pub(crate) fn clear(&mut self) {
        match Rc::get_mut(&mut self.0) {
            Some(noted) => {
                noted.list.get_mut().clear();
                (noted.client, noted.trace) = Default::default();
            }
            None => self.0 = Rc::default(),
        }
    }
}

impl fmt::Debug for Notes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Notes({})", self.0.list.borrow().len())
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

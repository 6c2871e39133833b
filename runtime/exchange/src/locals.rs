//! What parts of an application keep on a shard, beside the application: another one that takes its place finds it there.

use std::any::{Any, TypeId};
use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use crate::shard::Shard;

/// One value a type. There are as many types as there are parts that keep something: a few.
#[derive(Default)]
pub struct Locals(RefCell<Vec<(TypeId, Rc<dyn Any>)>>);

impl Locals {
    fn of<T: Default + 'static>(&self) -> Rc<T> {
        let kind = TypeId::of::<T>();
        let known = self.0.borrow().iter().find(|(other, _)| *other == kind).cloned();
        if let Some(value) = known.and_then(|(_, value)| value.downcast().ok()) {
            return value;
        }
        let value = Rc::<T>::default();
        self.0.borrow_mut().push((kind, Rc::clone(&value) as _));
        value
    }

    /// Takes all out, for a shard that ends.
    pub fn clear(&self) {
        let all = self.0.take();
        drop(all);
    }
}

impl fmt::Debug for Locals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Locals({})", self.0.borrow().len())
    }
}

impl Shard {
    /// The shard's own value of that type, which lives as long as the shard does: for what outlives an application. Where nothing is
    /// kept, a new one each time.
    ///
    /// ```
    /// use std::cell::Cell;
    /// #[derive(Default)]
    /// struct Applications(Cell<u64>);
    /// # fn app(shard: trilane_exchange::Shard) {
    /// let count = shard.local::<Applications>();
    /// count.0.set(count.0.get() + 1);
    /// # }
    /// ```
    #[must_use]
    pub fn local<T: Default + 'static>(&self) -> Rc<T> {
        self.locals().map_or_else(Rc::default, Locals::of)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn one_value_of_each_type() {
        let locals = Locals::default();
        locals.of::<Cell<u8>>().set(1);
        locals.of::<Cell<u16>>().set(2);
        assert_eq!((locals.of::<Cell<u8>>().get(), locals.of::<Cell<u16>>().get()), (1, 2));
        let held = locals.of::<Cell<u8>>();
        locals.clear();
        assert_eq!((held.get(), locals.of::<Cell<u8>>().get()), (1, 0));
    }
}

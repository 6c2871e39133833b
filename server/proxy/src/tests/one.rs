//! A group of one server, for tests.

use crate::group::Member;
use crate::upstream::{Place, Target, Terms, Upstream};

/// A group of one server.
pub(crate) fn upstream(terms: Terms) -> Upstream {
    let place = Place::Ip(([127, 0, 0, 1], 1).into());
    let target = Target { member: Member::new("a"), place, authority: "a".into() };
    Upstream::new("servers", vec![target], terms).unwrap()
}

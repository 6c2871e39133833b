//! Lists of addresses (FEATURES X7, W8): who may ask, on a router and on one route.

use trilane::{IpList, Router, get};

use crate::parity::{Ask, House, LANES};

#[test]
fn who_is_let_in() {
    let house = House::serving(|_| {
        let ok = || async { "in" };
        let inside = IpList::new().allow("127.0.0.0/8").allow("::1");
        let outside = IpList::new().allow("10.0.0.0/8");
        let denied =
            Router::new().route("/", get(ok)).layer(IpList::new().deny("::ffff:127.0.0.1"));
        Router::new()
            .route("/metrics", get(ok).layer(inside))
            .route("/admin", get(ok).layer(outside))
            .nest("/denied", denied)
    });
    for lane in LANES {
        let mut client = lane.open(&house);
        for (target, status) in [("/metrics", 200), ("/admin", 403), ("/denied", 403), ("/x", 404)]
        {
            client.ask(&Ask::get(target)).status(status);
        }
    }
}

//! Whose an address is, as limits see it: whoever has an IPv6 network has all the addresses of it.

use std::net::IpAddr;

/// What counts as one client: an IPv4 address, also where it comes as an IPv6 one (RFC 4291 §2.5.5.2), or the /64 of an IPv6
/// address, which is what a single host is given (RFC 6177 §2).
///
/// ```
/// use trilane_exchange::Network;
/// let of = |text: &str| Network::of(text.parse().unwrap());
/// assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.1"));
/// assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
/// assert_eq!(of("2001:db8::1"), of("2001:db8::2"));
/// assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Network(u128);

impl Network {
    /// The bits of an IPv6 address that name its network.
    const PREFIX: u128 = !0 << 64;

    /// That of an address.
    #[must_use]
    pub const fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(v4) => Self(v4.to_ipv6_mapped().to_bits()),
            IpAddr::V6(v6) => Self(v6.to_bits() & Self::PREFIX),
        }
    }

    /// As bytes, different ones for different networks.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }
}

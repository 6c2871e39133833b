//! Lists of networks: single addresses and CIDR blocks, IPv4 in IPv6 clothes included.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

/// Networks, and unix sockets, whose peers have no address.
#[derive(Clone, Debug, Default)]
pub(crate) struct Networks {
    list: Vec<IpNet>,
}

impl Networks {
    /// Adds `192.0.2.7`, `10.0.0.0/8` or `2001:db8::/32`; `false` when it is none of these.
    pub(crate) fn add(&mut self, text: &str) -> bool {
        let network = match text.parse::<IpAddr>() {
            Ok(ip) => Some(IpNet::from(ip.to_canonical())),
            Err(_) => text.parse().ok().map(canonical),
        };
        self.list.extend(network);
        network.is_some()
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether one of them has that address. `::ffff:192.0.2.7` is 192.0.2.7 (RFC 4291 §2.5.5.2).
    pub(crate) fn has(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.list.iter().any(|network| network.contains(&ip))
    }
}

/// A block of mapped addresses is a block of IPv4.
fn canonical(network: IpNet) -> IpNet {
    let IpNet::V6(v6) = network else { return network };
    let v4 = v6.addr().to_ipv4_mapped().zip(v6.prefix_len().checked_sub(96));
    v4.and_then(|(v4, bits)| Ipv4Net::new(v4, bits).ok()).map_or(network, IpNet::V4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_addresses_are_in_it() {
        for (network, inside, outside) in [
            ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
            ("192.0.2.7", "::ffff:192.0.2.7", "::192.0.2.7"),
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("10.1.2.3/8", "10.0.0.1", "9.255.255.255"),
            ("::ffff:10.0.0.0/104", "10.9.9.9", "11.0.0.1"),
            ("::ffff:192.0.2.7", "192.0.2.7", "192.0.2.6"),
            ("2001:db8::/32", "2001:db8:1::1", "2001:db9::"),
            ("0.0.0.0/0", "203.0.113.1", "2001:db8::1"),
            ("::/0", "2001:db8::1", "203.0.113.1"),
        ] {
            let mut networks = Networks::default();
            assert!(networks.add(network), "{network}");
            assert!(networks.has(inside.parse().unwrap()), "{network} {inside}");
            assert!(!networks.has(outside.parse().unwrap()), "{network} {outside}");
        }
        for bad in ["", "a", "10.0.0.0/33", "10.0.0/8", "::/129", "10.0.0.1:80", "[::1]"] {
            assert!(!Networks::default().add(bad), "{bad}");
        }
    }
}

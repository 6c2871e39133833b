//! Where the routes for operators may listen: who can reach them must have shown who he is, unless only this machine can.

use std::fmt;

use trilane_shard::ListenAddress;

/// An address that others can reach, without anything that tells operators from strangers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exposed(ListenAddress);

impl Exposed {
    /// Looks at where it is to listen: loopback addresses and unix sockets need nothing, others a token or certificates of clients.
    ///
    /// # Errors
    /// The first address that is too open.
    pub fn check(listen: &[ListenAddress], has_token: bool, has_clients: bool) -> Result<(), Self> {
        if has_token || has_clients {
            return Ok(());
        }
        listen.iter().find(|address| !is_near(address)).map_or(Ok(()), |it| Err(Self(it.clone())))
    }
}

/// Whether only this machine gets there.
fn is_near(address: &ListenAddress) -> bool {
    match address {
        ListenAddress::Tcp(address) | ListenAddress::Udp(address) => {
            address.ip().to_canonical().is_loopback()
        }
        ListenAddress::Unix(_) => true,
    }
}

impl fmt::Display for Exposed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = &self.0;
        write!(
            f,
            "admin on {address} would be open to others: give it a token (token_file), or client_roots, or listen on a loopback \
             address or a unix socket"
        )
    }
}

impl std::error::Error for Exposed {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_can_reach_needs_a_guard() {
        for (text, near) in [
            ("127.0.0.1:1", true),
            ("127.9.9.9:1", true),
            ("[::1]:1", true),
            ("[::ffff:127.0.0.1]:1", true),
            ("unix:/run/admin", true),
            ("0.0.0.0:1", false),
            (":1", false),
            ("[::]:1", false),
            ("192.0.2.1:1", false),
        ] {
            let listen = [text.parse().unwrap()];
            let checked = |token, clients| Exposed::check(&listen, token, clients);
            assert_eq!(checked(false, false).is_ok(), near, "{text}");
            assert!(checked(true, false).is_ok() && checked(false, true).is_ok());
        }
        let open: ListenAddress = "192.0.2.1:1".parse().unwrap();
        let error = Exposed::check(&["[::1]:1".parse().unwrap(), open], false, false).unwrap_err();
        assert!(error.to_string().starts_with("admin on 192.0.2.1:1 would be open"), "{error}");
    }
}

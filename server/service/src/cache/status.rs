//! Cache-Status (RFC 9211): what the cache did with a request, as the last member of the response's list.

use smallvec::SmallVec;
use trilane_exchange::{Response, Shard};

/// Why a request was forwarded to the handler (RFC 9211 §2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Forward {
    /// The cache does not deal with such requests.
    Bypass,
    /// The method needs it.
    Method,
    /// Nothing is stored for the target.
    UriMiss,
    /// What is stored is for other requests.
    VaryMiss,
    /// What is stored may not be used for such a request.
    Miss,
    /// The client wants it.
    Request,
    /// What is stored is stale.
    Stale,
}

impl Forward {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::Method => "method",
            Self::UriMiss => "uri-miss",
            Self::VaryMiss => "vary-miss",
            Self::Miss => "miss",
            Self::Request => "request",
            Self::Stale => "stale",
        }
    }
}

/// What is told of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// `None` for a hit.
    pub(super) forward: Option<Forward>,
    /// The handler's status, where the client gets another one.
    pub(super) status: Option<u16>,
    /// Seconds until it is stale; below 0 since when it is.
    pub(super) ttl: Option<i64>,
    pub(super) is_stored: bool,
    /// Another request was forwarded for it.
    pub(super) is_collapsed: bool,
}

impl Told {
    pub(super) fn forwarded(why: Forward) -> Self {
        Self { forward: Some(why), ..Self::default() }
    }

    /// Counts it.
    fn count(self, shard: &Shard) {
        let counts = &shard.stats().cache;
        let counter = match self.forward {
            None => &counts.hit,
            Some(_) if self.is_collapsed => &counts.collapsed,
            Some(Forward::Bypass) => &counts.bypass,
            Some(Forward::Method) => &counts.method,
            Some(Forward::UriMiss) => &counts.uri_miss,
            Some(Forward::VaryMiss) => &counts.vary_miss,
            Some(Forward::Miss) => &counts.miss,
            Some(Forward::Request) => &counts.request,
            Some(Forward::Stale) => &counts.stale,
        };
        counter.add(1);
    }

    /// Tells it, as this cache, to the client and to those who count.
    pub(super) fn tell(self, response: &mut Response, shard: &Shard) {
        self.count(shard);
        self.write(response);
    }

    /// Tells it to the client.
    pub(super) fn write(self, response: &mut Response) {
        let mut out = SmallVec::<[u8; 96]>::from_slice(b"trilane");
        match self.forward {
            None => out.extend_from_slice(b"; hit"),
            Some(why) => {
                out.extend_from_slice(b"; fwd=");
                out.extend_from_slice(why.as_str().as_bytes());
            }
        }
        let mut digits = itoa::Buffer::new();
        if let Some(status) = self.status {
            out.extend_from_slice(b"; fwd-status=");
            out.extend_from_slice(digits.format(status).as_bytes());
        }
        if let Some(ttl) = self.ttl {
            out.extend_from_slice(b"; ttl=");
            out.extend_from_slice(digits.format(ttl).as_bytes());
        }
        if self.is_stored {
            out.extend_from_slice(b"; stored");
        }
        if self.is_collapsed {
            out.extend_from_slice(b"; collapsed");
        }
        // Tokens and numbers may stand in a field.
        let _ = response.head.fields.append("cache-status", &*out);
    }
}

#[cfg(test)]
mod tests {
    use trilane_semantics::StatusCode;

    use super::*;

    #[test]
    fn what_is_told() {
        let told = Told::forwarded(Forward::Stale);
        let whole = Told { status: Some(304), ttl: Some(-7), is_stored: true, ..told };
        for (told, expected) in [
            (Told { ttl: Some(60), ..Told::default() }, "trilane; hit; ttl=60"),
            (Told::forwarded(Forward::UriMiss), "trilane; fwd=uri-miss"),
            (whole, "trilane; fwd=stale; fwd-status=304; ttl=-7; stored"),
            (Told { is_collapsed: true, ..told }, "trilane; fwd=stale; collapsed"),
        ] {
            let mut response = Response::new(StatusCode::OK).field("cache-status", "origin; hit");
            told.write(&mut response);
            let told: Vec<_> = response.head.fields.all("cache-status").collect();
            assert_eq!(told, [&b"origin; hit"[..], expected.as_bytes()]);
        }
    }
}

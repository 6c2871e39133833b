//! What boring has no safe name for: a call that refuses early data, two numbers about tickets, and the callback that seals them.

use boring::error::ErrorStack;
use boring::hmac::HmacCtxRef;
use boring::ssl::{SslContextBuilder, SslRef, TicketKeyCallbackResult};
use boring::symm::CipherCtxRef;
use foreign_types_shared::ForeignTypeRef;

/// Refuses the early data of a handshake whose ClientHello is being looked at. The handshake itself goes on.
pub(crate) fn refuse_early_data(tls: &mut SslRef) {
    // SAFETY: the pointer is that of a reference that nobody else has.
    unsafe { boring_sys::SSL_set_early_data_enabled(tls.as_ptr(), 0) }
}

/// Lets go of what only handshakes need (certificates, callbacks, what was asked for) when this one is over.
pub(crate) fn forget_after_handshake(tls: &mut SslRef) {
    // SAFETY: the pointer is that of a reference that nobody else has.
    unsafe { boring_sys::SSL_set_shed_handshake_config(tls.as_ptr(), 1) }
}

/// How many tickets a client is given after a handshake, and for how many seconds each is good.
pub(crate) fn set_tickets(builder: &mut SslContextBuilder, count: usize, lifetime: u32) {
    // SAFETY: the pointer is that of a reference that nobody else has; both calls only store a number.
    unsafe {
        boring_sys::SSL_CTX_set_num_tickets(builder.as_ptr(), count);
        boring_sys::SSL_CTX_set_session_psk_dhe_timeout(builder.as_ptr(), lifetime);
    }
}

/// Seals tickets and opens them.
pub(crate) trait Sealing: Send + Sync + 'static {
    /// Says which key it is, by a name that travels with the ticket, and sets both contexts for it. None: no ticket.
    fn seal(
        &self,
        name: &mut [u8; 16],
        iv: &mut [u8; 16],
        cipher: &mut CipherCtxRef,
        mac: &mut HmacCtxRef,
    ) -> Result<bool, ErrorStack>;

    /// Sets both contexts for the key of that name; false if it is not known.
    fn open(
        &self,
        name: &[u8; 16],
        iv: &[u8; 16],
        cipher: &mut CipherCtxRef,
        mac: &mut HmacCtxRef,
    ) -> Result<bool, ErrorStack>;
}

/// Lets `sealing` seal the tickets of a context.
pub(crate) fn set_sealing(builder: &mut SslContextBuilder, sealing: impl Sealing) {
    let callback = move |_: &SslRef,
                         name: &mut [u8; 16],
                         iv: &mut [u8; 16],
                         cipher: &mut CipherCtxRef,
                         mac: &mut HmacCtxRef,
                         is_sealing: bool| {
        let result = if is_sealing {
            sealing.seal(name, iv, cipher, mac)
        } else {
            sealing.open(name, iv, cipher, mac)
        };
        match result {
            Ok(true) => TicketKeyCallbackResult::Success,
            Ok(false) => TicketKeyCallbackResult::Noop,
            // No ticket, or one that cannot be opened, is no reason to end a handshake.
            Err(_) => TicketKeyCallbackResult::Noop,
        }
    };
    // SAFETY: the contract is that both contexts are set, and when sealing name and iv too, wherever `Success` is returned; so says
    // `Sealing`, whose one implementation is in `tickets`.
    unsafe { builder.set_ticket_key_callback(callback) }
}

//! From what is wanted, and who we are, to what quiche makes connections from.

use boring::ssl::SslContextBuilder;
use quiche::{Config, CongestionControlAlgorithm};

use crate::error::Error;
use crate::identity::{self, Identity};
use crate::secrets::Secrets;
use crate::settings::{Congestion, EarlyData, Settings};

/// The protocol that is offered (RFC 9114 §3.1); who asks for none that is, is refused (RFC 9001 §8.1).
const ALPN: &[u8] = b"h3";
/// What every path carries (RFC 9000 §14).
pub(crate) const SMALLEST: usize = 1_200;
/// The largest UDP payload that there is (RFC 9000 §18.2).
const LARGEST: usize = 65_527;

/// For the server role.
pub(crate) fn config(
    settings: &Settings,
    identity: &Identity,
    secrets: &Secrets,
) -> Result<Config, Error> {
    let early = (settings.early_data != EarlyData::Off).then(|| secrets.early.clone());
    let mut config = of(settings, identity::context(identity, secrets.process, early)?)?;
    config.set_initial_max_stream_data_bidi_remote(settings.stream_window);
    config.set_initial_max_streams_bidi(settings.bidi_streams);
    config.set_disable_active_migration(!settings.migration);
    if settings.early_data != EarlyData::Off {
        config.enable_early_data();
    }
    Ok(config)
}

/// For the client role: a server begins no stream both ways (RFC 9114 §6.1).
pub(crate) fn of_client(settings: &Settings, context: SslContextBuilder) -> Result<Config, Error> {
    let mut config = of(settings, context)?;
    config.set_initial_max_stream_data_bidi_local(settings.stream_window);
    Ok(config)
}

/// What both have alike.
fn of(settings: &Settings, context: SslContextBuilder) -> Result<Config, Error> {
    let sizes = SMALLEST..=LARGEST;
    if !sizes.contains(&settings.send_payload) || !sizes.contains(&settings.receive_payload) {
        return Err(Error::Setting("UDP payloads have 1,200 to 65,527 bytes"));
    }
    if settings.connection_ids < 2 {
        return Err(Error::Setting("a client keeps at least 2 connection ids (RFC 9000 §18.2)"));
    }
    let mut config = Config::with_boring_ssl_ctx_builder(quiche::PROTOCOL_VERSION, context)?;
    config.set_application_protos(&[ALPN])?;
    config.set_initial_max_data(settings.connection_window);
    config.set_max_connection_window(settings.connection_window_max);
    config.set_max_stream_window(settings.stream_window_max);
    config.set_initial_max_stream_data_uni(settings.uni_window);
    config.set_initial_max_streams_uni(settings.uni_streams);
    let idle = settings.idle_timeout.as_millis();
    config.set_max_idle_timeout(u64::try_from(idle).unwrap_or(u64::MAX >> 2));
    config.set_cc_algorithm(match settings.congestion {
        Congestion::Reno => CongestionControlAlgorithm::Reno,
        Congestion::Cubic => CongestionControlAlgorithm::CUBIC,
        Congestion::Bbr => CongestionControlAlgorithm::Bbr2Gcongestion,
    });
    config.set_initial_congestion_window_packets(settings.initial_window);
    config.enable_pacing(settings.pacing);
    if let Some((receive, send)) = settings.datagrams {
        config.enable_dgram(true, receive, send);
    }
    config.discover_pmtu(settings.pmtud);
    config.set_max_send_udp_payload_size(settings.send_payload);
    config.set_max_recv_udp_payload_size(settings.receive_payload);
    config.set_active_connection_id_limit(settings.connection_ids);
    Ok(config)
}

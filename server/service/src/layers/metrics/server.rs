//! Counters of shards, why connections closed, what caches did, and what the system knows of the process.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue};
use prometheus_client::metrics::MetricType;
use trilane_exchange::Stats;

use super::collect::NO_EXEMPLAR;

/// Ticks of the clock that /proc counts in, a second: the same on every Linux (`USER_HZ`).
const TICKS: f64 = 100.0;

#[derive(Debug)]
pub(super) struct Server(pub(super) Vec<Arc<Stats>>);

type Get = fn(&Stats) -> u64;

/// Those that rise and fall.
const GAUGES: [(&str, &str, Get); 2] = [
    ("trilane_connections_open", "Connections open now.", |stats| stats.open.get()),
    ("trilane_file_cache_bytes", "Bytes of files kept in memory now.", |stats| {
        stats.file_cache.get()
    }),
];

/// Those that only rise.
const COUNTERS: [(&str, &str, Get); 31] = [
    ("trilane_connections_accepted", "Connections accepted.", |stats| stats.accepted.get()),
    (
        "trilane_connections_handed_over",
        "Fresh connections given to a shard with fewer.",
        |stats| stats.handed_over.get(),
    ),
    ("trilane_requests", "Requests begun.", |stats| stats.requests.get()),
    ("trilane_received_bytes", "Bytes received from sockets.", |stats| stats.received.get()),
    ("trilane_sent_bytes", "Bytes sent to sockets.", |stats| stats.sent.get()),
    ("trilane_file_sent_bytes", "Bytes of files sent by sendfile.", |stats| stats.file_sent.get()),
    ("trilane_piped_bytes", "Bytes sent by splice.", |stats| stats.piped.get()),
    ("trilane_file_read_bytes", "Bytes of files read by the ring.", |stats| stats.file_read.get()),
    ("trilane_uncopied_sends", "Sends that the kernel did not copy.", |stats| stats.uncopied.get()),
    ("trilane_panics", "Handlers that panicked.", |stats| stats.panics.get()),
    (
        "trilane_blocked",
        "Steps of handlers and tasks that kept their shard from all others for 20 ms or more.",
        |stats| stats.blocked.get(),
    ),
    ("trilane_faults", "Messages refused for a breach of protocol or a limit.", |stats| {
        stats.faults.get()
    }),
    ("trilane_accept_pauses", "Times that accepting had to pause.", |stats| {
        stats.accept_pauses.get()
    }),
    (
        "trilane_connections_crowded",
        "Connections closed or refused at once, because their client had as many as it may.",
        |stats| stats.crowded.get(),
    ),
    ("trilane_buffers_starved", "Times that the receive buffers ran out.", |stats| {
        stats.starved.get()
    }),
    (
        "trilane_quic_migrations",
        "Connections whose peer has another address than before.",
        |stats| stats.migrations.get(),
    ),
    ("trilane_quic_handshakes", "Handshakes over QUIC that were completed.", |stats| {
        stats.quic_handshakes.get()
    }),
    ("trilane_quic_resumed", "Of those, the ones that resumed a session.", |stats| {
        stats.quic_resumed.get()
    }),
    ("trilane_quic_early", "Of those, the ones whose early data was taken.", |stats| {
        stats.quic_early.get()
    }),
    ("trilane_quic_retries", "Clients asked to show that their address is theirs.", |stats| {
        stats.quic_retries.get()
    }),
    ("trilane_quic_resets", "Clients told that their connection is not known.", |stats| {
        stats.quic_resets.get()
    }),
    ("trilane_datagrams_received", "Datagrams received.", |stats| stats.datagrams_received.get()),
    ("trilane_trains_received", "Receives that brought them.", |stats| stats.trains_received.get()),
    ("trilane_datagrams_sent", "Datagrams sent.", |stats| stats.datagrams_sent.get()),
    ("trilane_trains_sent", "Sends that took them.", |stats| stats.trains_sent.get()),
    ("trilane_datagrams_lost", "Datagrams that the kernel threw away.", |stats| {
        stats.datagrams_lost.get()
    }),
    ("trilane_datagrams_cut", "Receives that were cut short.", |stats| stats.datagrams_cut.get()),
    ("trilane_trains_failed", "Sends of datagrams that the kernel refused.", |stats| {
        stats.trains_failed.get()
    }),
    ("trilane_datagrams_forwarded", "Datagrams passed on to the shard whose they are.", |stats| {
        stats.forwarded.get()
    }),
    ("trilane_datagrams_forward_dropped", "Datagrams lost on that way.", |stats| {
        stats.forward_dropped.get()
    }),
    ("trilane_requests_finished", "Requests that are over.", |stats| stats.finished.get()),
];

impl Collector for Server {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let in_flight = self.0.iter().map(|stats| {
            // Read in this order, it is never less than none.
            let finished = stats.finished.get();
            stats.requests.get().saturating_sub(finished)
        });
        let in_flight: u64 = in_flight.sum();
        gauge(&mut encoder, "http_requests_in_flight", "Requests under way.", &in_flight)?;
        for (name, help, get) in GAUGES {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for (shard, stats) in self.0.iter().enumerate() {
                metric.encode_family(&[("shard", shard)])?.encode_gauge(&get(stats))?;
            }
        }
        for (name, help, get) in COUNTERS {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (shard, stats) in self.0.iter().enumerate() {
                let labels = [("shard", shard)];
                metric.encode_family(&labels)?.encode_counter(&get(stats), NO_EXEMPLAR)?;
            }
        }
        self.closed(&mut encoder)?;
        self.cache(&mut encoder)?;
        process(&mut encoder)
    }
}

impl Server {
    /// Causes that have closed something; the others are left out.
    fn closed(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut causes = BTreeMap::<_, u64>::new();
        for (cause, count) in self.0.iter().flat_map(|stats| stats.closed.all()) {
            *causes.entry(cause.label()).or_default() += count;
        }
        let (name, help) = ("trilane_connections_closed", "Connections closed, by cause.");
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (cause, count) in causes.into_iter().filter(|(_, count)| *count > 0) {
            metric.encode_family(&[("cause", cause)])?.encode_counter(&count, NO_EXEMPLAR)?;
        }
        Ok(())
    }

    /// What response caches did, as far as they did it.
    fn cache(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut results = BTreeMap::<_, u64>::new();
        for (result, count) in self.0.iter().flat_map(|stats| stats.cache.all()) {
            *results.entry(result).or_default() += count;
        }
        let (name, help) = ("trilane_cache_requests", "Requests to response caches, by result.");
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (result, count) in results.into_iter().filter(|(_, count)| *count > 0) {
            metric.encode_family(&[("result", result)])?.encode_counter(&count, NO_EXEMPLAR)?;
        }
        Ok(())
    }
}

fn gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: &impl EncodeGaugeValue,
) -> fmt::Result {
    encoder.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(value)
}

/// What /proc tells; what it does not is left out.
fn process(encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    if let Some(bytes) = resident() {
        gauge(encoder, "process_resident_memory_bytes", "Memory in use.", &bytes)?;
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        // One of them is the listing's own.
        let open = (open.count() as u64).saturating_sub(1);
        gauge(encoder, "process_open_fds", "Descriptors open now.", &open)?;
    }
    if let Some(most) = most_descriptors() {
        gauge(encoder, "process_max_fds", "Descriptors that may be open.", &most)?;
    }
    let Some(times) = Times::read() else { return Ok(()) };
    if let Some(start) = times.start() {
        let help = "When the process was started, in seconds since 1970.";
        gauge(encoder, "process_start_time_seconds", help, &start)?;
    }
    let (name, help) = ("process_cpu_seconds", "CPU time of all threads.");
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    metric.encode_counter(&times.cpu, NO_EXEMPLAR)
}

fn resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kilobytes * 1024)
}

fn most_descriptors() -> Option<u64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Times of the process, in seconds.
struct Times {
    cpu: f64,
    /// Since the system's start.
    started: f64,
}

impl Times {
    fn read() -> Option<Self> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        // The name of the process is in parentheses, and may have any bytes. After it come the fields from the third on.
        let (_, fields) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let ticks = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
        Some(Self { cpu: (ticks(14)? + ticks(15)?) / TICKS, started: ticks(22)? / TICKS })
    }

    /// When it was started, since 1970.
    fn start(&self) -> Option<f64> {
        let stat = fs::read_to_string("/proc/stat").ok()?;
        let booted = stat.lines().find_map(|line| line.strip_prefix("btime "))?;
        Some(booted.trim().parse::<f64>().ok()? + self.started)
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode_registry;
    use prometheus_client::registry::Registry;
    use trilane_semantics::Cause;

    use super::*;

    #[test]
    fn shards_are_told_apart_or_added_up() {
        let all: Vec<_> = (0..2).map(|_| Arc::<Stats>::default()).collect();
        for (stats, requests) in all.iter().zip([5, 7]) {
            stats.requests.add(requests);
            stats.finished.add(2);
            stats.closed.count(Cause::IdleTimeout);
        }
        all[0].closed.count(Cause::Drain);
        let (mut registry, mut text) = (Registry::default(), String::new());
        registry.register_collector(Box::new(Server(all)));
        encode_registry(&mut text, &registry).unwrap();
        for line in [
            "http_requests_in_flight 8",
            "trilane_requests_total{shard=\"0\"} 5",
            "trilane_requests_total{shard=\"1\"} 7",
            "trilane_connections_closed_total{cause=\"idle_timeout\"} 2",
            "trilane_connections_closed_total{cause=\"drain\"} 1",
        ] {
            assert!(text.lines().any(|it| it == line), "{line} in {text}");
        }
    }
}

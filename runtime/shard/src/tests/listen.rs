//! Addresses, and sockets of every kind opened twice.

use std::fs;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;

use super::*;

fn two() -> NonZero<usize> {
    NonZero::new(2).unwrap()
}

fn address(text: &str) -> ListenAddress {
    text.parse().unwrap()
}

/// A directory of this test's own.
fn directory(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("trilane-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&path);
    fs::create_dir(&path).unwrap();
    path
}

fn port_of(listeners: &Listeners) -> u16 {
    match &listeners.addresses()[0] {
        ListenAddress::Tcp(address) | ListenAddress::Udp(address) => address.port(),
        ListenAddress::Unix(path) => panic!("{}", path.display()),
    }
}

/// Whether a connection accepted from the socket has TCP_NODELAY.
fn nodelay_is_inherited(listener: Listener) -> bool {
    let listener = TcpListener::from(listener.socket);
    let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    listener.accept().unwrap().0.nodelay().unwrap()
}

#[test]
fn addresses_are_read_and_written() {
    for (text, shown) in [
        ("127.0.0.1:8080", "127.0.0.1:8080"),
        ("[::]:80", "[::]:80"),
        ("[::1]:0", "[::1]:0"),
        (":8080", "[::]:8080"),
        (":0", "[::]:0"),
        (":65535", "[::]:65535"),
        ("unix:/run/trilane.sock", "unix:/run/trilane.sock"),
        ("unix:relative", "unix:relative"),
    ] {
        let parsed: ListenAddress = text.parse().unwrap();
        assert_eq!(parsed.to_string(), shown);
        assert_eq!(shown.parse(), Ok(parsed));
    }
    for bad in [
        "",
        ":",
        ":65536",
        ":+1",
        ": 1",
        "8080",
        "127.0.0.1",
        "::1:80",
        "unix:",
        "localhost:80",
        "[::1]",
    ] {
        let error = bad.parse::<ListenAddress>().unwrap_err();
        assert!(error.to_string().contains("unix:/path"), "{bad:?}");
    }
}

#[test]
fn a_port_is_chosen_once_and_shared_by_the_shards() {
    let mut listeners = Listeners::open(&[address("127.0.0.1:0")], two()).unwrap();
    let port = port_of(&listeners);
    assert_ne!(port, 0);
    let shards = listeners.take();
    assert_eq!(shards.len(), 2);
    for shard in &shards {
        assert_eq!(shard.len(), 1);
        assert_eq!(shard[0].address(), &listeners.addresses()[0]);
        assert_eq!(sys::local_address(&shard[0]).unwrap().unwrap().port(), port);
    }
    assert_eq!(listeners.take().len(), 0);
    // Inherited from the listener: no setsockopt an accept. One socket only, or the other one might get the
    // connection.
    let mut one = Listeners::open(&[address("127.0.0.1:0")], NonZero::new(1).unwrap()).unwrap();
    assert!(nodelay_is_inherited(one.take().remove(0).remove(0)));
}

#[test]
fn a_port_in_use_is_refused_even_between_groups() {
    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = ListenAddress::Tcp(plain.local_addr().unwrap());
    let refused = Listeners::open(std::slice::from_ref(&taken), two());
    assert!(matches!(refused, Err(StartError::PortInUse { address }) if address == taken));
    // SO_REUSEPORT alone would let this pass: same user.
    let group = Listeners::open(&[address("127.0.0.1:0")], two()).unwrap();
    let again = Listeners::open(group.addresses(), two());
    assert!(matches!(again, Err(StartError::PortInUse { .. })));
    let same = group.addresses().to_vec();
    drop(group);
    Listeners::open(&same, two()).unwrap();
    // Not twice in one list either.
    let twice = Listeners::open(&[same[0].clone(), same[0].clone()], two());
    assert!(matches!(twice, Err(StartError::PortInUse { .. })));
}

#[test]
fn an_address_of_another_machine_is_refused() {
    // RFC 5737 §3: TEST-NET-1, nobody's.
    let refused = Listeners::open(&[address("192.0.2.1:0")], two());
    assert!(matches!(refused, Err(StartError::AddressNotAvailable { .. })));
}

#[test]
fn all_interfaces_are_both_families() {
    let listeners = Listeners::open(&[address(":0")], two()).unwrap();
    let port = port_of(&listeners);
    TcpStream::connect(("127.0.0.1", port)).unwrap();
    if TcpListener::bind("[::1]:0").is_ok() {
        TcpStream::connect(("::1", port)).unwrap();
    }
}

#[test]
fn a_restart_does_not_wait_for_old_connections() {
    let mut listeners =
        Listeners::open(&[address("127.0.0.1:0")], NonZero::new(1).unwrap()).unwrap();
    let same = listeners.addresses().to_vec();
    let socket = listeners.take().remove(0).remove(0).socket;
    let listener = TcpListener::from(socket);
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    // We close first, so that TIME_WAIT is on our port.
    drop(listener.accept().unwrap());
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
    drop(client);
    drop(listener);
    Listeners::open(&same, two()).unwrap();
}

#[test]
fn a_unix_socket_is_shared_and_removed() {
    let directory = directory("shared");
    let path = directory.join("s");
    let mut listeners = Listeners::open(&[ListenAddress::Unix(path.clone())], two()).unwrap();
    let shards = listeners.take();
    UnixStream::connect(&path).unwrap();
    UnixStream::connect(&path).unwrap();
    for mut shard in shards {
        // Either shard may take either connection: one queue.
        UnixListener::from(shard.remove(0).socket).accept().unwrap();
    }
    drop(listeners);
    assert!(!path.exists());
    fs::remove_dir(&directory).unwrap();
}

#[test]
fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
    let directory = directory("stale");
    let path = directory.join("s");
    let asked = [ListenAddress::Unix(path.clone())];
    // std's listener does not remove its file.
    let live = UnixListener::bind(&path).unwrap();
    assert!(matches!(Listeners::open(&asked, two()), Err(StartError::PortInUse { .. })));
    assert!(path.exists());
    drop(live);
    let first = Listeners::open(&asked, two()).unwrap();
    // Somebody replaced our file: theirs stays.
    fs::remove_file(&path).unwrap();
    let theirs = UnixListener::bind(&path).unwrap();
    drop(first);
    assert!(path.exists());
    drop(theirs);
    fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn what_is_no_socket_is_left_alone() {
    let directory = directory("file");
    let path = directory.join("s");
    fs::write(&path, "precious").unwrap();
    let refused = Listeners::open(&[ListenAddress::Unix(path.clone())], two());
    assert!(matches!(refused, Err(StartError::UnixPath { .. })));
    assert_eq!(fs::read(&path).unwrap(), b"precious");
    let nowhere = ListenAddress::Unix(directory.join("no/such/directory"));
    assert!(matches!(Listeners::open(&[nowhere], two()), Err(StartError::UnixPath { .. })));
    let long = ListenAddress::Unix(directory.join("x".repeat(200)));
    assert!(matches!(Listeners::open(&[long], two()), Err(StartError::UnixPath { .. })));
    fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn a_failure_closes_what_was_open() {
    let directory = directory("undone");
    let path = directory.join("s");
    let asked = [ListenAddress::Unix(path.clone()), address("192.0.2.1:0")];
    assert!(Listeners::open(&asked, two()).is_err());
    assert!(!path.exists());
    fs::remove_dir(&directory).unwrap();
}

#[test]
fn who_has_left_the_queue_does_not_end_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    for (errno, taken) in [
        (libc::ECONNABORTED, 3),
        (libc::EPROTO, 3),
        (libc::EINTR, 3),
        (libc::EAGAIN, 1),
        (libc::EMFILE, 1),
        (libc::ENFILE, 1),
        (libc::ENOBUFS, 1),
        (libc::ENOMEM, 1),
    ] {
        let mut call = 0;
        let streams = queued(|| {
            call += 1;
            match call {
                2 => Err(io::Error::from_raw_os_error(errno)),
                1 | 3 | 4 => TcpStream::connect(address),
                _ => Err(io::ErrorKind::WouldBlock.into()),
            }
        });
        assert_eq!(streams.count(), taken, "{errno}");
    }
}

#[test]
fn a_flood_does_not_keep_a_queue_open() {
    let mut calls = 0;
    let lost = || {
        calls += 1;
        Err(io::Error::from_raw_os_error(libc::ECONNABORTED))
    };
    assert_eq!(queued(lost).count(), 0);
    assert_eq!(calls, u32::from(BACKLOG) + 1);
}

#[test]
fn udp_has_the_port_that_tcp_got() {
    let udp = |text: &str| ListenAddress::Udp(text.parse().unwrap());
    let asked =
        [address("127.0.0.1:0"), address("127.0.0.1:0"), udp("127.0.0.1:0"), udp("127.0.0.2:0")];
    let mut listeners = Listeners::open(&asked, two()).unwrap();
    let ports: Vec<_> = listeners
        .addresses()
        .iter()
        .map(|address| match address {
            ListenAddress::Tcp(address) | ListenAddress::Udp(address) => address.port(),
            ListenAddress::Unix(path) => panic!("{}", path.display()),
        })
        .collect();
    assert_eq!((ports[1], ports.contains(&0)), (ports[2], false));
    assert_ne!(ports[0], ports[2], "that of the last one");
    assert_eq!(listeners.addresses()[2].to_string(), format!("udp:127.0.0.1:{}", ports[2]));
    let shards = listeners.take_udp();
    assert_eq!(shards.len(), 2);
    for shard in &shards {
        let bound: Vec<_> = shard.iter().map(|socket| socket.address().port()).collect();
        assert_eq!(bound, ports[2..]);
    }
    assert!(listeners.take().iter().all(|shard| shard.len() == 2), "TCP only");
}

#[test]
fn udp_has_another_port_when_that_one_is_taken() {
    let mut listeners = Listeners::open(&[address("127.0.0.1:0")], two()).unwrap();
    let ListenAddress::Tcp(tcp) = listeners.addresses()[0] else { panic!() };
    let taken = std::net::UdpSocket::bind(tcp).unwrap();
    listeners.open_udp("127.0.0.1:0".parse().unwrap(), &mut Given::default()).unwrap();
    let ports = |listeners: &mut Listeners| listeners.take_udp()[1][0].address().port();
    assert_ne!(ports(&mut listeners), tcp.port());
    // Who asks for it gets it, or is told.
    let mut again = Listeners::open(&[address("127.0.0.1:0")], two()).unwrap();
    assert!(again.open_udp(tcp, &mut Given::default()).is_err());
    drop(taken);
    again.open_udp(tcp, &mut Given::default()).unwrap();
    assert_eq!(ports(&mut again), tcp.port());
}

#[test]
fn no_datagram_is_sent_in_fragments() {
    let udp = |text: &str| ListenAddress::Udp(text.parse().unwrap());
    let families = [
        ("127.0.0.1:0", libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_RECVERR),
        ("[::1]:0", libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_RECVERR),
        ("[::1]:0", libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_RECVERR),
    ];
    for (text, level, discover, errors) in families {
        let Ok(mut listeners) = Listeners::open(&[udp(text)], two()) else {
            assert!(TcpListener::bind("[::1]:0").is_err() && text == "[::1]:0");
            continue;
        };
        let socket = &listeners.take_udp()[1][0];
        // RFC 9000 §14: not by us, and not by a router; the kernel's own guess of the path is not asked.
        let probe = sys::getsockopt_int(socket, level, discover).unwrap();
        assert_eq!(probe, libc::IP_PMTUDISC_PROBE, "{text} {level}");
        assert_eq!(sys::getsockopt_int(socket, level, errors).unwrap(), 0);
    }
}

#[test]
fn a_udp_port_in_use_is_refused_even_between_groups() {
    let group =
        Listeners::open(&[ListenAddress::Udp("127.0.0.1:0".parse().unwrap())], two()).unwrap();
    let taken = group.addresses().to_vec();
    let again = Listeners::open(&taken, two());
    assert!(matches!(again, Err(StartError::PortInUse { address }) if address == taken[0]));
    drop(group);
    drop(Listeners::open(&taken, two()).unwrap());
    let foreign = ListenAddress::Udp("192.0.2.1:0".parse().unwrap());
    let refused = Listeners::open(&[foreign], two());
    assert!(matches!(refused, Err(StartError::AddressNotAvailable { .. })));
}

#[test]
fn small_buffers_are_said_once() {
    let udp = |text: &str| ListenAddress::Udp(text.parse().unwrap());
    let asked = [udp("127.0.0.1:0"), udp("127.0.0.2:0")];
    let open = |size| {
        let config = UdpConfig { ids: None, receive_buffer: size, send_buffer: size };
        Listeners::open_with(&asked, two(), config).unwrap()
    };
    let mut small = open(32 << 10);
    assert_eq!(small.warnings(), [""; 0]);
    let got = sys::getsockopt_int(&small.take_udp()[1][1], libc::SOL_SOCKET, libc::SO_RCVBUF);
    assert_eq!(got.unwrap(), 64 << 10);
    // Nobody's limit is as high as that.
    let huge = open(u32::MAX);
    let [receive, send] = huge.warnings() else { panic!("{:?}", huge.warnings()) };
    assert!(receive.contains("sysctl -w net.core.rmem_max=1073741823"), "{receive}");
    assert!(send.contains("net.core.wmem_max=") && send.contains("lose datagrams"), "{send}");
}

//! The program, run by a machine of a few lines and by the kernel: both must say the same of every datagram.

use std::net::{SocketAddr, UdpSocket};
use std::num::NonZero;
use std::os::fd::AsFd;

use super::*;
use crate::listen::given::{Given, Giver};
use crate::listen::{ListenAddress, Listeners, UdpConfig};
use crate::sys;

const IDS: ConnectionIds =
    ConnectionIds { length: 16, kind: 0, generation: 0x3f, version: 0x40, shard: 1, mask: 2 };

/// A process that takes over from none.
fn alone(shards: u8) -> Members {
    Members { before: None, shards }
}

/// Runs the program, as the kernel's documentation says it does (networking/filter).
fn run(program: &[Operation], datagram: &[u8]) -> u32 {
    let (mut a, mut x, mut memory, mut at) = (0u32, 0u32, [0u32; 16], 0);
    let load = |at: u32, len: usize| {
        let bytes = datagram.get(at as usize..at as usize + len)?;
        Some(bytes.iter().fold(0, |word, byte| word << 8 | u32::from(*byte)))
    };
    loop {
        let Operation { code, jt, jf, k } = program[at];
        at += 1;
        let (index, jumps) = (k as usize, |yes: bool| usize::from(if yes { jt } else { jf }));
        let loaded = match u32::from(code) {
            // LD of a byte, absolute; of a byte and of a word, indexed.
            0x30 => load(k, 1),
            0x50 => load(x + k, 1),
            0x40 => load(x + k, 4),
            0x01 => {
                x = k;
                continue;
            }
            0x61 => {
                x = memory[index];
                continue;
            }
            0x02 => {
                memory[index] = a;
                continue;
            }
            0x03 => {
                memory[index] = x;
                continue;
            }
            0x60 => Some(memory[index]),
            0x04 => Some(a.wrapping_add(k)),
            0x54 => Some(a & k),
            0xac => Some(a ^ x),
            0x24 => Some(a.wrapping_mul(k)),
            0x74 => Some(a >> k),
            0x94 => Some(a % k),
            0x05 => {
                at += index;
                continue;
            }
            0x45 => {
                at += jumps(a & k != 0);
                continue;
            }
            0x15 => {
                at += jumps(a == k);
                continue;
            }
            0x35 => {
                at += jumps(a >= k);
                continue;
            }
            0x16 => return a,
            other => panic!("{other:#x}"),
        };
        let Some(loaded) = loaded else { return 0 };
        a = loaded;
    }
}

/// Numbers that look like chance, the same each time.
fn noise() -> impl FnMut() -> u8 {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    }
}

/// An id of that form, of that shard.
fn ours(shard: u8, chance: &mut impl FnMut() -> u8) -> Vec<u8> {
    let mut id: Vec<u8> = (0..16).map(|_| chance()).collect();
    (id[0], id[1]) = (0x40 | id[0] & 0x3f, shard ^ id[2]);
    id
}

fn short(id: &[u8]) -> Vec<u8> {
    let mut datagram = vec![0x43];
    datagram.extend_from_slice(id);
    datagram.resize(60, 0x55);
    datagram
}

/// A long header of any version.
fn long(id: &[u8], chance: &mut impl FnMut() -> u8) -> Vec<u8> {
    let mut datagram =
        vec![0xc0 | chance(), chance(), chance(), chance(), chance(), id.len() as u8];
    datagram.extend_from_slice(id);
    datagram.resize(1200, 0x55);
    datagram
}

#[test]
fn ours_go_home_and_others_stay_together() {
    let mut chance = noise();
    for shards in [1, 2, 3, 4, 7, 64, 255] {
        let program = program(IDS, alone(shards), 0x9e37_79b1);
        for shard in 0..shards {
            for _ in 0..20 {
                let id = ours(shard, &mut chance);
                assert_eq!(run(&program, &short(&id)), u32::from(shard));
                assert_eq!(run(&program, &long(&id, &mut chance)), u32::from(shard));
            }
        }
        // No such shard: as an id of others, and never outside the group.
        for shard in shards..=u8::MAX {
            let id = ours(shard, &mut chance);
            let to = run(&program, &short(&id));
            assert!(to < shards.into());
            assert_eq!(run(&program, &long(&id, &mut chance)), to);
        }
        // Others, of all lengths there are: each one is always the same shard's.
        let mut tally = vec![0; shards.into()];
        for len in (8..=20u8).cycle().take(1300) {
            let mut id: Vec<u8> = (0..len).map(|_| chance()).collect();
            id[0] &= 0x3f;
            let to = run(&program, &long(&id, &mut chance));
            assert_eq!(run(&program, &long(&id, &mut chance)), to);
            tally[to as usize] += 1;
        }
        let fair = 1300 / usize::from(shards);
        assert!(tally.iter().all(|&got| got <= fair * 2 + 20), "{shards}: {tally:?}");
    }
}

#[test]
fn an_id_of_another_length_is_not_ours() {
    let (mut chance, program) = (noise(), program(IDS, alone(4), 7));
    let mut strays = 0;
    for len in [8, 15, 17, 20] {
        for _ in 0..50 {
            let mut id = ours(2, &mut chance);
            id.resize(len, 1);
            strays += u32::from(run(&program, &long(&id, &mut chance)) != 2);
        }
    }
    assert!(strays > 100, "{strays} of 200 went by their hash");
}

#[test]
fn runts_are_of_shard_0() {
    let (mut chance, program) = (noise(), program(IDS, alone(4), 7));
    assert_eq!(run(&program, &[]), 0);
    let id = ours(3, &mut chance);
    let (short, long) = (short(&id), long(&id, &mut chance));
    for cut in 0..short.len() {
        assert_eq!(run(&program, &short[..cut]), if cut < 4 { 0 } else { 3 }, "{cut}");
    }
    for cut in 0..long.len() {
        assert_eq!(run(&program, &long[..cut]), if cut < 9 { 0 } else { 3 }, "{cut}");
    }
}

#[test]
fn the_kernel_says_the_same() {
    let asked = [ListenAddress::Udp("127.0.0.1:0".parse().unwrap())];
    let shards = NonZero::new(4).unwrap();
    let mut listeners = Listeners::open_with(&asked, shards, steered()).unwrap();
    assert_eq!(listeners.warnings(), [""; 0]);
    let ListenAddress::Udp(to) = listeners.addresses()[0] else { panic!() };
    let group: Vec<UdpSocket> = listeners
        .take_udp()
        .iter()
        .map(|shard| shard[0].as_fd().try_clone_to_owned().unwrap().into())
        .collect();
    group.iter().for_each(|socket| socket.set_nonblocking(true).unwrap());
    let mut chance = noise();
    for shard in [2, 0, 3, 1, 3] {
        let id = ours(shard, &mut chance);
        assert_eq!(reached(&group, to, &short(&id)), Some(shard.into()), "as it was opened");
        assert_eq!(reached(&group, to, &long(&id, &mut chance)), Some(shard.into()));
    }
    // With a seed that we know; any member may say so, and at any time.
    let program = program(IDS, alone(4), 12345);
    sys::attach_reuseport(&group[2], &program).unwrap();
    let mut all = vec![vec![0x40], vec![0xc0; 5], vec![0x80; 6], vec![0x40, 0x40, 1]];
    for shard in 0..6 {
        for _ in 0..10 {
            let id = ours(shard, &mut chance);
            all.extend([short(&id), long(&id, &mut chance)]);
            let foreign: Vec<u8> = (0..8 + chance() % 13).map(|_| chance()).collect();
            all.extend([short(&foreign), long(&foreign, &mut chance)]);
        }
    }
    for datagram in all {
        let want = run(&program, &datagram) as usize;
        assert_eq!(reached(&group, to, &datagram), Some(want), "{:?}", datagram.get(..20));
    }
}

#[test]
fn a_shard_that_has_ended_leaves_the_others_theirs() {
    let asked = [ListenAddress::Udp("127.0.0.1:0".parse().unwrap())];
    let shards = NonZero::new(3).unwrap();
    let mut listeners = Listeners::open_with(&asked, shards, steered()).unwrap();
    let ListenAddress::Udp(to) = listeners.addresses()[0] else { panic!() };
    let mut group = listeners.take_udp();
    let last = group.pop().unwrap()[0].as_fd().try_clone_to_owned().unwrap();
    drop(group);
    let (last, mut chance) = ([UdpSocket::from(last)], noise());
    for _ in 0..5 {
        assert_eq!(reached(&last, to, &short(&ours(0, &mut chance))), None);
        assert_eq!(reached(&last, to, &short(&ours(2, &mut chance))), Some(0));
    }
}

/// An id of that generation and shard.
fn of(generation: u8, shard: u8, chance: &mut impl FnMut() -> u8) -> Vec<u8> {
    let mut id = ours(shard, chance);
    id[0] = 0x40 | generation;
    id
}

#[test]
fn while_another_process_drains_its_ids_go_to_it_and_all_else_comes_to_us() {
    let mut chance = noise();
    for (old, new) in [(1, 1), (1, 4), (4, 1), (2, 3), (3, 2), (7, 3), (128, 127)] {
        let members = Members { before: Some(Before { generation: 63, shards: old }), shards: new };
        let program = program(IDS, members, 7);
        for shard in 0..=u8::MAX {
            for generation in [63, 0] {
                let id = of(generation, shard, &mut chance);
                let to = run(&program, &short(&id));
                assert_eq!(run(&program, &long(&id, &mut chance)), to);
                match (generation, to.checked_sub(old.into())) {
                    (63, None) => assert_eq!(to, u32::from(shard), "{old} {new}"),
                    (0, Some(to)) if shard < new => assert_eq!(to, u32::from(members.place(shard))),
                    // There is no such shard: to any of ours.
                    (63, Some(to)) => assert!(shard >= old && to < new.into(), "{old} {new}"),
                    (_, to) => assert!(shard >= new && to < Some(new.into()), "{old} {new}"),
                }
            }
            let to = run(&program, &long(&[shard & 0x3f; 8], &mut chance));
            assert!(to >= old.into() && to < u32::from(old) + u32::from(new), "{old} {new}");
        }
        // Closing an index moves the last one there.
        let mut group: Vec<_> = (0..old).map(|_| None).collect();
        let mut ours = vec![None; new.into()];
        (0..new).for_each(|shard| ours[usize::from(members.place(shard))] = Some(shard));
        group.extend(ours);
        for index in (0..old).rev() {
            group.swap_remove(index.into());
        }
        assert_eq!(group, (0..new).map(Some).collect::<Vec<_>>(), "{old} {new}");
    }
}

/// The sockets of a server, in the order of its shards, that do not wait.
fn sockets(listeners: &mut Listeners) -> Vec<UdpSocket> {
    let sockets = listeners.take_udp().into_iter().flatten().map(|socket| {
        let socket: UdpSocket = socket.as_fd().try_clone_to_owned().unwrap().into();
        socket.set_nonblocking(true).unwrap();
        socket
    });
    sockets.collect()
}

#[test]
fn a_group_changes_hands_and_the_kernel_sees_it_so() {
    for (old, new) in [(1, 1), (1, 3), (3, 1), (2, 3), (3, 2), (4, 4)] {
        let asked = [ListenAddress::Udp("127.0.0.1:0".parse().unwrap())];
        let mut first =
            Listeners::open_with(&asked, NonZero::new(old.into()).unwrap(), steered()).unwrap();
        let ListenAddress::Udp(to) = first.addresses()[0] else { panic!() };
        let (mut given, unfit) =
            Given::new(Giver::Predecessor { generation: 9 }, first.estate().unwrap());
        assert_eq!(unfit, [""; 0]);
        let olds = sockets(&mut first);
        let shards = NonZero::new(new.into()).unwrap();
        let mut second = Listeners::take_over(&asked, shards, steered(), &mut given).unwrap();
        assert_eq!(second.addresses(), [ListenAddress::Udp(to)]);
        let ours = sockets(&mut second);
        let mut chance = noise();
        let mut arrives = |olds: &[UdpSocket], generation, shard, theirs: bool| {
            let id = of(generation, shard, &mut chance);
            let group = if theirs { olds } else { &ours };
            assert_eq!(reached(group, to, &short(&id)), Some(shard.into()), "{old} {new} {shard}");
        };
        // Not ready: all is as it was, also for those who begin.
        (0..old).for_each(|shard| arrives(&olds, 10, shard, true));
        assert_eq!(second.steering().relieve(), [""; 0]);
        (0..old).for_each(|shard| arrives(&olds, 9, shard, true));
        (0..new).for_each(|shard| arrives(&olds, 10, shard, false));
        // It was nothing: the first one goes on.
        first.steering().restore();
        (0..old).for_each(|shard| arrives(&olds, 10, shard, true));
        second.steering().relieve();
        // The first one is killed: nothing changes.
        drop((olds, first));
        (0..new).for_each(|shard| arrives(&[], 10, shard, false));
        second.steering().settle();
        for generation in [10, 9, 11] {
            (0..new).for_each(|shard| arrives(&[], generation, shard, false));
        }
    }
}

/// A socket that nobody can bind another one beside, as one of another user's is; and one of a group that nobody steers.
#[test]
fn what_cannot_be_joined_is_shared() {
    for (ids, is_group) in [(Some(IDS), false), (None, true)] {
        let config = UdpConfig { ids, ..steered() };
        let one = UdpSocket::bind("127.0.0.1:0").unwrap();
        let one = if is_group {
            let asked = [ListenAddress::Udp("127.0.0.1:0".parse().unwrap())];
            sockets(&mut Listeners::open_with(&asked, NonZero::<usize>::MIN, config).unwrap())
                .remove(0)
        } else {
            one
        };
        let to = one.local_addr().unwrap();
        let asked = [ListenAddress::Udp(to)];
        // From process to process, it stays one socket, whatever the shards.
        let mut before = vec![one.try_clone().unwrap().into()];
        for shards in [1, 3, 2] {
            let (mut given, _) = Given::new(Giver::Predecessor { generation: 9 }, before);
            let shards = NonZero::new(shards).unwrap();
            let mut next = Listeners::take_over(&asked, shards, config, &mut given).unwrap();
            assert!(next.is_shared());
            assert!(next.warnings()[0].contains("are shared"), "{:?}", next.warnings());
            before = next.estate().unwrap();
            assert_eq!(before.len(), 1, "{shards}");
            assert_eq!(next.steering().relieve(), [""; 0]);
            let ours = sockets(&mut next);
            assert_eq!(ours.len(), shards.get());
            for _ in 0..20 {
                // All that comes is still in the one queue.
                assert_eq!(reached(&[one.try_clone().unwrap()], to, &[0x40; 60]), Some(0));
            }
            next.steering().settle();
        }
    }
}

/// Where the service manager gave one socket to one shard, too, those who come stay with it until it is relieved.
#[test]
fn a_single_socket_of_the_manager_is_steered() {
    for shards in [1, 2] {
        let one = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = one.local_addr().unwrap();
        let asked = [ListenAddress::Udp(to)];
        let (mut given, _) = Given::new(Giver::Manager, vec![one.into()]);
        let shards = NonZero::new(shards).unwrap();
        let mut first = Listeners::take_over(&asked, shards, steered(), &mut given).unwrap();
        assert_eq!(first.warnings(), [""; 0]);
        let estate = first.estate().unwrap();
        assert_eq!(estate.len(), shards.get());
        let olds = sockets(&mut first);
        let (mut given, _) = Given::new(Giver::Predecessor { generation: 9 }, estate);
        let mut second = Listeners::take_over(&asked, shards, steered(), &mut given).unwrap();
        assert!(!second.is_shared());
        let (ours, mut chance) = (sockets(&mut second), noise());
        for _ in 0..30 {
            let id = of(9, 0, &mut chance);
            assert_eq!(reached(&olds, to, &short(&id)), Some(0));
        }
        second.steering().relieve();
        for _ in 0..30 {
            assert_eq!(reached(&olds, to, &short(&of(9, 0, &mut chance))), Some(0));
            assert_eq!(reached(&ours, to, &short(&of(10, 0, &mut chance))), Some(0));
        }
    }
}

#[test]
fn what_is_no_group_is_not_steered() {
    let single = UdpSocket::bind("127.0.0.1:0").unwrap();
    assert!(sys::attach_reuseport(&single, &program(IDS, alone(4), 7)).is_err());
}

#[test]
fn a_group_of_one_needs_no_luck() {
    let asked = [ListenAddress::Udp("127.0.0.1:0".parse().unwrap())];
    let mut listeners = Listeners::open_with(&asked, NonZero::<usize>::MIN, steered()).unwrap();
    let ListenAddress::Udp(to) = listeners.addresses()[0] else { panic!() };
    let socket = listeners.take_udp()[0][0].as_fd().try_clone_to_owned().unwrap();
    let group = [UdpSocket::from(socket)];
    assert_eq!(reached(&group, to, &short(&ours(9, &mut noise()))), Some(0));
}

fn steered() -> UdpConfig {
    // Of a size that every kernel gives.
    UdpConfig { ids: Some(IDS), receive_buffer: 64 << 10, send_buffer: 64 << 10 }
}

/// Who of the group got it, sent from a new port.
fn reached(group: &[UdpSocket], to: SocketAddr, datagram: &[u8]) -> Option<usize> {
    group.iter().for_each(|socket| socket.set_nonblocking(true).unwrap());
    UdpSocket::bind("127.0.0.1:0").unwrap().send_to(datagram, to).unwrap();
    // Over the loopback it is there when it is sent.
    let mut buffer = [0; 2000];
    group.iter().position(|socket| socket.recv(&mut buffer).is_ok())
}

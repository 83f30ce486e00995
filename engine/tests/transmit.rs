//! Every path puts the same packets on the wire, in the same order, once.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use linecast_engine::train::TrainBuffer;
use linecast_engine::transmitter::{IoChoice, IoPath, TransmitError, Transmitter};

const CHOICES: [IoChoice; 3] = [IoChoice::Uring, IoChoice::Mmsg, IoChoice::Plain];
const PACKET_BYTES: usize = 1000;

/// A receiver on loopback and a sender connected to it.
fn pair() -> (UdpSocket, UdpSocket) {
    let receiver = UdpSocket::bind("127.0.0.1:0").expect("bind");
    socket2::SockRef::from(&receiver)
        .set_recv_buffer_size(4 << 20)
        .expect("SO_RCVBUF");
    let sender = UdpSocket::bind("127.0.0.1:0").expect("bind");
    sender
        .connect(receiver.local_addr().expect("bound"))
        .expect("connect");
    (receiver, sender)
}

/// What arrives until nothing has for a while.
fn received(receiver: &UdpSocket) -> Vec<Vec<u8>> {
    let wait = Some(Duration::from_millis(100));
    receiver.set_read_timeout(wait).expect("timeout");
    let mut buffer = vec![0u8; 65_536];
    let mut datagrams = Vec::new();
    while let Ok(length) = receiver.recv(&mut buffer) {
        datagrams.push(buffer[..length].to_vec());
    }
    datagrams
}

/// Fills a train with packets that all differ; the last has `last_bytes`.
fn fill(train: &mut TrainBuffer, packets: usize, last_bytes: usize, serial: &mut u32) {
    let stride = train.packet_bytes();
    for i in 0..packets {
        let length = if i + 1 == packets { last_bytes } else { stride };
        let slot = train.push_slot(length);
        slot.fill(*serial as u8);
        let digits = length.min(4);
        slot[..digits].copy_from_slice(&serial.to_le_bytes()[..digits]);
        *serial += 1;
    }
}

fn finish(transmitter: &mut Transmitter, recycled: &mut Vec<TrainBuffer>) -> (u64, u64) {
    let (mut packets, mut bytes) = (0, 0);
    let give_up = Instant::now() + Duration::from_secs(10);
    transmitter.submit().expect("submit");
    loop {
        let wait = (transmitter.in_flight() > 0).then_some(Duration::from_millis(5));
        let reaped = transmitter.reap(wait, recycled).expect("reap");
        packets += reaped.packets;
        bytes += reaped.bytes;
        if transmitter.in_flight() == 0 {
            return (packets, bytes);
        }
        assert!(Instant::now() < give_up, "stuck: {transmitter:?}");
    }
}

/// Packets of a train, bytes of the last, and the pieces to send: first and count.
type Shape = (usize, usize, Vec<(usize, usize)>);

fn shapes() -> Vec<Shape> {
    vec![
        (64, PACKET_BYTES, vec![(0, 64)]),
        (10, 37, vec![(0, 10)]),
        (1, PACKET_BYTES, vec![(0, 1)]),
        (1, 5, vec![(0, 1)]),
        (20, 999, vec![(0, 7), (7, 1), (8, 11), (19, 1)]),
        (2, 1, vec![(0, 1), (1, 1)]),
        (3, PACKET_BYTES, vec![(0, 3), (0, 3)]),
    ]
}

fn send_shapes(choice: IoChoice) -> (Vec<Vec<u8>>, u64, u64) {
    let (receiver, sender) = pair();
    let mut transmitter = Transmitter::open(choice, sender, 32).expect("open");
    let mut serial = 0;
    for (packets, last_bytes, pieces) in shapes() {
        let mut train = TrainBuffer::new(PACKET_BYTES);
        fill(&mut train, packets, last_bytes, &mut serial);
        let key = transmitter.load(train);
        for (first, count) in pieces {
            transmitter.send(key, first, count);
        }
        transmitter.release(key);
    }
    let mut recycled = Vec::new();
    let (packets, bytes) = finish(&mut transmitter, &mut recycled);
    assert_eq!(recycled.len(), shapes().len());
    (received(&receiver), packets, bytes)
}

#[test]
fn all_paths_send_the_same_datagrams_in_order() {
    let mut serial = 0;
    let mut expected = Vec::new();
    for (packets, last_bytes, pieces) in shapes() {
        let mut train = TrainBuffer::new(PACKET_BYTES);
        fill(&mut train, packets, last_bytes, &mut serial);
        for (first, count) in pieces {
            expected.extend((first..first + count).map(|i| train.slot(i).to_vec()));
        }
    }
    for choice in CHOICES {
        let (datagrams, packets, bytes) = send_shapes(choice);
        assert!(datagrams == expected, "{choice:?} differs");
        assert_eq!(packets as usize, expected.len());
        assert_eq!(bytes as usize, expected.iter().map(Vec::len).sum::<usize>());
    }
}

#[test]
fn full_send_buffer_delays_but_neither_loses_nor_reorders() {
    for choice in CHOICES {
        let (receiver, sender) = pair();
        // Far less than one train: the socket is full nearly all the time.
        socket2::SockRef::from(&sender)
            .set_send_buffer_size(1)
            .expect("SO_SNDBUF");
        let reader = std::thread::spawn(move || received(&receiver));
        let mut transmitter = Transmitter::open(choice, sender, 8).expect("open");
        let mut recycled = Vec::new();
        let mut serial = 0;
        for _ in 0..50 {
            let mut train = TrainBuffer::new(PACKET_BYTES);
            fill(&mut train, 20, 500, &mut serial);
            let key = transmitter.load(train);
            transmitter.send(key, 0, 20);
            transmitter.release(key);
            if !transmitter.has_room() {
                finish(&mut transmitter, &mut recycled);
            }
        }
        finish(&mut transmitter, &mut recycled);
        assert_eq!(transmitter.counters().sent.packets, 1000);
        let serials: Vec<u32> = reader
            .join()
            .expect("reader")
            .iter()
            .map(|d| u32::from_le_bytes([d[0], d[1], d[2], d[3]]))
            .collect();
        assert_eq!(serials, (0..1000).collect::<Vec<_>>(), "{choice:?}");
    }
}

#[test]
fn trains_come_back_only_after_release() {
    for choice in CHOICES {
        let (_receiver, sender) = pair();
        let mut transmitter = Transmitter::open(choice, sender, 4).expect("open");
        let mut train = TrainBuffer::new(PACKET_BYTES);
        fill(&mut train, 4, PACKET_BYTES, &mut 0);
        train.tag = 77;
        let key = transmitter.load(train);
        let mut recycled = Vec::new();
        transmitter.send(key, 0, 2);
        finish(&mut transmitter, &mut recycled);
        assert!(recycled.is_empty());
        assert_eq!(transmitter.train(key).tag, 77);
        transmitter.send(key, 2, 2);
        finish(&mut transmitter, &mut recycled);
        assert!(recycled.is_empty());
        transmitter.release(key);
        transmitter.reap(None, &mut recycled).expect("reap");
        assert_eq!(recycled.len(), 1);
        assert_eq!(recycled[0].tag, 77);
    }
}

#[test]
fn port_is_free_again_at_once() {
    for choice in CHOICES {
        let (_receiver, sender) = pair();
        let address = sender.local_addr().expect("bound");
        let transmitter = Transmitter::open(choice, sender, 4).expect("open");
        drop(transmitter);
        UdpSocket::bind(address).unwrap_or_else(|e| panic!("{choice:?}: {e}"));
    }
}

/// Sends a train of `packets` and gives what it holds.
fn send_train(transmitter: &mut Transmitter, packets: usize) -> Vec<Vec<u8>> {
    let mut train = TrainBuffer::new(500);
    fill(&mut train, packets, 500, &mut 0);
    let expected = (0..packets).map(|i| train.slot(i).to_vec()).collect();
    let key = transmitter.load(train);
    transmitter.send(key, 0, packets);
    transmitter.release(key);
    finish(transmitter, &mut Vec::new());
    expected
}

#[test]
fn packets_go_to_another_address_and_back_without_a_new_connection() {
    for choice in CHOICES {
        let ((group, sender), (one, _)) = (pair(), pair());
        let mut transmitter = Transmitter::open(choice, sender, 4).expect("open");
        transmitter.send_to(Some(one.local_addr().expect("bound")));
        let expected = send_train(&mut transmitter, 7);
        assert!(received(&one) == expected, "{choice:?}");
        assert!(received(&group).is_empty(), "{choice:?}");
        transmitter.send_to(None);
        let expected = send_train(&mut transmitter, 3);
        assert!(received(&group) == expected, "{choice:?}");
        assert!(received(&one).is_empty(), "{choice:?}");
        let to = transmitter.socket().peer_addr().expect("connected");
        assert_eq!(to, group.local_addr().expect("bound"), "{choice:?}");
    }
}

#[test]
fn an_address_that_cannot_be_sent_to_loses_packets_and_stops_nothing() {
    for choice in CHOICES {
        let (group, sender) = pair();
        let mut transmitter = Transmitter::open(choice, sender, 4).expect("open");
        // The kernel sends nothing to port 0 (EINVAL).
        transmitter.send_to(Some("127.0.0.1:0".parse().expect("an address")));
        send_train(&mut transmitter, 8);
        assert!(!transmitter.is_unreachable(), "{choice:?}");
        send_train(&mut transmitter, 64);
        assert!(transmitter.is_unreachable(), "{choice:?}");
        assert_eq!(transmitter.counters().sent.packets, 0, "{choice:?}");
        transmitter.send_to(None);
        assert!(!transmitter.is_unreachable(), "{choice:?}");
        let expected = send_train(&mut transmitter, 5);
        assert!(received(&group) == expected, "{choice:?}");
    }
}

#[test]
fn icmp_errors_cost_no_packet() {
    for choice in CHOICES {
        let (receiver, sender) = pair();
        let address = receiver.local_addr().expect("bound");
        drop(receiver);
        sender
            .send(b"nobody")
            .expect("the error comes with the next send");
        let receiver = UdpSocket::bind(address).expect("bind again");
        let mut transmitter = Transmitter::open(choice, sender, 4).expect("open");
        let mut train = TrainBuffer::new(PACKET_BYTES);
        fill(&mut train, 5, 10, &mut 0);
        let expected: Vec<_> = (0..5).map(|i| train.slot(i).to_vec()).collect();
        let key = transmitter.load(train);
        transmitter.send(key, 0, 3);
        transmitter.send(key, 3, 2);
        transmitter.release(key);
        finish(&mut transmitter, &mut Vec::new());
        assert_eq!(transmitter.counters().soft_errors, 1, "{choice:?}");
        assert!(received(&receiver) == expected, "{choice:?}");
    }
}

#[test]
fn refused_segmentation_falls_back_to_single_packets() {
    for choice in [IoChoice::Uring, IoChoice::Mmsg] {
        let (receiver, sender) = pair();
        // The kernel refuses to cut packets that must go without a checksum.
        no_checksum(&sender);
        let mut transmitter = Transmitter::open(choice, sender, 4).expect("open");
        let mut train = TrainBuffer::new(PACKET_BYTES);
        fill(&mut train, 64, 10, &mut 0);
        let expected: Vec<_> = (0..64).map(|i| train.slot(i).to_vec()).collect();
        let key = transmitter.load(train);
        transmitter.send(key, 0, 60);
        transmitter.send(key, 60, 4);
        transmitter.release(key);
        let mut recycled = Vec::new();
        let (packets, _) = finish(&mut transmitter, &mut recycled);
        assert_eq!((packets, recycled.len()), (64, 1));
        assert!(received(&receiver) == expected, "{choice:?}");
        assert!(!transmitter.segmented());
        let reason = transmitter.fallback_reason().expect("recorded");
        assert!(reason.contains("UDP_SEGMENT"), "{reason}");
    }
}

fn no_checksum(socket: &UdpSocket) {
    use std::os::fd::AsRawFd;
    let on: libc::c_int = 1;
    // SAFETY: the descriptor is open, and `on` is a live int of the size given.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_NO_CHECK,
            (&raw const on).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    assert_eq!(result, 0);
}

#[test]
fn packet_above_the_mtu_is_an_error_that_tells_its_size() {
    for choice in CHOICES {
        let (_receiver, sender) = pair();
        let bytes = 65_507;
        let mut transmitter = Transmitter::open(choice, sender, 4).expect("open");
        dont_fragment(transmitter.socket());
        let mut train = TrainBuffer::new(bytes);
        train.push_slot(bytes);
        let key = transmitter.load(train);
        transmitter.send(key, 0, 1);
        // Loopback takes it where its MTU is large enough.
        if let Err(error) = transmitter.submit() {
            assert!(
                matches!(error, TransmitError::Send { packet_bytes, .. } if packet_bytes == bytes)
            );
        }
    }
}

fn dont_fragment(socket: &UdpSocket) {
    use std::os::fd::AsRawFd;
    let on = libc::IP_PMTUDISC_DO;
    // SAFETY: the descriptor is open, and `on` is a live int of the size given.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_MTU_DISCOVER,
            (&raw const on).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    assert_eq!(result, 0);
}

#[test]
fn idle_reap_sleeps_as_long_as_it_was_told() {
    for choice in CHOICES {
        let (_receiver, sender) = pair();
        let mut transmitter = Transmitter::open(choice, sender, 4).expect("open");
        let wait = Duration::from_millis(20);
        let start = Instant::now();
        transmitter.reap(Some(wait), &mut Vec::new()).expect("reap");
        assert!(start.elapsed() >= wait, "{choice:?}");
    }
}

/// Makes system calls of this thread fail with EPERM, as a container does.
fn forbid(calls: &[libc::c_long]) {
    let step = |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    };
    const NUMBER_OFFSET: u32 = 0;
    let mut program = vec![step(
        libc::BPF_LD | libc::BPF_W | libc::BPF_ABS,
        0,
        0,
        NUMBER_OFFSET,
    )];
    for call in calls {
        let equal = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
        program.push(step(equal, 0, 1, *call as u32));
        let refuse = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
        program.push(step(libc::BPF_RET, 0, 0, refuse));
    }
    program.push(step(libc::BPF_RET, 0, 0, libc::SECCOMP_RET_ALLOW));
    let filter = libc::sock_fprog {
        len: program.len() as u16,
        filter: program.as_mut_ptr(),
    };
    // SAFETY: takes integers only.
    let result = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    assert_eq!(result, 0);
    let filter = &raw const filter;
    // SAFETY: `filter` points to a live program of the length it states.
    let result = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, filter) };
    assert_eq!(result, 0);
}

/// A filter holds for one thread, so each case gets one.
fn with_forbidden(calls: &'static [libc::c_long], body: fn()) {
    let case = std::thread::spawn(move || {
        forbid(calls);
        body();
    });
    case.join().expect("case");
}

#[test]
fn auto_prefers_the_ring() {
    let transmitter = Transmitter::open(IoChoice::Auto, pair().1, 8).expect("open");
    assert_eq!(transmitter.path(), IoPath::Uring);
    assert_eq!(transmitter.fallback_reason(), None);
}

#[test]
fn forbidden_ring_falls_back_with_a_reason() {
    const SETUP: &[libc::c_long] = &[libc::SYS_io_uring_setup];
    const ENTER: &[libc::c_long] = &[libc::SYS_io_uring_enter];
    for calls in [SETUP, ENTER] {
        with_forbidden(calls, || {
            let (receiver, sender) = pair();
            let mut transmitter = Transmitter::open(IoChoice::Auto, sender, 8).expect("open");
            assert_eq!(transmitter.path(), IoPath::Mmsg);
            let reason = transmitter.fallback_reason().expect("recorded");
            assert!(
                reason.contains("uring") && reason.contains("not permitted"),
                "{reason}"
            );
            let mut train = TrainBuffer::new(PACKET_BYTES);
            fill(&mut train, 3, 10, &mut 0);
            let key = transmitter.load(train);
            transmitter.send(key, 0, 3);
            transmitter.release(key);
            finish(&mut transmitter, &mut Vec::new());
            assert_eq!(received(&receiver).len(), 3);
        });
    }
}

#[test]
fn without_ring_and_sendmmsg_packets_still_go() {
    with_forbidden(&[libc::SYS_io_uring_setup, libc::SYS_sendmmsg], || {
        let transmitter = Transmitter::open(IoChoice::Auto, pair().1, 8).expect("open");
        assert_eq!(transmitter.path(), IoPath::Plain);
        assert!(!transmitter.segmented());
        let reason = transmitter.fallback_reason().expect("recorded");
        assert!(
            reason.contains("uring") && reason.contains("mmsg"),
            "{reason}"
        );
    });
}

#[test]
fn forced_path_that_is_forbidden_is_an_error() {
    with_forbidden(&[libc::SYS_io_uring_setup], || {
        let error = Transmitter::open(IoChoice::Uring, pair().1, 8).expect_err("forbidden");
        assert!(matches!(
            error,
            TransmitError::Unavailable {
                path: IoPath::Uring,
                ..
            }
        ));
    });
}

#[test]
fn choices_have_names() {
    for (name, choice) in [("auto", IoChoice::Auto), ("uring", IoChoice::Uring)] {
        assert_eq!(name.parse(), Ok(choice));
    }
    assert!("fast".parse::<IoChoice>().is_err());
}

//! What a lab's network does. Needs root: run by `scripts/test`.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use linecast_lab::{
    Capture, CutTrains, Lab, LabConfig, Loss, Node, Peer, RateCap, Snooping, Staging, run_peer,
};

#[test]
#[ignore = "needs root"]
fn multicast_reaches_every_receiver_over_both_families() {
    for mtu in [1280, 1500, 9000] {
        for snooping in [Snooping::Querier, Snooping::Off] {
            let lab = Lab::up(LabConfig {
                receivers: 2,
                mtu,
                snooping,
                ..config()
            })
            .unwrap();
            for group in ["239.77.0.1", "232.77.0.1", "ff15::77", "ff02::77"] {
                let group = SocketAddr::new(group.parse().unwrap(), 5577);
                let inboxes: Vec<_> = lab.receivers().iter().map(|n| joined(n, group)).collect();
                let outbox = sender(lab.sender(), group);
                let payload = vec![7; mtu as usize - 48];
                // The switch may hear of the join a little later than we do.
                let mut missing = inboxes;
                for _ in 0..50 {
                    if missing.is_empty() {
                        break;
                    }
                    outbox.send_to(&payload, group).unwrap();
                    missing.retain(|inbox| inbox.recv(&mut [0; 9000]).ok() != Some(payload.len()));
                }
                assert!(missing.is_empty(), "{group} {mtu} {snooping:?}");
            }
        }
    }
}

#[test]
#[ignore = "needs root"]
fn the_querier_keeps_groups_from_those_who_did_not_join() {
    for (snooping, kept_away) in [(Snooping::Querier, true), (Snooping::Off, false)] {
        let lab = Lab::up(LabConfig {
            snooping,
            ..config()
        })
        .unwrap();
        let group = SocketAddr::new(Ipv4Addr::new(239, 77, 0, 3).into(), 5577);
        let outbox = sender(lab.sender(), group);
        // Snooping begins a tenth of a second after the bridge is up.
        let deadline = Instant::now() + Duration::from_secs(1);
        let mut quiet = false;
        while !quiet && Instant::now() < deadline {
            let before = lab.packets_received(0).unwrap();
            for _ in 0..100 {
                outbox.send_to(b"not for you", group).unwrap();
            }
            quiet = lab.packets_received(0).unwrap() - before < 50;
        }
        assert_eq!(quiet, kept_away, "{snooping:?}");
    }
}

#[test]
#[ignore = "needs root"]
fn feedback_reaches_the_sender_by_unicast() {
    let lab = Lab::up(config()).unwrap();
    let node = lab.receiver(0);
    let to_v4 = SocketAddr::new(lab.sender().address_v4.into(), 5578);
    let to_v6 = SocketAddr::new(lab.sender().address_v6.into(), 5578);
    for to in [to_v4, to_v6] {
        let inbox = lab.sender().enter(|| UdpSocket::bind(to)).unwrap().unwrap();
        inbox.set_read_timeout(Some(QUIET)).unwrap();
        sender(node, to).send_to(b"status", to).unwrap();
        assert_eq!(inbox.recv(&mut [0; 16]).unwrap(), 6);
    }
}

#[test]
#[ignore = "needs root"]
fn ten_percent_loss_is_ten_percent_of_the_packets() {
    let lab = Lab::up(LabConfig {
        receivers: 2,
        loss: Loss::percent(10.0),
        ..config()
    })
    .unwrap();
    let lost: Vec<Vec<u32>> = blast(&lab, 20_000);
    for (index, lost) in lost.iter().enumerate() {
        let count = lab.loss_count(index).unwrap();
        assert_eq!((count.seen, count.dropped), (20_000, lost.len() as u64));
        // Six standard deviations of a binomial with n = 20,000, p = 0.1.
        assert!(lost.len().abs_diff(2_000) < 255, "{} lost", lost.len());
        // Independent packets: after a loss the next one is lost with p = 0.1
        // too, so 200 of the losses follow another. Whole trains would make it
        // nearly all.
        let pairs = lost.windows(2).filter(|w| w[1] == w[0] + 1).count();
        assert!((110..300).contains(&pairs), "{pairs} losses follow another");
    }
    let both = lost[0].iter().filter(|n| lost[1].contains(n)).count();
    assert!((110..300).contains(&both), "{both} lost at both receivers");
}

#[test]
#[ignore = "needs root"]
fn shared_loss_is_the_same_everywhere() {
    let lab = Lab::up(LabConfig {
        receivers: 2,
        loss: Loss::Shared { fraction: 0.1 },
        ..config()
    })
    .unwrap();
    let lost = blast(&lab, 20_000);
    assert_eq!(lost[0], lost[1]);
    assert!(lost[0].len().abs_diff(2_000) < 255, "{}", lost[0].len());
    let count = lab.loss_count(1).unwrap();
    assert_eq!((count.seen, count.dropped), (20_000, lost[1].len() as u64));
}

#[test]
#[ignore = "needs root"]
fn bursts_are_lost_whole_and_each_receiver_has_its_own() {
    let lab = Lab::up(LabConfig {
        receivers: 2,
        loss: Loss::Bursts {
            fraction: 0.1,
            packets: 16,
        },
        ..config()
    })
    .unwrap();
    let lost = blast(&lab, 1600);
    let first: Vec<u32> = (0..1600).filter(|n| n % 160 < 16).collect();
    assert_eq!(lost[0], first);
    assert_eq!(lost[1].len(), 160);
    assert!(lost[1].iter().all(|n| !first.contains(n)));
}

#[test]
#[ignore = "needs root"]
fn exact_losses_are_exact_and_can_change() {
    let lab = Lab::up(config()).unwrap();
    assert_eq!(blast(&lab, 1000)[0], NONE);
    lab.set_loss(0, Loss::EveryNth(10)).unwrap();
    let every_tenth: Vec<u32> = (0..1000).filter(|n| n % 10 == 9).collect();
    assert_eq!(blast(&lab, 1000)[0], every_tenth);

    let hash = |seed| Loss::Hash {
        seed,
        fraction: 0.2,
    };
    lab.set_loss(0, hash(1)).unwrap();
    let first = blast(&lab, 1000);
    assert_eq!(blast(&lab, 1000), first);
    assert!(first[0].len().abs_diff(200) < 80, "{} lost", first[0].len());
    lab.set_loss(0, hash(2)).unwrap();
    assert_ne!(blast(&lab, 1000), first);

    lab.set_loss(0, Loss::None).unwrap();
    assert_eq!(blast(&lab, 1000)[0], NONE);
    assert_eq!(lab.loss_count(0).unwrap().seen, 4000);
}

#[test]
#[ignore = "needs root"]
fn feedback_loss_is_on_the_senders_ingress_only() {
    let lab = Lab::up(LabConfig {
        feedback_loss: Loss::Random { fraction: 1.0 },
        ..config()
    })
    .unwrap();
    assert_eq!(blast(&lab, 100)[0], NONE);
    let to = SocketAddr::new(lab.sender().address_v4.into(), 5578);
    let inbox = lab.sender().enter(|| UdpSocket::bind(to)).unwrap().unwrap();
    inbox.set_read_timeout(Some(QUIET)).unwrap();
    sender(lab.receiver(0), to).send_to(b"nack", to).unwrap();
    assert!(inbox.recv(&mut [0; 16]).is_err());
    assert_eq!(lab.feedback_loss_count().unwrap().dropped, 1);
}

#[test]
#[ignore = "needs root"]
fn interface_counters_see_single_packets_of_cut_trains() {
    let lab = Lab::up(LabConfig {
        cut_trains: CutTrains::Always,
        ..config()
    })
    .unwrap();
    let before = lab.packets_received(0).unwrap();
    blast(&lab, 4400);
    let received = lab.packets_received(0).unwrap() - before;
    // Besides the trains there are joins, queries and neighbour discovery.
    assert!((4400..4450).contains(&received), "{received} received");
    let sent = lab.packets_sent().unwrap();
    assert!((100..150).contains(&sent), "{sent} trains sent");
}

#[test]
#[ignore = "needs root"]
fn a_capture_holds_what_was_sent() {
    let lab = Lab::up(config()).unwrap();
    let staging = Staging::tmpfs(16 << 20).unwrap();
    let file = staging.path().join("sent.pcap");
    let capture = Capture::start(lab.receiver(0), "v0", &file, 64, "udp port 5577").unwrap();
    blast(&lab, 44);
    assert!(capture.stop().unwrap() >= 1);
    assert!(std::fs::metadata(&file).unwrap().len() > 24);
    let error = Capture::start(lab.receiver(0), "v9", &file, 64, "").unwrap_err();
    assert!(error.to_string().contains("v9"), "{error}");
}

#[test]
#[ignore = "needs root"]
fn a_rate_cap_drops_what_does_not_fit() {
    let lab = Lab::up(LabConfig {
        receiver_rate: Some(RateCap {
            rate_bps: 10_000_000,
            burst_bytes: 20_000,
            queue_bytes: 60_000,
        }),
        ..config()
    })
    .unwrap();
    assert!(blast(&lab, 2000)[0].len() > 1000);
    lab.set_rate(lab.receiver(0), None).unwrap();
    assert_eq!(blast(&lab, 2000)[0], NONE);
}

#[test]
#[ignore = "needs root and the packages of the peers"]
fn peers_deliver_in_the_lab() {
    let lab = Lab::up(LabConfig {
        receivers: 2,
        ..config()
    })
    .unwrap();
    let staging = Staging::tmpfs(64 << 20).unwrap();
    let image = staging.path().join("image.bin");
    let bytes: Vec<u8> = (0..4_000_000_u32).map(|n| ((n * 31) >> 7) as u8).collect();
    std::fs::write(&image, bytes).unwrap();
    for peer in [Peer::Udpcast, Peer::Uftp] {
        let directory = staging.subdirectory(&format!("{peer:?}")).unwrap();
        let run = run_peer(&lab, peer, &image, &directory, Duration::from_secs(60)).unwrap();
        println!("{peer:?}: {:?} {:?}", run.elapsed, run.command);
        assert!(run.all_identical() && !run.timed_out, "{run:?}");
    }
}

/// Sends numbered packets of 1000 bytes to a group, in trains of 44, and says
/// which did not arrive at each receiver.
fn blast(lab: &Lab, packets: u32) -> Vec<Vec<u32>> {
    let group = SocketAddr::new(Ipv4Addr::new(239, 77, 0, 2).into(), 5577);
    let inboxes: Vec<_> = lab.receivers().iter().map(|n| joined(n, group)).collect();
    let outbox = sender(lab.sender(), group);
    set_option(&outbox, libc::SOL_UDP, libc::UDP_SEGMENT, 1000);
    let mut arrived = vec![vec![false; packets as usize]; inboxes.len()];
    let numbers: Vec<u32> = (0..packets).collect();
    for train in numbers.chunks(44) {
        let mut payload = vec![0; train.len() * 1000];
        for (symbol, number) in payload.chunks_mut(1000).zip(train) {
            symbol[..4].copy_from_slice(&number.to_be_bytes());
        }
        outbox.send_to(&payload, group).unwrap();
        for (inbox, arrived) in inboxes.iter().zip(&mut arrived) {
            inbox.set_nonblocking(true).unwrap();
            receive(inbox, arrived);
        }
    }
    for (inbox, arrived) in inboxes.iter().zip(&mut arrived) {
        inbox.set_nonblocking(false).unwrap();
        receive(inbox, arrived);
    }
    let missing = |arrived: Vec<bool>| {
        let lost = numbers.iter().zip(arrived).filter(|(_, arrived)| !arrived);
        lost.map(|(number, _)| *number).collect()
    };
    arrived.into_iter().map(missing).collect()
}

fn receive(inbox: &UdpSocket, arrived: &mut [bool]) {
    let mut packet = [0; 2000];
    while inbox.recv(&mut packet).is_ok_and(|length| length == 1000) {
        let number = u32::from_be_bytes(packet[..4].try_into().unwrap());
        arrived[number as usize] = true;
    }
}

/// A socket in the node that has joined the group on its interface.
fn joined(node: &Node, group: SocketAddr) -> UdpSocket {
    let socket = node.enter(|| -> io::Result<UdpSocket> {
        match group {
            SocketAddr::V4(v4) => {
                let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, v4.port()))?;
                socket.join_multicast_v4(v4.ip(), &node.address_v4)?;
                Ok(socket)
            }
            SocketAddr::V6(v6) => {
                let socket = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, v6.port()))?;
                socket.join_multicast_v6(v6.ip(), interface_index(node))?;
                Ok(socket)
            }
        }
    });
    let socket = socket.unwrap().unwrap();
    set_option(&socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, 32 << 20);
    socket.set_read_timeout(Some(QUIET)).unwrap();
    socket
}

/// A socket in the node that can send to the address.
fn sender(node: &Node, to: SocketAddr) -> UdpSocket {
    let socket = node.enter(|| -> io::Result<UdpSocket> {
        if to.is_ipv4() {
            return UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0));
        }
        let socket = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0))?;
        let index = interface_index(node);
        set_option(
            &socket,
            libc::IPPROTO_IPV6,
            libc::IPV6_MULTICAST_IF,
            index as i32,
        );
        Ok(socket)
    });
    socket.unwrap().unwrap()
}

/// The index of the node's interface; called inside its namespace.
fn interface_index(node: &Node) -> u32 {
    let name = std::ffi::CString::new(node.interface).unwrap();
    // SAFETY: `name` is NUL-terminated and lives through the call.
    unsafe { libc::if_nametoindex(name.as_ptr()) }
}

fn set_option(socket: &UdpSocket, level: i32, name: i32, value: i32) {
    // SAFETY: the pointer and the length describe `value`, which lives through
    // the call; the descriptor is open because `socket` is borrowed.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            size_of::<i32>() as libc::socklen_t,
        )
    };
    assert_eq!(result, 0, "{}", io::Error::last_os_error());
}

/// Floods, so that nothing depends on when the switch hears of a join.
fn config() -> LabConfig {
    LabConfig {
        snooping: Snooping::Off,
        ..LabConfig::default()
    }
}

/// After so long without a packet, none is coming.
const QUIET: Duration = Duration::from_millis(200);

/// No packet at all.
const NONE: [u32; 0] = [];

//! The sockets against a real kernel, in a network namespace of their own.
//!
//! Each test starts itself again under `unshare -Urn`, so it needs unprivileged
//! user namespaces (or root) and the `ip` command, and never touches the
//! machine's own interfaces: `cargo test -p linecast-net -- --ignored`.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::process::Command;
use std::time::Duration;

use linecast_net::{
    GroupSocket, Interface, JoinConfig, NetError, NetErrorKind, SenderConfig, SenderSockets, join,
};

const INSIDE: &str = "LINECAST_TEST_INSIDE_NAMESPACE";
const SETUP: &str = "ip link set lo up && ip link add va type veth peer name vb && \
    ip addr add 10.9.0.1/24 dev va && ip addr add fd00:9::1/64 dev va nodad && \
    ip link set va up && ip link set vb up && ip link add down0 type veth peer name down1 && \
    ip route add 239.0.0.0/8 dev va && exec \"$@\"";

/// Runs `body` in a fresh namespace with `va` (10.9.0.1, fd00:9::1), `vb`
/// (link-local only) and `down0`.
fn in_namespace(test: &str, body: fn()) {
    if std::env::var_os(INSIDE).is_some() {
        return body();
    }
    let binary = std::env::current_exe().expect("a test has a path");
    let status = Command::new("unshare")
        .args(["-Urn", "sh", "-c", SETUP, "sh"])
        .arg(binary)
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env(INSIDE, "1")
        .status()
        .expect("unshare runs");
    assert!(status.success(), "{test} failed in its namespace");
}

fn interface(name: &str) -> Interface {
    Interface::by_name(name).expect("made by SETUP")
}

fn open(group: &str, interface: &Interface) -> Result<SenderSockets, NetError> {
    SenderSockets::open(&SenderConfig {
        group: group.parse().expect("literal"),
        interface,
        hops: 3,
        send_buffer: 1 << 20,
        loopback: true,
    })
}

fn joined(group: &str, interface: &Interface, source: Option<IpAddr>) -> GroupSocket {
    let socket = join(&JoinConfig {
        group: group.parse().expect("literal"),
        interface,
        source,
        receive_buffer: 1 << 20,
    })
    .expect("join");
    let wait = Some(Duration::from_secs(2));
    socket.socket.set_read_timeout(wait).expect("timeout");
    socket
}

/// A link-local address serves no bind until the kernel has checked it for
/// duplicates, which takes a second.
fn soon<T>(mut attempt: impl FnMut() -> Option<T>) -> T {
    for _ in 0..50 {
        if let Some(value) = attempt() {
            return value;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("not within five seconds");
}

fn receive(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = [0u8; 2048];
    let (length, from) = socket.recv_from(&mut buffer).expect("a datagram");
    (buffer[..length].to_vec(), from)
}

fn nothing_waits(socket: &UdpSocket) -> bool {
    socket.set_nonblocking(true).expect("nonblocking");
    let result = socket.recv_from(&mut [0u8; 64]);
    matches!(result, Err(error) if error.kind() == ErrorKind::WouldBlock)
}

#[test]
#[ignore = "needs a network namespace"]
fn interfaces_are_described() {
    in_namespace("interfaces_are_described", || {
        let va = interface("va");
        assert!(va.up && va.multicast);
        assert_eq!(va.mtu, 1500);
        assert_eq!(va.v4, Some("10.9.0.1".parse().expect("literal")));
        assert_eq!(va.v6, Some("fd00:9::1".parse().expect("literal")));
        assert!(va.v6_link_local.is_some());
        let vb = interface("vb");
        assert!(vb.v4.is_none() && vb.v6 == vb.v6_link_local);
        assert!(!interface("down0").up);
    });
}

#[test]
#[ignore = "needs a network namespace"]
fn group_finds_its_interface_by_route() {
    in_namespace("group_finds_its_interface_by_route", || {
        let found = Interface::for_group("239.1.2.3".parse().expect("literal")).expect("route");
        assert_eq!(found.name, "va");
        let elsewhere = "224.5.5.5".parse().expect("literal");
        let error = Interface::for_group(elsewhere).expect_err("no route");
        assert!(matches!(error, NetError::NoRoute(group) if group == elsewhere));
        assert_eq!(error.kind(), NetErrorKind::Path);
        let site = "ff15::5".parse().expect("literal");
        let found = soon(|| Interface::for_group(site).ok());
        assert!(found.name == "va" || found.name == "vb");
        let many = Interface::for_group("ff12::5".parse().expect("literal"));
        assert!(matches!(many, Err(NetError::NoRoute(_))));
    });
}

#[test]
#[ignore = "needs a network namespace"]
fn refusals_name_the_interface() {
    in_namespace("refusals_name_the_interface", || {
        let down = open("239.1.2.3:5400", &interface("down0")).expect_err("down");
        assert_eq!(down.to_string(), "interface down0 is down");
        let bare = open("239.1.2.3:5400", &interface("vb")).expect_err("no IPv4");
        assert_eq!(bare.to_string(), "interface vb has no IPv4 address");
        let unicast = open("10.9.0.7:5400", &interface("va")).expect_err("unicast");
        assert_eq!(unicast.kind(), NetErrorKind::Usage);
    });
}

#[test]
#[ignore = "needs a network namespace"]
fn second_session_on_a_port_is_refused() {
    in_namespace("second_session_on_a_port_is_refused", || {
        let va = interface("va");
        let first = open("239.1.2.3:5400", &va).expect("free port");
        let _lane = first.lane_socket().expect("lanes share the port");
        let second = open("239.1.2.4:5400", &va).expect_err("taken");
        assert!(matches!(second, NetError::PortInUse(address) if address == first.local()));
        drop((first, _lane));
        open("239.1.2.4:5400", &va).expect("free again");
    });
}

/// Two lanes and the feedback socket send; a receiver answers.
fn exchange(group: &str, sender: &str) {
    let va = interface("va");
    let sockets = open(group, &va).expect("sender");
    let lanes = [(); 2].map(|()| sockets.lane_socket().expect("lane"));
    let receiver = joined(group, &va, Some(sender.parse().expect("literal")));
    let any = joined(group, &va, None);
    for (lane, text) in lanes.iter().zip(["one", "two"]) {
        lane.send(text.as_bytes()).expect("send");
    }
    let command = sockets.feedback.send_to(b"command", sockets.group());
    command.expect("send_to");
    for socket in [&receiver.socket, &any.socket] {
        for expected in ["one", "two", "command"] {
            let (datagram, from) = receive(socket);
            assert_eq!(datagram, expected.as_bytes());
            assert_eq!(from.ip(), sockets.local().ip());
            assert_eq!(from.port(), sockets.local().port());
        }
    }
    let back = UdpSocket::bind((sockets.local().ip(), 0)).expect("bind");
    back.send_to(b"report", sockets.local()).expect("send");
    assert_eq!(receive(&sockets.feedback).0, b"report");
    assert!(lanes.iter().all(nothing_waits));
}

#[test]
#[ignore = "needs a network namespace"]
fn v4_lanes_reach_the_group_and_feedback_comes_back() {
    in_namespace("v4_lanes_reach_the_group_and_feedback_comes_back", || {
        exchange("232.1.2.3:5400", "10.9.0.1");
    });
}

#[test]
#[ignore = "needs a network namespace"]
fn v6_lanes_reach_the_group_and_feedback_comes_back() {
    in_namespace("v6_lanes_reach_the_group_and_feedback_comes_back", || {
        exchange("[ff35::5:1]:5400", "fd00:9::1");
    });
}

#[test]
#[ignore = "needs a network namespace"]
fn v6_link_scope_group_uses_the_link_local_address() {
    in_namespace("v6_link_scope_group_uses_the_link_local_address", || {
        let va = interface("va");
        let sockets = soon(|| open("[ff12::9]:5400", &va).ok());
        let lane = sockets.lane_socket().expect("lane");
        let receiver = joined("[ff12::9]:5400", &va, None);
        lane.send(b"near").expect("send");
        let (datagram, from) = receive(&receiver.socket);
        assert_eq!(datagram, b"near");
        assert_eq!(Some(from.ip()), va.v6_link_local.map(IpAddr::V6));
    });
}

#[test]
#[ignore = "needs a network namespace"]
fn other_sources_and_groups_are_not_heard() {
    in_namespace("other_sources_and_groups_are_not_heard", || {
        let va = interface("va");
        let other = "10.9.0.77".parse().expect("literal");
        let picky = joined("232.1.2.3:5400", &va, Some(other));
        let elsewhere = joined("232.9.9.9:5400", &va, None);
        let listening = joined("232.1.2.3:5400", &va, None);
        let sockets = open("232.1.2.3:5400", &va).expect("sender");
        sockets
            .lane_socket()
            .expect("lane")
            .send(b"x")
            .expect("send");
        assert_eq!(receive(&listening.socket).0, b"x");
        assert!(nothing_waits(&picky.socket));
        assert!(nothing_waits(&elsewhere.socket));
        assert!(listening.receive_buffer_bytes >= 1 << 20);
    });
}

#[test]
#[ignore = "needs a network namespace"]
fn packets_above_the_mtu_are_refused_not_fragmented() {
    in_namespace("packets_above_the_mtu_are_refused_not_fragmented", || {
        let va = interface("va");
        for group in ["239.1.2.3:5400", "[ff15::9]:5400"] {
            let lane = open(group, &va)
                .expect("sender")
                .lane_socket()
                .expect("lane");
            let error = lane.send(&[0u8; 1600]).expect_err("above the MTU");
            assert_eq!(error.raw_os_error(), Some(90), "EMSGSIZE for {group}");
        }
    });
}

//! What comes with a message besides its bytes: socket addresses and control
//! messages, parsed from the bytes the kernel wrote (recvmsg(2), cmsg(3)).

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// What the control messages of one message say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Control {
    /// Bytes of each datagram but the last, if several were merged (udp(7)).
    pub(super) segment_bytes: Option<usize>,
    /// Buffers that the socket has dropped so far (SO_RXQ_OVFL, socket(7)).
    pub(super) dropped: Option<u32>,
}

/// Parses a list of `cmsghdr`; unknown and malformed ones are skipped.
pub(super) fn parse(mut list: &[u8]) -> Control {
    let mut control = Control::default();
    while let Some((level, kind, data, next)) = split_first(list) {
        match (level, kind) {
            (libc::SOL_UDP, libc::UDP_GRO) => {
                let bytes = number(data, 0).map(i32::from_ne_bytes);
                control.segment_bytes = bytes.and_then(|bytes| usize::try_from(bytes).ok());
            }
            (libc::SOL_SOCKET, libc::SO_RXQ_OVFL) => {
                control.dropped = number(data, 0).map(u32::from_ne_bytes);
            }
            _ => {}
        }
        list = next;
    }
    control
}

/// Parses a `sockaddr_in` or `sockaddr_in6`.
pub(super) fn address(name: &[u8]) -> Option<SocketAddr> {
    let family = number(name, 0).map(libc::sa_family_t::from_ne_bytes)?;
    let port = u16::from_be_bytes(number(name, 2)?);
    match i32::from(family) {
        libc::AF_INET => {
            let ip = Ipv4Addr::from(number::<4>(name, 4)?);
            Some(SocketAddrV4::new(ip, port).into())
        }
        libc::AF_INET6 => {
            let flow = u32::from_ne_bytes(number(name, 4)?);
            let ip = Ipv6Addr::from(number::<16>(name, 8)?);
            let scope = u32::from_ne_bytes(number(name, 24)?);
            Some(SocketAddrV6::new(ip, port, flow, scope).into())
        }
        _ => None,
    }
}

/// Level, type and data of the first control message, and the rest of them.
fn split_first(list: &[u8]) -> Option<(i32, i32, &[u8], &[u8])> {
    let length = usize::from_ne_bytes(number(list, 0)?);
    let level = i32::from_ne_bytes(number(list, WORD)?);
    let kind = i32::from_ne_bytes(number(list, WORD + 4)?);
    let data = list.get(HEADER..length)?;
    let next = length.next_multiple_of(WORD).min(list.len());
    Some((level, kind, data, &list[next..]))
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

/// The kernel aligns control messages to its word, whatever the C library.
const WORD: usize = size_of::<usize>();
const HEADER: usize = WORD + 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn message(level: i32, kind: i32, data: &[u8]) -> Vec<u8> {
        let mut bytes = (HEADER + data.len()).to_ne_bytes().to_vec();
        bytes.extend(level.to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(data);
        bytes.resize(bytes.len().next_multiple_of(WORD), 0);
        bytes
    }

    #[test]
    fn known_messages_are_found_among_others() {
        let list = [
            message(libc::SOL_IP, libc::IP_TTL, &[1, 0, 0, 0]),
            message(libc::SOL_SOCKET, libc::SO_RXQ_OVFL, &88u32.to_ne_bytes()),
            message(libc::SOL_UDP, libc::UDP_GRO, &1448i32.to_ne_bytes()),
        ];
        let expected = Control {
            segment_bytes: Some(1448),
            dropped: Some(88),
        };
        assert_eq!(parse(&list.concat()), expected);
        assert_eq!(parse(&[]), Control::default());
    }

    #[test]
    fn malformed_list_is_skipped() {
        let good = message(libc::SOL_UDP, libc::UDP_GRO, &1448i32.to_ne_bytes());
        for end in 0..good.len() - 4 {
            assert_eq!(parse(&good[..end]), Control::default());
        }
        for length in [0, 1, HEADER - 1, usize::MAX, usize::MAX - 6] {
            let mut bad = good.clone();
            bad[..WORD].copy_from_slice(&length.to_ne_bytes());
            assert_eq!(parse(&bad), Control::default());
        }
        let negative = message(libc::SOL_UDP, libc::UDP_GRO, &(-1i32).to_ne_bytes());
        assert_eq!(parse(&negative), Control::default());
    }

    #[test]
    fn other_families_have_no_address() {
        assert_eq!(address(&[]), None);
        assert_eq!(address(&[1, 0, 0, 0]), None);
        let mut v4 = (libc::AF_INET as u16).to_ne_bytes().to_vec();
        v4.extend([0x1f, 0x90, 10, 0, 0, 1]);
        assert_eq!(address(&v4), Some("10.0.0.1:8080".parse().unwrap()));
        assert_eq!(address(&v4[..7]), None);
    }
}

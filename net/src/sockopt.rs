//! Socket options and the few other calls that `socket2` does not wrap.

use std::ffi::CString;
use std::io;
use std::mem;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};

use socket2::SockAddr;

/// Option values are handed to the kernel as bytes: plain C data only.
pub(crate) trait OptionValue: Copy {}
impl OptionValue for libc::c_int {}
impl OptionValue for libc::ip_mreqn {}
impl OptionValue for libc::group_req {}
impl OptionValue for libc::group_source_req {}

/// setsockopt(2) with a value of exactly `size_of::<T>()` bytes.
pub(crate) fn set<T: OptionValue>(
    socket: &impl AsFd,
    level: libc::c_int,
    name: libc::c_int,
    value: &T,
) -> io::Result<()> {
    let descriptor = socket.as_fd().as_raw_fd();
    let length = mem::size_of::<T>() as libc::socklen_t;
    let bytes: *const T = value;
    // SAFETY: `descriptor` is open because `socket` is borrowed for the call;
    // `bytes` points to `length` readable bytes because it is made from `&T`;
    // no `OptionValue` holds a pointer that the kernel would follow.
    let result = unsafe { libc::setsockopt(descriptor, level, name, bytes.cast(), length) };
    check(result)
}

/// The buffer the kernel granted, in its own accounting: twice what was asked
/// for, because it counts its bookkeeping too (socket(7)).
pub(crate) fn set_receive_buffer(socket: &socket2::Socket, bytes: usize) -> io::Result<usize> {
    let wanted = clamp_to_c_int(bytes);
    if set(socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, &wanted).is_err() {
        socket.set_recv_buffer_size(bytes)?;
    }
    socket.recv_buffer_size()
}

/// Lets a message hold a train of packets, and its control data say so. Linux
/// before 5.0 has no UDP_GRO: packets then come one by one.
pub(crate) fn receive_trains(socket: &impl AsFd) -> io::Result<()> {
    let on: libc::c_int = 1;
    match set(socket, libc::SOL_UDP, libc::UDP_GRO, &on) {
        Err(error) if error.raw_os_error() == Some(libc::ENOPROTOOPT) => Ok(()),
        other => other,
    }
}

/// As `set_receive_buffer`, for the send side.
pub(crate) fn set_send_buffer(socket: &socket2::Socket, bytes: usize) -> io::Result<usize> {
    let wanted = clamp_to_c_int(bytes);
    if set(socket, libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, &wanted).is_err() {
        socket.set_send_buffer_size(bytes)?;
    }
    socket.send_buffer_size()
}

/// The kernel doubles the value in an `int`, so half of its range is the most.
fn clamp_to_c_int(bytes: usize) -> libc::c_int {
    libc::c_int::try_from(bytes)
        .unwrap_or(libc::c_int::MAX)
        .min(libc::c_int::MAX / 2)
}

/// The index of an interface in the caller's network namespace; 0 never occurs.
pub(crate) fn interface_index(name: &str) -> io::Result<u32> {
    let name = CString::new(name).map_err(|_| io::Error::from_raw_os_error(libc::ENODEV))?;
    // SAFETY: `name` is NUL-terminated because `CString` made it, and it lives
    // until the call returns.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    if index == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(index)
}

/// The MTU by SIOCGIFMTU: unlike sysfs it answers for the namespace of the
/// socket even where `/sys` was mounted in another one.
pub(crate) fn interface_mtu(socket: &impl AsFd, name: &str) -> io::Result<u32> {
    // SAFETY: `ifreq` is plain C data, for which all zeros is a valid value.
    let mut request: libc::ifreq = unsafe { mem::zeroed() };
    if name.len() >= request.ifr_name.len() {
        return Err(io::Error::from_raw_os_error(libc::ENODEV));
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    let descriptor = socket.as_fd().as_raw_fd();
    let argument: *mut libc::ifreq = &mut request;
    // SAFETY: `descriptor` is open because `socket` is borrowed; SIOCGIFMTU
    // reads the NUL-terminated name (the zeroed last byte is never written
    // above) and writes inside the `ifreq` that `argument` points to.
    let result = unsafe { libc::ioctl(descriptor, libc::SIOCGIFMTU as _, argument) };
    check(result)?;
    // SAFETY: a successful SIOCGIFMTU has filled the `ifru_mtu` member.
    let mtu = unsafe { request.ifr_ifru.ifru_mtu };
    u32::try_from(mtu).map_err(|_| io::Error::from_raw_os_error(libc::ERANGE))
}

/// A socket address in the shape the `MCAST_*` options take.
pub(crate) fn storage(address: SocketAddr) -> libc::sockaddr_storage {
    let address = SockAddr::from(address);
    // SAFETY: `sockaddr_storage` is plain C data, for which all zeros is valid.
    let mut storage: libc::sockaddr_storage = unsafe { mem::zeroed() };
    let from = address.as_ptr().cast::<u8>();
    let to = (&raw mut storage).cast::<u8>();
    // SAFETY: `from` has `len()` readable bytes by the contract of `SockAddr`;
    // `to` has room for any socket address, which is what `sockaddr_storage`
    // is for; the two are different objects.
    unsafe { std::ptr::copy_nonoverlapping(from, to, address.len() as usize) };
    storage
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_has_an_index_and_an_mtu() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("loopback is up");
        assert!(interface_index("lo").expect("lo exists") > 0);
        assert!(interface_mtu(&socket, "lo").expect("lo has an MTU") >= 1280);
        assert!(interface_index("no-such-if").is_err());
        assert!(interface_mtu(&socket, "a-name-that-is-much-too-long").is_err());
    }

    #[test]
    fn storage_keeps_the_family() {
        let storage = storage("[ff15::1]:9".parse().expect("literal"));
        assert_eq!(libc::c_int::from(storage.ss_family), libc::AF_INET6);
    }
}

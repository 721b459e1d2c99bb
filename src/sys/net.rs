//! Network devices, by `netdevice(7)` requests.

use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::Errno;

/// Brings the loopback device of this network namespace up; `socket` is any `AF_INET` socket.
pub(crate) fn loopback_up(socket: BorrowedFd<'_>) -> Result<(), Errno> {
    // SAFETY: all-zero is a valid value of this struct of integers.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(c"lo".to_bytes()) {
        *to = from.cast_signed() as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // An unsigned long with glibc, an int with musl.
    const REQUEST: libc::Ioctl = libc::SIOCSIFFLAGS as libc::Ioctl;
    // SAFETY: the request takes a pointer to this struct, which outlives the call.
    let returned = unsafe { libc::ioctl(socket.as_raw_fd(), REQUEST, &raw const request) };
    super::result_int(returned).map(drop)
}

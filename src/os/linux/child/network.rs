//! The network namespace: of all namespaces by far the dearest to make.

use std::os::fd::AsFd;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::record::{Call, Failure, In};
use crate::sys;
use crate::sys::clone::Stack;
use crate::sys::wait::{Wait, reap, stopped};

/// A network namespace in the making, by a process beside init that does nothing else. It belongs
/// to init's pid namespace, which it can't outlive.
#[derive(Default)]
pub(super) struct NewNetwork {
    maker: Option<i32>,
}

impl NewNetwork {
    /// Begins. The stack is the one that the command's process gets later.
    pub(super) fn begin(stack: &Stack) -> Self {
        // Without another process (a limit may forbid it) init makes it itself.
        Self { maker: sys::clone::make_network_beside(stack).ok() }
    }

    /// Waits until it is made, moves into it, and ends its maker.
    pub(super) fn join(&mut self) -> Result<(), Failure> {
        let Some(maker) = self.maker.take() else { return make() };
        match stopped(maker).in_call(Call::Wait)? {
            Ok(()) => {}
            // Ended by somebody.
            Err(0) => return make(),
            Err(status) => {
                let errno = Errno::from_raw_os_error(status);
                return Err(Failure { call: Call::Unshare, errno });
            }
        }
        let joined = join(maker);
        sys::signal::kill(maker, libc::SIGKILL).in_call(Call::Wait)?;
        reap(Wait::For(maker)).in_call(Call::Wait)?;
        // Filters around this process may allow to make a namespace, but not to join one.
        joined.or_else(|_| make())
    }
}

fn join(maker: i32) -> Result<(), Errno> {
    let pid = Pid::from_raw(maker).ok_or(Errno::SRCH)?;
    let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
    sys::clone::join_network(pidfd.as_fd())
}

fn make() -> Result<(), Failure> {
    sys::clone::unshare_network().in_call(Call::Unshare)
}

pub(super) fn loopback_up() -> Result<(), Failure> {
    let socket = rustix::net::socket_with(
        AddressFamily::INET,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        None,
    )
    .in_call(Call::Socket)?;
    sys::net::loopback_up(socket.as_fd()).in_call(Call::Loopback)
}

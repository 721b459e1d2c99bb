//! What a command reaches of the network.

use serde::Serialize;

use super::Subject;
use crate::plan::landlock::access;
use crate::profile::vocabulary::{Namespace, NetworkMode};

/// What a command reaches of the network.
#[derive(Clone, Debug, Serialize)]
pub struct Network {
    /// What holds: the host's network also where another was asked for and can't be had.
    pub mode: NetworkMode,
    /// What keeps the command from the host's network.
    pub held_by: NetworkHolder,
    /// TCP ports that can be connected to; absent: all.
    pub connect_tcp: Option<Vec<u16>>,
    /// TCP ports that can be bound; absent: all.
    pub bind_tcp: Option<Vec<u16>>,
}

/// What keeps a command from the host's network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkHolder {
    /// A network namespace.
    Namespace,
    /// A filter that refuses IPv4 and IPv6 sockets.
    Seccomp,
    /// Nothing.
    Nothing,
}

/// `AF_INET` and `SOCK_STREAM`.
const IPV4_STREAM: [u64; 6] = [2, 1, 0, 0, 0, 0];

pub(super) fn network(subject: &Subject<'_>) -> Network {
    let rules = subject.landlock();
    let ports = |right: u64| {
        let rules = rules.filter(|rules| rules.handled_net & right != 0)?;
        let allowed = rules.ports.iter().filter(|(_, rights)| rights & right != 0);
        Some(allowed.map(|(port, _)| *port).collect())
    };
    let (mode, held_by) = if subject.makes(Namespace::Network) {
        (subject.policy.network, NetworkHolder::Namespace)
    } else if !subject.permits("socket", &IPV4_STREAM) {
        (NetworkMode::None, NetworkHolder::Seccomp)
    } else {
        (NetworkMode::Host, NetworkHolder::Nothing)
    };
    Network {
        mode,
        held_by,
        connect_tcp: ports(access::CONNECT_TCP),
        bind_tcp: ports(access::BIND_TCP),
    }
}

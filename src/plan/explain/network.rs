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
    /// TCP ports that can be connected to; absent: all.
    pub connect_tcp: Option<Vec<u16>>,
    /// TCP ports that can be bound; absent: all.
    pub bind_tcp: Option<Vec<u16>>,
}

pub(super) fn network(subject: &Subject<'_>) -> Network {
    let rules = subject.landlock();
    let ports = |right: u64| {
        let rules = rules.filter(|rules| rules.handled_net & right != 0)?;
        let allowed = rules.ports.iter().filter(|(_, rights)| rights & right != 0);
        Some(allowed.map(|(port, _)| *port).collect())
    };
    Network {
        mode: if subject.makes(Namespace::Network) {
            subject.policy.network
        } else {
            NetworkMode::Host
        },
        connect_tcp: ports(access::CONNECT_TCP),
        bind_tcp: ports(access::BIND_TCP),
    }
}

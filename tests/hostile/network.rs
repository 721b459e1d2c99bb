//! Sockets of the host's, and families of sockets.

use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};

use crate::scene::Scene;
use crate::support::tree::mark;
use crate::table::{
    ALL, AS_ROOT, Attack, BOTH, Control, FILTER, IDENTITY, VIEW, VIEW_OR_LANDLOCK, Verdict,
};

pub fn attacks() -> Vec<Attack> {
    vec![
        Attack::new(
            26,
            "an abstract UNIX socket of the host's",
            VIEW_OR_LANDLOCK,
            Control::Bare(BOTH),
            |scene| {
                let name = mark();
                let address = SocketAddr::from_abstract_name(&name).unwrap();
                let _stream = UnixListener::bind_addr(&address).unwrap();
                let address = SocketAddr::from_abstract_name(format!("{name}-datagram")).unwrap();
                let _datagram = UnixDatagram::bind_addr(&address).unwrap();
                scene.attack(&[], "abstract-socket", &[&name])
            },
        ),
        Attack::new(
            26,
            "a UNIX socket outside of the view",
            FILTER,
            Control::Bare(BOTH),
            |scene| {
                let path = scene.path("s");
                let _listener = UnixListener::bind(&path).unwrap();
                std::fs::set_permissions(&path, PermissionsExt::from_mode(0o777)).unwrap();
                scene.attack(&[], "path-socket", &[&path])
            },
        ),
        Attack::new(
            26,
            "a UNIX socket in /run",
            VIEW_OR_LANDLOCK,
            Control::Bare(AS_ROOT),
            |scene| {
                let path = format!("/run/ringfence-{}", mark());
                let Ok(_listener) = UnixListener::bind(&path) else {
                    return Verdict::Skipped("only root makes sockets in /run".into());
                };
                std::fs::set_permissions(&path, PermissionsExt::from_mode(0o777)).unwrap();
                let verdict = scene.attack(&[], "path-socket", &[&path]);
                std::fs::remove_file(&path).unwrap();
                verdict
            },
        ),
        Attack::new(
            26,
            "a server on the host's loopback, without a network",
            VIEW_OR_LANDLOCK,
            Control::Bare(BOTH),
            |scene| tcp(scene, &[]),
        ),
        Attack::new(
            26,
            "a TCP port that isn't allowed: also by MPTCP, SMC and TCP Fast Open",
            FILTER,
            Control::Bare(BOTH),
            |scene| if scene.knows_ports() { tcp(scene, &["--connect", "9"]) } else { no_ports() },
        ),
        Attack::new(
            26,
            "a TCP port that isn't allowed: by plain TCP",
            ALL,
            Control::Bare(BOTH),
            |scene| {
                if !scene.knows_ports() {
                    return no_ports();
                }
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                let port = listener.local_addr().unwrap().port().to_string();
                scene.bring_program("connect");
                let run = scene.run(&["--connect", "9"], &["./connect", &port]);
                match run.stdout().trim().strip_prefix(&port) {
                    Some(" EACCES") => Verdict::Held,
                    _ => Verdict::Broken(format!("{run:?}")),
                }
            },
        ),
        Attack::new(
            26,
            "sockets of families with a bad record",
            FILTER,
            Control::Bare(BOTH),
            |scene| scene.attack(&[], "families", &[]),
        ),
        Attack::new(
            26,
            "the host's interfaces are changed",
            IDENTITY,
            Control::Bare(AS_ROOT),
            |scene| scene.attack(&[], "netlink", &[]),
        ),
        Attack::new(26, "the host's interfaces are seen", VIEW, Control::Own, |scene| {
            let run = scene.run(&[], &["sed", "1,2d", "/proc/net/dev"]);
            let names: Vec<_> = run.stdout().lines().map(|line| line.trim().to_owned()).collect();
            match names.iter().all(|line| line.starts_with("lo:")) {
                true => Verdict::Held,
                false => Verdict::Broken(format!("{names:?}")),
            }
        }),
    ]
}

fn no_ports() -> Verdict {
    Verdict::Skipped("it takes a Landlock with rules for TCP ports".into())
}

/// A server of the host's, which the attack tries to reach by everything that ends in TCP.
fn tcp(scene: &Scene, options: &[&str]) -> Verdict {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    scene.attack(options, "tcp", &[&port])
}

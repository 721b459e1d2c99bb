//! What of the network the built-in profiles leave to a command, tried from inside.
#![expect(clippy::unwrap_used, reason = "a test that meets the unexpected has failed")]

mod support;

use support::host::{enforceable, has_landlock_tcp};
use support::{Finished, Workspace, callers, python};

fn run(workspace: &Workspace, options: &[&str], words: &[&str]) -> Finished {
    workspace.quietly(options, words).finish()
}

#[test]
fn the_network_is_unreachable() {
    let Some(python) = python() else { return };
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    for caller in callers() {
        let profiles = ["default", "ci", "untrusted", "landlock-only", "ci-landlock"];
        for profile in enforceable(profiles) {
            let workspace = Workspace::new(caller);
            let run = run(&workspace, &["-p", profile], &[python, "-c", &connect(port)]);
            assert!(run.stdout().contains("Error"), "{caller:?} {profile}: {run:?}");
        }
    }
}

#[test]
fn loopback_is_there_for_the_tests_of_a_build_job() {
    let Some(python) = python() else { return };
    let program = "import socket\n\
        s = socket.create_server(('localhost', 0))\n\
        c = socket.create_connection(s.getsockname())\n\
        print('connected')";
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let run = run(&workspace, &["-p", "ci"], &[python, "-c", program]);
        assert_eq!(run.success(), "connected", "{caller:?}");
    }
}

#[test]
fn a_network_client_connects_to_allowed_ports_only() {
    let Some(python) = python() else { return };
    let (server, other) = two_servers();
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let options = ["-p", "network-client", "--connect", &server.to_string()];
        let allowed = run(&workspace, &options, &[python, "-c", &connect(server)]);
        if allowed.code() == 125 && !has_landlock_tcp() {
            return;
        }
        assert_eq!(allowed.success(), "connected", "{caller:?}");
        let refused = run(&workspace, &options, &[python, "-c", &connect(other)]);
        assert_eq!(refused.success(), "PermissionError", "{caller:?}");
    }
}

#[test]
fn a_network_client_binds_no_port_and_makes_no_unix_socket() {
    let Some(python) = python() else { return };
    let tries = [
        "import socket; socket.create_server(('127.0.0.1', 0))",
        "import socket; socket.socket(socket.AF_UNIX)",
    ];
    for caller in callers() {
        for program in tries {
            let workspace = Workspace::new(caller);
            let run = run(&workspace, &["-p", "network-client"], &[python, "-c", program]);
            if run.code() == 125 && !has_landlock_tcp() {
                return;
            }
            assert!(run.stderr().contains("PermissionError"), "{caller:?}: {run:?}");
        }
    }
}

#[test]
fn the_network_is_opened_by_the_option_also_where_seccomp_stands_in() {
    let Some(python) = python() else { return };
    let (server, _) = two_servers();
    for caller in callers() {
        for profile in enforceable(["default", "landlock-only"]) {
            let workspace = Workspace::new(caller);
            let options = ["-p", profile, "--net", "host"];
            let run = run(&workspace, &options, &[python, "-c", &connect(server)]);
            assert_eq!(run.success(), "connected", "{caller:?} {profile}");
        }
    }
}

#[test]
fn landlock_only_connects_to_no_socket_of_the_host() {
    let Some(python) = python() else { return };
    for caller in callers() {
        for profile in enforceable(["landlock-only", "ci-landlock"]) {
            let workspace = Workspace::new(caller);
            let path = workspace.path().join("socket");
            let _server = std::os::unix::net::UnixListener::bind(&path).unwrap();
            let program = format!(
                "import socket; socket.socket(socket.AF_UNIX).connect('{}')",
                path.display()
            );
            let options = ["-p", profile, "--net", "host"];
            let run = run(&workspace, &options, &[python, "-c", &program]);
            assert!(run.stderr().contains("PermissionError"), "{caller:?} {profile}: {run:?}");
        }
    }
}

#[test]
fn a_network_client_listens_on_no_port_that_it_did_not_bind() {
    // The kernel gives it one of its own then, of which Landlock isn't asked.
    let Some(python) = python() else { return };
    let program = "import socket\ns = socket.socket()\ns.listen()\nprint(s.getsockname())";
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let run = run(&workspace, &["-p", "network-client"], &[python, "-c", program]);
        if run.code() == 125 && !has_landlock_tcp() {
            return;
        }
        assert!(run.stderr().contains("PermissionError"), "{caller:?}: {run:?}");
        assert_eq!(run.stdout(), "", "{caller:?}");
    }
}

#[test]
fn a_network_client_has_pairs_of_sockets_that_send_to_each_other_only() {
    // One of datagrams could send to every UNIX socket with a path; of streams, it can't.
    let Some(python) = python() else { return };
    let program = "import socket
for kind in ['STREAM', 'SEQPACKET', 'DGRAM']:
    for flags in [0, socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK]:
        try: socket.socketpair(socket.AF_UNIX, getattr(socket, 'SOCK_' + kind) | flags); print(kind)
        except PermissionError: print('no', kind)";
    for caller in callers() {
        for profile in enforceable(["network-client", "landlock-only"]) {
            let workspace = Workspace::new(caller);
            let run = run(&workspace, &["-p", profile], &[python, "-c", program]);
            let kinds = ["STREAM", "STREAM", "SEQPACKET", "SEQPACKET", "no DGRAM", "no DGRAM"];
            assert_eq!(run.success(), kinds.join("\n"), "{caller:?} {profile}");
        }
    }
}

fn connect(port: u16) -> String {
    format!(
        "import socket\n\
         try: socket.create_connection(('127.0.0.1', {port}), 5); print('connected')\n\
         except OSError as e: print(type(e).__name__, end='')"
    )
}

/// Two servers that accept connections for as long as the test runs.
fn two_servers() -> (u16, u16) {
    let serve = || {
        let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = server.local_addr().unwrap().port();
        std::thread::spawn(move || server.incoming().for_each(drop));
        port
    };
    (serve(), serve())
}

//! Level 3: namespaces, a read-only view of the host, no network but loopback. It holds at the
//! levels above as well. Rows of the hostile cases: 5, 10, 26, 27.

#![expect(clippy::unwrap_used, reason = "a test that meets the unexpected has failed")]

mod support;

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use support::host::landlock_if_any;
use support::{Caller, Workspace, callers};

const LEVELS: [&str; 3] = ["namespaced", "resource-limited", "containerized"];

/// Runs `test` with nothing but the level's own settings: a profile that sets nothing else.
fn everywhere(test: impl Fn(&Workspace, Caller, &[&str])) {
    for caller in callers() {
        for level in LEVELS {
            let workspace = Workspace::new(caller);
            let mounts = if level == "containerized" {
                r#"[{"source": "/usr"}, {"source": "/bin"}, {"source": "/lib", "optional": true},
                    {"source": "/lib64", "optional": true}]"#
            } else {
                "[]"
            };
            let text = format!(
                r#"{{"version": 1, "level": "{level}", "filesystem": {{"mounts": {mounts}}},
                "enforcement": {{"cgroup": "best-effort"}}, "process": {{"cwd": "/"}}}}"#
            );
            let profile = workspace.write("plain.json", text);
            let options = ["-q", "-p", profile.to_str().unwrap()];
            test(&workspace, caller, &[&options, landlock_if_any()].concat());
        }
    }
}

#[test]
fn every_namespace_is_another_than_the_hosts() {
    everywhere(|workspace, caller, options| {
        let mut names = vec!["mnt", "pid", "ipc", "uts", "net", "cgroup"];
        if caller == Caller::User {
            names.push("user");
        }
        let script = format!("cd /proc/self/ns; readlink {}", names.join(" "));
        let inside = workspace.shell(options, &script).success();
        assert_eq!(inside.lines().count(), names.len(), "{caller:?} {options:?}: {inside}");
        for name in names {
            let outside = std::fs::read_link(format!("/proc/self/ns/{name}")).unwrap();
            let same = inside.lines().any(|line| *line == *outside);
            assert!(!same, "{caller:?} {options:?}: {name} is the host's");
        }
    });
}

#[test]
fn a_time_namespace_is_made_on_request() {
    everywhere(|workspace, caller, options| {
        let options = [options, &["--set", "namespaces.time=true"]].concat();
        let inside = workspace.shell(&options, "readlink /proc/self/ns/time").success();
        let outside = std::fs::read_link("/proc/self/ns/time").unwrap();
        assert_ne!(*inside, *outside, "{caller:?} {options:?}");
    });
}

#[test]
fn processes_of_the_host_cannot_be_seen_or_signaled() {
    // Row 5: /proc is the sandbox's own.
    everywhere(|workspace, caller, options| {
        let run = workspace.shell(options, "cd /proc; ls -d [0-9]*; kill -0 -1 2>&1; :");
        let output = run.success();
        let seen = output.lines().filter(|line| line.parse::<u32>().is_ok()).count();
        // Init, the shell, ls.
        assert!((2..=3).contains(&seen), "{caller:?} {options:?}: {output}");
    });
}

#[test]
fn every_mount_of_the_host_is_read_only_and_without_setuid_and_devices() {
    // Row 10: submounts too. What is writable is the sandbox's own.
    everywhere(|workspace, caller, options| {
        let output = workspace.shell(options, "cat /proc/self/mountinfo").success();
        restricted(&output, caller, options);
    });
}

#[test]
fn before_linux_5_12_every_mount_is_restricted_by_itself() {
    everywhere(|workspace, caller, options| {
        let words = [&["run"], options, &["--", "cat", "/proc/self/mountinfo"]].concat();
        let lacking = format!("refuse=mount_setattr:{}", libc::ENOSYS);
        let run = workspace.hostile(&[&lacking], &words).finish();
        restricted(&run.success(), caller, options);
    });
}

#[test]
fn nothing_is_mounted_on_a_host_that_shares_its_mounts() {
    // As systemd has it: what is mounted in a copy of the namespace is mounted in it as well.
    if !rustix::process::geteuid().is_root() {
        return support::skip("root", "making mounts shared takes root");
    }
    everywhere(|workspace, caller, options| {
        let words = [&["run"], options, &["--", "sh", "-c", "echo up; read -r _"]].concat();
        let mut call = workspace.hostile(&["shared"], &words);
        let mut child = call.command.stdin(std::process::Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        assert_eq!(line, "up\n", "{caller:?} {options:?}: {:?}", child.wait_with_output());
        // The host that the launcher sees.
        let host = std::fs::read_to_string(format!("/proc/{}/mountinfo", child.id())).unwrap();
        assert!(host.contains(" shared:"), "{host}");
        let places = |text: &str| {
            let place = |line: &str| line.split(' ').nth(4).unwrap().to_owned();
            let mut places: Vec<_> = text.lines().map(place).collect();
            places.sort();
            places
        };
        let own = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert_eq!(places(&host), places(&own), "{caller:?} {options:?}");
        drop(child.stdin.take());
        child.wait().unwrap();
    });
}

#[track_caller]
fn restricted(mountinfo: &str, caller: Caller, options: &[&str]) {
    let lines: Vec<Vec<&str>> = mountinfo.lines().map(|line| line.split(' ').collect()).collect();
    let mut count = 0;
    for fields in lines.iter().filter(|fields| is_reachable(&lines, fields)) {
        let (place, flags) = (fields[4], fields[5]);
        let has = |flag| flags.split(',').any(|it| it == flag);
        let own = ["/proc", "/tmp", "/run"].contains(&place) || place.starts_with("/dev");
        assert!(own || has("ro"), "{caller:?} {options:?}: {fields:?}");
        assert!(has("nosuid"), "{caller:?} {options:?}: {fields:?}");
        assert!(has("nodev") || place.starts_with("/dev/"), "{caller:?}: {fields:?}");
        count += 1;
    }
    assert!(count > 10, "{caller:?} {options:?}: {mountinfo}");
}

/// Whether a path leads to a mount (number, parent, …, place): nothing lies on it, nor on what it is
/// in.
fn is_reachable(mounts: &[Vec<&str>], mount: &[&str]) -> bool {
    let is_covered =
        |mount: &[&str]| mounts.iter().any(|above| above[1] == mount[0] && above[4] == mount[4]);
    let parent = mounts.iter().find(|parent| parent[0] == mount[1]);
    // What lies on another, at the same place, is what covers that.
    let below = |parent: &Vec<&str>| parent[4] == mount[4] || is_reachable(mounts, parent);
    !is_covered(mount) && parent.is_none_or(below)
}

#[test]
fn private_directories_are_fresh() {
    // Row 27: /dev/shm too.
    let in_shm = tempfile::Builder::new().prefix("ringfence-test-").tempfile_in("/dev/shm");
    let in_tmp = tempfile::Builder::new().prefix("ringfence-test-").tempfile_in("/tmp");
    let _hosts = (in_shm.unwrap(), in_tmp.unwrap());
    everywhere(|workspace, caller, options| {
        let script = "for d in /tmp /run /dev/shm; do ls -A $d; done
            echo x > /tmp/x && echo x > /dev/shm/x && echo written
            ls -A /dev | grep -vE '^(null|zero|full|random|urandom|tty|fd|std.*|pts|ptmx|shm)$'; :";
        assert_eq!(workspace.shell(options, script).success(), "written", "{caller:?} {options:?}");
        assert_eq!(workspace.shell(options, "ls -A /tmp").success(), "", "{caller:?}");
    });
}

#[test]
fn devices_work() {
    everywhere(|workspace, caller, options| {
        let script =
            "echo x > /dev/null && head -c1 /dev/zero | wc -c && head -c9 /dev/urandom | wc -c
            cat /dev/zero > /dev/full 2> /dev/null || echo full; [ -e /dev/pts/ptmx ] && echo pts";
        assert_eq!(workspace.shell(options, script).success(), "1\n9\nfull\npts", "{caller:?}");
    });
}

#[test]
fn mounts_cannot_be_undone() {
    // Also by a user namespace of the command's own, which no filter forbids at the lower levels.
    everywhere(|workspace, caller, options| {
        let script = "unshare -Urm sh -c '
            for d in / /usr /bin; do mount -o remount,bind,rw $d && echo remounted $d; done
            for d in /tmp /dev /run /proc; do umount -l $d && echo unmounted $d; done
            mkdir -p /tmp/x; cd /tmp/x && mount --bind / . && pivot_root . . && echo pivoted
            true > /usr/new && echo written' 2> /dev/null
            mount -t tmpfs none /tmp 2> /dev/null && echo mounted; umount -l /tmp && echo gone; :";
        let run = workspace.shell(options, script);
        let output = run.success();
        // Turning its own copy of the view around shows it nothing new.
        let shown: Vec<_> = output.lines().filter(|line| *line != "pivoted").collect();
        assert_eq!(shown, [""; 0], "{caller:?} {options:?}");
        assert!(!std::path::Path::new("/usr/new").exists());
    });
}

#[test]
fn there_is_no_network_but_loopback() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    everywhere(|workspace, caller, options| {
        workspace.bring("connect");
        let project = workspace.project();
        let bind = format!("{}:/mnt", project.display());
        for (mode, came) in [("none", "ENETUNREACH"), ("loopback", "ECONNREFUSED"), ("host", "0")] {
            let words = ["--net", mode, "--ro", &bind, "--", "/mnt/connect", &port];
            let run = workspace.ringfence([&["run"], options, &words].concat()).finish();
            assert_eq!(run.success(), format!("{port} {came}"), "{caller:?} {options:?} {mode}");
            if mode != "host" {
                let script = "sed 1,2d /proc/net/dev | cut -d: -f1";
                let run = workspace.shell(&[options, &["--net", mode]].concat(), script);
                assert_eq!(run.success(), "lo", "{caller:?} {options:?} {mode}");
            }
        }
    });
}

#[test]
fn abstract_sockets_of_the_host_are_out_of_reach() {
    // Row 26.
    let name = support::tree::mark();
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let _listener = UnixListener::bind_addr(&address).unwrap();
    everywhere(|workspace, caller, options| {
        workspace.bring("connect");
        let bind = format!("{}:/mnt", workspace.project().display());
        let to = format!("@{name}");
        let words = ["--ro", &bind, "--", "/mnt/connect", &to];
        let run = workspace.ringfence([&["run"], options, &words].concat()).finish();
        assert_eq!(run.success(), format!("{to} ECONNREFUSED"), "{caller:?} {options:?}");
    });
}

#[test]
fn the_hostname_is_its_own() {
    everywhere(|workspace, caller, options| {
        let read = "cat /proc/sys/kernel/hostname";
        assert_eq!(workspace.shell(options, read).success(), "sandbox", "{caller:?} {options:?}");
        let options = [options, &["--set", "process.hostname=other"]].concat();
        assert_eq!(workspace.shell(&options, read).success(), "other", "{caller:?} {options:?}");
    });
}

#[test]
fn system_v_ipc_is_separate() {
    // Row 27.
    if !support::has_program("ipcmk") {
        return;
    }
    let made =
        std::process::Command::new("ipcmk").args(["-M", "4096", "-p", "666"]).output().unwrap();
    let made = String::from_utf8(made.stdout).unwrap();
    let id = made.split_whitespace().last().unwrap();
    let outside = std::fs::read_to_string("/proc/sysvipc/shm").unwrap();
    everywhere(|workspace, caller, options| {
        let run = workspace.shell(options, "sed 1d /proc/sysvipc/shm");
        assert_eq!(run.success(), "", "{caller:?} {options:?}");
    });
    std::process::Command::new("ipcrm").args(["-m", id]).status().unwrap();
    assert!(outside.lines().count() > 1, "the host's segment wasn't made: {made}");
}

//! Level 5: a root of its own, masks, Landlock and seccomp. Rows of the hostile cases: 11 to 15,
//! 17, 26, 28, 29, 30.

mod support;

use std::collections::BTreeMap;
use std::net::TcpListener;

use support::{Caller, Workspace, callers};

/// What each call of `programs/calls.c` came to.
fn calls(workspace: &Workspace, group: &str) -> BTreeMap<String, String> {
    workspace.bring("calls");
    let words = ["run", "-q", "-l", "containerized", "./calls", group];
    let output = workspace.ringfence(words).finish().success();
    let line = |line: &str| line.split_once(' ').map(|(name, came)| (name.into(), came.into()));
    output.lines().filter_map(line).collect()
}

#[test]
fn dangerous_system_calls_are_refused() {
    // Rows 13 to 15.
    for caller in callers() {
        let calls = calls(&Workspace::new(caller), "kernel");
        for name in [
            "mount",
            "umount2",
            "pivot_root",
            "chroot",
            "fsopen",
            "open_tree",
            "move_mount",
            "mount_setattr",
            "keyctl",
            "add_key",
            "request_key",
            "bpf",
            "perf_event_open",
            "userfaultfd",
            "io_uring_setup",
            "io_uring_enter",
            "io_uring_register",
            "ptrace",
            "process_vm_readv",
            "init_module",
            "kexec_load",
            "reboot",
            "swapon",
            "settimeofday",
            "open_by_handle_at",
            "setns",
            "personality",
            "unshare-user",
            "unshare-mount",
            "clone-user",
            "clone-mount",
        ] {
            assert_eq!(calls[name], "EPERM", "{caller:?} {name}");
        }
        // Programs take these for an older kernel and fall back.
        for name in ["unknown", "clone3"] {
            assert_eq!(calls[name], "ENOSYS", "{caller:?} {name}");
        }
        assert_eq!(calls["clone-plain"], "0", "{caller:?}");
    }
}

#[test]
fn foreign_interfaces_to_the_kernel_are_refused() {
    // Row 13.
    for caller in callers() {
        let calls = calls(&Workspace::new(caller), "foreign");
        let Some(x32) = calls.get("x32") else {
            return support::skip("x86_64", "this processor has no second interface");
        };
        assert_eq!(x32, "ENOSYS", "{caller:?}");
        // SIGSYS; SIGSEGV where the kernel was built without it.
        assert!(["signal 31", "signal 11"].contains(&calls["i386"].as_str()), "{calls:?}");
    }
}

#[test]
fn characters_cannot_be_pushed_into_a_terminal() {
    // Rows 11 and 12: also with bits that the kernel ignores; at every level as root, whose
    // privilege passes the check that the kernel makes.
    for caller in callers() {
        for level in support::LEVELS {
            if caller == Caller::User && level != "containerized" {
                continue; // Another's terminal is out of reach: see the tests of the session.
            }
            let workspace = Workspace::new(caller);
            workspace.bring("calls");
            let words = ["run", "-q", "-l", level, "./calls", "terminal"];
            let run = workspace.hostile(&["terminal"], &words).finish().success();
            for name in ["tiocsti", "tiocsti-high", "tioclinux", "tioclinux-high"] {
                let line = format!("ioctl-{name} EPERM");
                assert!(run.lines().any(|it| it == line), "{caller:?} {level} {name}: {run}");
            }
            assert!(run.lines().any(|it| it == "ioctl-harmless 0"), "no terminal: {run}");
        }
    }
}

#[test]
fn sockets_of_dangerous_families_are_refused() {
    // Rows 12 and 26.
    for caller in callers() {
        let calls = calls(&Workspace::new(caller), "sockets");
        for name in ["packet", "alg", "vsock", "vsock-high"] {
            assert_eq!(calls[&format!("socket-{name}")], "EAFNOSUPPORT", "{caller:?} {name}");
        }
        for name in ["audit", "mptcp"] {
            assert_eq!(calls[&format!("socket-{name}")], "EPROTONOSUPPORT", "{caller:?} {name}");
        }
        for name in ["unix", "inet", "route"] {
            assert_eq!(calls[&format!("socket-{name}")], "0", "{caller:?} {name}");
        }
    }
}

#[test]
fn no_setuid_file_and_no_device_can_be_left_behind() {
    // Rows 28 and 30.
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let calls = calls(&workspace, "files");
        for name in ["chmod", "fchmod", "open", "mknod"] {
            assert_eq!(calls[&format!("{name}-setuid")], "EPERM", "{caller:?} {name}");
        }
        assert_eq!(calls["fchmod-setgid-high"], "EPERM", "{caller:?}");
        // Its mode is where the filter can't see it.
        assert_eq!(calls["openat2"], "ENOSYS", "{caller:?}");
        assert_ne!(calls["mknod-device"], "0", "{caller:?}");
        for entry in std::fs::read_dir(workspace.project()).unwrap().flatten() {
            use std::os::unix::fs::PermissionsExt;
            let mode = entry.metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o6000, 0, "{caller:?} {entry:?}");
        }
    }
}

#[test]
fn the_filter_is_in_force() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let run = workspace.shell(&["-l", "containerized"], "grep Seccomp: /proc/self/status");
        assert_eq!(run.success(), "Seccomp:\t2", "{caller:?}");
    }
}

#[test]
fn the_root_holds_what_is_listed_and_nothing_else() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        workspace.write("home/secret", "secret");
        let options = ["-q", "-l", "containerized", "--ro", "/usr/bin:/only/this"];
        let words = workspace.shell(&options, "ls /; ls -A /run").success();
        let mut seen: Vec<_> = words.lines().collect();
        // Where the host has them.
        seen.retain(|it| {
            !["bin", "sbin", "lib", "lib32", "lib64", "libx32", "opt", "nix", "sys"].contains(it)
        });
        assert_eq!(seen, ["dev", "etc", "only", "proc", "run", "tmp", "usr"], "{caller:?}");
        let secret = workspace.home().join("secret");
        let run = workspace.shell(&[], &format!("cat {}", secret.display()));
        assert_ne!(run.code(), 0, "{caller:?}: {run:?}");
        let run = workspace.shell(&[], "ls /etc | tr '\\n' ' '");
        assert!(!run.success().contains("shadow"), "{caller:?}: {run:?}");
    }
}

#[test]
fn the_hosts_root_is_out_of_reach() {
    // Rows 16 and 29: by no link of /proc, and no trace of it among the mounts.
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let secret = workspace.write("home/secret", "of the host");
        let path = secret.display();
        for way in
            ["/proc/self/root", "/proc/1/root", "/proc/self/cwd/../../../../..", "/../../..", ""]
        {
            let run = workspace.shell(&["-q"], &format!("cat {way}{path}"));
            assert_ne!(run.code(), 0, "{caller:?} {way}");
            assert_eq!(run.stdout(), "", "{caller:?} {way}");
        }
        let run = workspace.shell(&[], "grep -c ' / / ' /proc/self/mountinfo; ls -di /");
        let output = run.success();
        assert!(output.starts_with("1\n"), "{caller:?}: more than one root: {output}");
    }
}

#[test]
fn the_root_cannot_be_written_to() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let script = "for d in / /usr /etc /dev /proc /usr/bin /lib/; do true > $d/new 2> /dev/null && echo $d; done; :";
        assert_eq!(workspace.shell(&[], script).success(), "", "{caller:?}");
    }
}

#[test]
fn parts_of_proc_that_speak_to_the_kernel_are_closed() {
    // Row 28.
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let script = "for f in sys/kernel/core_pattern sys/kernel/hostname sysrq-trigger sys/vm/drop_caches; do
              [ ! -e /proc/$f ] || { true >> /proc/$f; } 2> /dev/null && [ -e /proc/$f ] && echo wrote $f; done
            for f in kcore keys timer_list; do [ -e /proc/$f ] && head -c1 /proc/$f; done
            ls -A /proc/acpi /proc/scsi /sys/firmware /sys/kernel/security
            cat /dev/mem /dev/kmsg /dev/kvm /dev/sda /dev/vda /dev/vsock; :";
        let run = workspace.shell(&["-q"], script);
        assert_eq!(run.stdout(), "", "{caller:?}: {run:?}");
    }
}

#[test]
fn the_init_cannot_be_looked_into() {
    // Row 17. At the level `namespaced` too, where no filter and no Landlock stand before it.
    for caller in callers() {
        for level in ["namespaced", "containerized"] {
            let workspace = Workspace::new(caller);
            let script = "for f in mem environ exe maps root/bin cwd/x fd/0; do
                head -c1 /proc/1/$f > /dev/null 2>&1 && echo $f; done
                ls /proc/1/fd /proc/1/map_files; true > /proc/1/mem && echo wrote; readlink /proc/1/exe";
            let run = workspace.shell(&["-q", "-l", level], script);
            assert_eq!(run.stdout(), "", "{caller:?} {level}: {run:?}");
        }
    }
}

#[test]
fn landlock_holds_what_mounts_do_not() {
    // A writable tmpfs of the command's own, in which the rules allow no device requests; and a
    // path that the view shows but no rule: a bind below another is its own rule.
    if !support::host::has_landlock() {
        return;
    }
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let options = ["-l", "basic", "--enforcement", "landlock=required", "-q"];
        let secret = workspace.write("home/secret", "secret");
        let script = format!("cat {}; echo x > {}; ls /var", secret.display(), secret.display());
        let run = workspace.shell(&options, &script);
        assert_eq!((run.code(), run.stdout()), (2, String::new()), "{caller:?}: {run:?}");
        assert_eq!(std::fs::read(&secret).unwrap(), b"secret", "{caller:?}");
    }
}

#[test]
fn only_the_ports_named_can_be_connected_to() {
    if !support::host::has_landlock_tcp() {
        return;
    }
    for caller in callers() {
        let workspace = Workspace::new(caller);
        workspace.bring("connect");
        let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let ports = listeners.each_ref().map(|it| it.local_addr().unwrap().port().to_string());
        let [open, closed] = &ports;
        let words = ["run", "-q", "--connect", open, "./connect", open, closed];
        let run = workspace.ringfence(words).finish();
        assert_eq!(run.success(), format!("{open} 0\n{closed} EACCES"), "{caller:?}");
        // Without the option, there is no network to connect through.
        let run = workspace.ringfence(["run", "-q", "./connect", open]).finish();
        assert_eq!(run.success(), format!("{open} ENETUNREACH"), "{caller:?}");
    }
}

#[test]
fn a_forbidden_call_ends_the_command_where_the_profile_says_so() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let rule = r#"seccomp.rules=[{"calls":["sethostname"],"action":"kill"}]"#;
        workspace.bring("hostname");
        let path = workspace.home().join("report.json");
        let words = ["run", "--set", rule, "--report", path.to_str().unwrap(), "./hostname"];
        let run = workspace.ringfence(words).finish();
        assert_eq!(run.code(), 128 + 31, "{caller:?}: {run:?}");
        let report: serde_json::Value =
            serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        assert_eq!(report["outcome"]["kind"], "denied", "{caller:?}: {report}");
    }
}

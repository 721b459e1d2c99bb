//! Profiles, commands and places for reports that are wrong.

use std::os::unix::fs::{PermissionsExt, symlink};

use crate::scene::{Scene, held_if};
use crate::support::{Caller, UNPRIVILEGED};
use crate::table::{ALL, AS_ROOT, Attack, Control, Verdict};

pub fn attacks() -> Vec<Attack> {
    vec![
        Attack::new(1, "a profile with a mistake runs something", ALL, Control::Own, mistakes),
        Attack::new(
            24,
            "a program that can't be run counts as one that was",
            ALL,
            Control::Own,
            programs,
        ),
        Attack::new(
            25,
            "a profile of the working directory is found by its bare name",
            ALL,
            Control::Own,
            |scene| {
                let lax = r#"{"version": 1, "level": "basic"}"#;
                for name in ["mine", "default", "untrusted", "landlock-only", "system"] {
                    scene.workspace.write(&format!("project/{name}.json"), lax);
                }
                let run = scene.run(&["-p", "mine"], &["echo", "ran"]);
                if run.code() == 125 || run.code() == 2 {
                    // The built-in one, not the file of that name.
                    let run = scene.run(&[], &["grep", "-c", "Seccomp:.2", "/proc/self/status"]);
                    let filtered = crate::table::FILTER.contains(&scene.column);
                    // The terminal's guard is a filter, too.
                    return held_if(!filtered || run.stdout() == "1\n", || format!("{run:?}"));
                }
                Verdict::Broken(format!("{run:?}"))
            },
        ),
        Attack {
            callers: AS_ROOT,
            ..Attack::new(
                25,
                "as root: a profile that others can change is taken",
                ALL,
                Control::Own,
                |scene| {
                    let text = r#"{"version": 1, "level": "basic"}"#;
                    let path = scene.workspace.write("profile.json", text);
                    let run = || scene.workspace.shell(&["-p", path.to_str().unwrap()], "echo ran");
                    assert_eq!(run().success(), "ran");
                    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o602)).unwrap();
                    let writable = run();
                    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
                    std::os::unix::fs::chown(&path, Some(UNPRIVILEGED), None).unwrap();
                    let owned = run();
                    let refused = [&writable, &owned]
                        .iter()
                        .all(|run| run.code() == 125 && run.stdout().is_empty());
                    held_if(refused, || format!("{writable:?} {owned:?}"))
                },
            )
        },
        Attack::new(34, "a run's result is lost with its report", ALL, Control::Own, reports),
        Attack::new(
            34,
            "a run's result is lost on a full or read-only disk",
            ALL,
            Control::Own,
            full_and_read_only_disks,
        ),
    ]
}

/// A profile of the column's, with a text in the place of its last part.
fn profile(scene: &Scene, last: &str) -> String {
    let base = match scene.column {
        "untrusted" | "landlock-only" => format!(r#""extends": "{}""#, scene.column),
        level => format!(r#""extends": "default", "level": "{level}""#),
    };
    format!("{{\"version\": 1, {base}{last}}}")
}

fn mistakes(scene: &Scene) -> Verdict {
    let deep = format!(r#", "$comment": {}1{}"#, "[".repeat(5000), "]".repeat(5000));
    let bad = [
        r#", "filesytem": {}"#,
        r#", "limits": {"memroy": "1GiB"}"#,
        r#", "network": "loopback", "network": "host""#,
        r#", "limits": {"memory": "1GiB", "memory": "unlimited"}"#,
        r#", "enforcement": {"seccomp": "of"}"#,
        r#", "enforcement": {"secomp": "off"}"#,
        r#", "network": "hots""#,
        r#", "limits": {"memory": 18446744073709551616}"#,
        r#", "limits": {"memory": "99999999999999TiB"}"#,
        r#", "limits": {"memory": "1gb"}"#,
        r#", "limits": {"memory": -1}"#,
        r#", "limits": {"wall_time": 5}"#,
        r#", "limits": {"wall_time": "5 parsecs"}"#,
        r#", "environment": {"set": {"A": "b\u0000c"}}"#,
        r#", "filesystem": {"mounts": ["/usr\u0000/x"]}"#,
        r#", "filesystem": {"mounts": ["relative"]}"#,
        r#", "filesystem": {"mounts": [{"source": "/usr", "access": "rwx"}]}"#,
        r#", "seccomp": {"deny": ["conect"]}"#,
        r#", "capabilities": {"keep": ["CAP_SYS_ADMIM"]}"#,
        r#", "level": "containerised""#,
        r#", "extends": "nobody-has-this""#,
        r#"} {"#,
        r#", "level": null"#,
        &deep,
    ];
    let right = scene.workspace.write("right.json", profile(scene, ""));
    let run = scene.workspace.shell(&["-q", "-p", right.to_str().unwrap()], "echo ran");
    if run.stdout() != "ran\n" {
        return Verdict::Broken(format!("a profile without mistakes: {run:?}"));
    }
    for text in bad {
        let path = scene.workspace.write("bad.json", profile(scene, text));
        let run = scene.workspace.shell(&["-p", path.to_str().unwrap()], "echo ran");
        let place = run.stderr().contains("bad.json:1:");
        if run.code() != 125 || !run.stdout().is_empty() || !place {
            let text = text.get(..80).unwrap_or(text);
            return Verdict::Broken(format!("{text}: {:.300}", format!("{run:?}")));
        }
    }
    Verdict::Held
}

fn programs(scene: &Scene) -> Verdict {
    let executable = |name: &str, text: &[u8]| {
        let path = scene.workspace.write(&format!("project/{name}"), text);
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
    };
    executable("no-interpreter", b"#!/no/such/interpreter\n");
    executable("binary-junk", b"\x7fELF\x02\x01\x01\0junk");
    let mut other = std::fs::read(&*crate::scene::PROGRAM).unwrap();
    other[18] = 0xf3; // EM_RISCV, for another architecture's program.
    other[19] = 0;
    executable("other-architecture", &other);
    scene.workspace.write("project/plain", "echo ran");
    for (command, codes) in [
        ("no-such-command", &[127][..]),
        ("./no-such-file", &[127]),
        ("./plain", &[126]),
        (".", &[126]),
        ("/", &[126]),
        ("./no-interpreter", &[126, 127]),
        ("./binary-junk", &[126]),
        ("./other-architecture", &[126]),
        ("", &[125, 126, 127]),
    ] {
        let run = scene.run(&[], &[command]);
        if !codes.contains(&run.code()) || run.stderr().is_empty() || !run.stdout().is_empty() {
            return Verdict::Broken(format!("{command:?}: {run:?}"));
        }
    }
    Verdict::Held
}

/// Where no report can be written, nothing is run; where it can't be in the end, the command's exit
/// status and a line on standard error are left.
fn reports(scene: &Scene) -> Verdict {
    let pipe = scene.path("home/pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    std::fs::set_permissions(&pipe, PermissionsExt::from_mode(0o666)).unwrap();
    let link = scene.path("home/link");
    symlink(scene.secret(), &link).unwrap();
    let directory = scene.path("home");
    for place in [&pipe, &link, &directory, "/proc/report.json", "/no/such/place"] {
        let run = scene.run(&["--report", place], &["echo", "ran"]);
        if run.code() != 125 || !run.stdout().is_empty() {
            return Verdict::Broken(format!("{place}: {run:?}"));
        }
    }
    let full = scene.run(&["--report", "/dev/full"], &["sh", "-c", "exit 7"]);
    if full.code() != 7 || full.stderr().is_empty() {
        return Verdict::Broken(format!("/dev/full: {full:?}"));
    }
    if scene.column == "untrusted" {
        return Verdict::Held; // It can't put anything in the way.
    }
    let report = scene.path("project/report.json");
    let run =
        scene.run(&["--report", &report], &["sh", "-c", "mkdir report.json report.json/x; exit 7"]);
    let said = !run.stderr().is_empty();
    // As root, the command may be nobody, to whom root's directory is its own.
    held_if(run.code() == 7 && said, || format!("{:?} {run:?}", Caller::Root))
}

/// On a read-only file system nothing is run; on one that is full, or that the command fills, the
/// command's exit status and a line on standard error are left, and the old report.
fn full_and_read_only_disks(scene: &Scene) -> Verdict {
    let disk = |name: &str| {
        let path = scene.path(name);
        std::fs::create_dir(&path).unwrap();
        path
    };
    let (read_only, full, filled) = (disk("read-only"), disk("full"), disk("filled"));
    let fill = |at: &str| format!("head -c 1000000 /dev/zero > {at}/fill 2>/dev/null");
    let setup = format!(
        "for disk in {read_only} {full} {filled}; do
             mount -t tmpfs -o size=64k,mode=777 none $disk || exit 99
             echo old > $disk/report.json || exit 99; chmod 666 $disk/report.json; done
         {}; mount -o remount,ro {read_only} || exit 99
         exec setpriv --ambient-caps=-all --inh-caps=-all",
        fill(&full)
    );
    let fills = format!("{}; exit 7", fill(&filled));
    let cases = [
        (&read_only, "new.json", "echo ran; exit 7", 125),
        (&read_only, "report.json", "echo ran; exit 7", 125),
        (&full, "report.json", "exit 7", 7),
        (&filled, "report.json", &fills, 7),
    ];
    for (at, name, script, code) in cases {
        // Whether the old report is still there is said by who has mounted this.
        let look = format!("\"$@\"; code=$?; cat {at}/report.json >&2; exit $code");
        let setup = format!("{setup} sh -c '{look}' sh \"$@\"");
        let options = ["--rw", &filled, "--report", &format!("{at}/{name}")];
        let words = scene.words(&options, &["sh", "-c", script]);
        let own: &[&str] = match scene.caller {
            Caller::User => &["-Um", "--map-current-user", "--keep-caps"],
            Caller::Root => &["-m"],
        };
        let mut command = std::process::Command::new("unshare");
        command
            .args(own)
            .args(["sh", "-c", &setup, "sh"])
            .arg(crate::support::binary())
            .args(words);
        command.current_dir(scene.path("project")).env_clear();
        command.env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin").env("HOME", scene.workspace.home());
        scene.workspace.become_caller(&mut command);
        let run = crate::support::Finished(command.output().unwrap());
        if run.code() == 99 {
            return Verdict::Skipped(format!("nothing can be mounted: {run:?}"));
        }
        let said = run.stderr();
        let right = run.code() == code && run.stdout().is_empty() && said.ends_with("old\n");
        if !right || !said.contains("report") {
            return Verdict::Broken(format!("{at}/{name}: {run:?}"));
        }
    }
    Verdict::Held
}

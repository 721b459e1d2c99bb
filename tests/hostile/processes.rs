//! Init, the launcher, processes of the host, and what is inherited of them.

use std::io::BufRead;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};

use crate::scene::{PROGRAM, SECRET, Scene, held_if, judge};
use crate::support::tree::{mark, marked, nothing_is_left, nothing_stays, wait_until};
use crate::support::{Caller, UNPRIVILEGED};
use crate::table::{
    ALL, AS_ROOT, AS_USER, Attack, BOTH, Control, FILTER, IDENTITY, VIEW, VIEW_OR_LANDLOCK, Verdict,
};

pub fn attacks() -> Vec<Attack> {
    vec![
        Attack::new(16, "an inherited descriptor leads out", ALL, Control::Own, |scene| {
            let state = ["open=3:/", "open=7:/etc/passwd", "open=900:/proc"];
            let words = text(&scene.words(&[], &["./attack", "descriptors"]));
            let words: Vec<_> = words.iter().map(String::as_str).collect();
            judge(&scene.workspace.hostile(&state, &words).finish())
        }),
        Attack::new(
            16,
            "closed standard streams are left to what opens first",
            ALL,
            Control::Own,
            |scene| {
                let words = text(&scene.words(&[], &["./attack", "descriptors"]));
                let words: Vec<_> = words.iter().map(String::as_str).collect();
                // Standard output is where the attack says what it found.
                judge(&scene.workspace.hostile(&["close=0", "close=2"], &words).finish())
            },
        ),
        Attack::new(
            17,
            "init is looked into, traced, changed or ended",
            VIEW_OR_LANDLOCK,
            Control::Own,
            |scene| scene.attack(&[], "launcher", &[]),
        ),
        Attack::new(17, "init's limits are changed", VIEW_OR_LANDLOCK, Control::Own, |scene| {
            scene.attack(&[], "limits", &[])
        }),
        Attack::new(
            17,
            "a process of the host is traced or sent signals",
            VIEW_OR_LANDLOCK,
            Control::Bare(BOTH),
            |scene| {
                let mut victim = victim(scene);
                let verdict = scene.attack(&[], "victim", &[&victim.id().to_string()]);
                victim.kill().unwrap();
                victim.wait().unwrap();
                verdict
            },
        ),
        Attack::new(17, "a namespace of the host's is entered", IDENTITY, Control::Own, |scene| {
            scene.attack(&[], "host-namespaces", &[])
        }),
        Attack::new(18, "something outlives a killed launcher", ALL, Control::Own, killed_launcher),
        Attack::new(19, "a daemon outlives the run", ALL, Control::Own, |scene| {
            scene.bring_program("tree");
            let mark = mark();
            let script = format!(
                "setsid ./tree deaf {mark} & (setsid sh -c './tree deaf {mark} & exit' &)
                 ./tree deaf {mark} & sleep 0.05"
            );
            let run = scene.call(&[], &["sh", "-c", &script]).finish();
            nothing_is_left(&mark);
            held_if(run.code() == 0, || format!("{run:?}"))
        }),
        Attack::new(
            23,
            "signals ignored or blocked by the caller stay so",
            ALL,
            Control::Own,
            |scene| {
                let state = ["ignore=13", "ignore=17", "ignore=1", "block=15", "block=14"];
                let command = ["grep", "-cE", "(SigBlk|SigIgn):.0+$", "/proc/self/status"];
                let words = text(&scene.words(&[], &command));
                let words: Vec<_> = words.iter().map(String::as_str).collect();
                let run = scene.workspace.hostile(&state, &words).finish();
                held_if(run.stdout() == "2\n", || format!("{run:?}"))
            },
        ),
        Attack::new(23, "a flood of output outlives its reader", ALL, Control::Own, |scene| {
            let mark = mark();
            let mut call = scene.call(&[], &["sh", "-c", &format!("yes {mark}")]);
            let mut child = call.command.spawn().unwrap();
            let mut first = [0; 1];
            std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut first).unwrap();
            drop(child.stdout.take());
            let ended = child.wait_with_output().unwrap();
            nothing_is_left(&mark);
            // What the shell makes of SIGPIPE, or dies of itself.
            held_if(crate::support::code(ended.status) == 128 + 13, || format!("{ended:?}"))
        }),
        Attack::new(
            27,
            "System V, POSIX and shared memory of the host",
            VIEW_OR_LANDLOCK,
            Control::Bare(BOTH),
            ipc,
        ),
        Attack::new(27, "keys of the caller's", FILTER, Control::Bare(BOTH), |scene| {
            let name = format!("ringfence-{}", mark());
            let run =
                scene.call_as(&["key", &name], &[], &["./attack", "keyrings", &name]).finish();
            if run.code() == 98 {
                return Verdict::Skipped("this kernel has no keyrings for us".into());
            }
            judge(&run)
        }),
        Attack::new(
            27,
            "a lock on a read-only file keeps others out",
            VIEW,
            Control::Own,
            |scene| {
                let read = scene.path("read");
                scene.attack(&["--ro", &read], "locks", &[&scene.path("read/file")])
            },
        ),
        Attack::new(31, "a variable that wasn't named is passed", ALL, Control::Own, |scene| {
            let mut call = scene.call(&[], &["sh", "-c", "env; echo end"]);
            call.command.env("TOKEN", SECRET).env("LD_PRELOAD", "/nowhere.so");
            call.command.env("SSH_AUTH_SOCK", "/agent").env("LD_LIBRARY_PATH", "/nowhere");
            let run = call.finish();
            let output = run.stdout();
            let names = [SECRET, "AUTH_SOCK", "LD_", "/nowhere"];
            held_if(!names.iter().any(|name| output.contains(name)), || output.clone())
                .and(|| judge(&run))
        }),
        Attack::new(
            31,
            "the caller's environment is found in other processes",
            VIEW_OR_LANDLOCK,
            Control::Own,
            |scene| {
                let mut call = scene.call(&[], &["./attack", "environment", SECRET]);
                call.command.env("TOKEN", SECRET);
                judge(&call.finish())
            },
        ),
    ]
    .into_iter()
    .chain(with_controls())
    .collect()
}

/// The same where a level that doesn't claim it shows that the attack works.
fn with_controls() -> Vec<Attack> {
    vec![
        Attack::new(17, "the launcher's program is overwritten", ALL, Control::Own, |scene| {
            let file = crate::support::binary();
            let before = std::fs::metadata(file).unwrap().modified().unwrap();
            // Init is the command's parent, and the launcher init's, where it can be seen. Of no
            // other process: where the kernel lets it happen, the host's program would be gone.
            let script = "for p in $PPID $(cut -d ' ' -f 4 /proc/$PPID/stat); do \
                          true >> /proc/$p/exe; cp /bin/true /proc/$p/exe; done 2>&1; :";
            scene.run(&[], &["sh", "-c", script]);
            let now = std::fs::metadata(file).unwrap().modified().unwrap();
            held_if(before == now, || "it was changed".into())
        }),
        Attack {
            callers: AS_USER,
            ..Attack::new(
                17,
                "as a user: the launcher is looked into",
                VIEW_OR_LANDLOCK,
                Control::At("basic", AS_USER),
                |scene| {
                    let script = "for p in /proc/[0-9]*; do tr '\\0' '\\n' < $p/environ; done 2>/dev/null; echo end";
                    let mut call = scene.call(&[], &["sh", "-c", script]);
                    call.command.env("TOKEN", SECRET);
                    let run = call.finish();
                    held_if(!run.stdout().contains(SECRET), || "its environment".into())
                },
            )
        },
        Attack {
            callers: AS_ROOT,
            ..Attack::new(
                16,
                "as root: the command keeps root's identity",
                &["user-based", "namespaced", "resource-limited", "containerized", "untrusted"],
                Control::At("basic", AS_ROOT),
                |scene| {
                    let run = scene
                        .run(&[], &["grep", "-E", "^(Uid|Gid|Groups|Cap)", "/proc/self/status"]);
                    let root = run.stdout().lines().any(|line| {
                        let mut numbers = line.split_whitespace().skip(1);
                        numbers.any(|number| match line.starts_with("Cap") {
                            true => number.bytes().any(|digit| digit != b'0'),
                            false => number == "0",
                        })
                    });
                    held_if(run.code() == 0 && !root, || run.stdout())
                },
            )
        },
    ]
}

pub fn text(words: &[std::ffi::OsString]) -> Vec<String> {
    words.iter().map(|word| word.to_str().unwrap().to_owned()).collect()
}

/// A process of the host, of the user as whom the command runs there.
fn victim(scene: &Scene) -> Child {
    let mut command = Command::new("sleep");
    command.arg("600").stdin(Stdio::null());
    scene.workspace.become_caller(&mut command);
    if scene.caller == Caller::Root && !scene.is_bare() && scene.column != "landlock-only" {
        use std::os::unix::process::CommandExt;
        command.uid(65534).gid(65534);
    }
    command.spawn().unwrap()
}

fn killed_launcher(scene: &Scene) -> Verdict {
    scene.bring_program("tree");
    let mark = mark();
    let script =
        format!("./tree deaf {mark} & setsid ./tree deaf {mark} & exec ./tree deaf {mark}");
    let mut child = scene.call(&[], &["sh", "-c", &script]).command.spawn().unwrap();
    let running = || marked(&mark).iter().filter(|it| it.contains(") ./tree")).count() >= 3;
    wait_until("the whole tree", running);
    child.kill().unwrap();
    child.wait_with_output().unwrap();
    nothing_stays(&mark);
    Verdict::Held
}

/// A process that holds memory, a queue and a file for everybody, while the attack looks for them.
fn ipc(scene: &Scene) -> Verdict {
    let mark = mark();
    let key = mark.bytes().fold(7_u32, |key, byte| key.wrapping_mul(31) ^ u32::from(byte)) >> 1;
    let (key, queue) = (key.to_string(), format!("/{mark}"));
    let mut holder = Command::new(&*PROGRAM);
    holder.args(["as", "ipc", &key, &queue]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut holder = holder.spawn().unwrap();
    let mut memory = String::new();
    std::io::BufReader::new(holder.stdout.take().unwrap()).read_line(&mut memory).unwrap();
    let file = format!("/dev/shm/{mark}");
    let verdict = if memory.is_empty() {
        Verdict::Skipped("no System V memory or POSIX queue can be made".into())
    } else {
        std::fs::write(&file, SECRET).unwrap();
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o666)).unwrap();
        std::os::unix::fs::chown(&file, Some(UNPRIVILEGED), None).unwrap_or_default();
        let verdict = scene.attack(&[], "ipc", &[memory.trim(), &key, &queue, &file]);
        std::fs::remove_file(&file).unwrap();
        verdict
    };
    drop(holder.stdin.take());
    holder.wait().unwrap();
    verdict
}

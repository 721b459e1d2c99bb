//! The kernel's own interfaces: calls, files, devices, the terminal.

use crate::processes::text;
use crate::scene::{Scene, held_if, judge};
use crate::table::{
    ALL, AS_ROOT, Attack, BOTH, Control, FILTER, IDENTITY, VIEW_OR_LANDLOCK, Verdict,
};

pub fn attacks() -> Vec<Attack> {
    vec![
        Attack::new(
            11,
            "something is typed into the caller's terminal",
            ALL,
            Control::Own,
            |scene| {
                let words = text(&scene.words(&[], &["./attack", "terminal"]));
                let words: Vec<_> = words.iter().map(String::as_str).collect();
                judge(&scene.workspace.hostile(&["terminal"], &words).finish())
            },
        ),
        Attack::new(
            12,
            "a rule for arguments passed by with high bits",
            FILTER,
            Control::Bare(BOTH),
            |scene| scene.attack(&[], "high-bits", &[]),
        ),
        Attack::new(13, "calls by x32 or i386", FILTER, foreign_control(), |scene| {
            scene.attack(&[], "foreign", &[])
        }),
        Attack::new(14, "calls of newer kernels", FILTER, Control::Bare(BOTH), |scene| {
            scene.attack(&[], "new-calls", &[])
        }),
        Attack::new(
            14,
            "calls that change or spy on the host",
            FILTER,
            Control::Bare(BOTH),
            |scene| scene.attack(&[], "danger", &[]),
        ),
        Attack::new(15, "io_uring", FILTER, Control::Own, io_uring),
        Attack::new(
            28,
            "files by which the kernel is told what to do",
            IDENTITY,
            Control::Bare(AS_ROOT),
            |scene| scene.attack(&[], "kernel-files", &[]),
        ),
        Attack::new(
            28,
            "a crash leaves a core, or starts a handler of the host's",
            ALL,
            Control::Own,
            cores,
        ),
        Attack::new(28, "devices by nodes of its own", IDENTITY, Control::Bare(AS_ROOT), |scene| {
            scene.attack(&[], "devices", &[&scene.writable()])
        }),
        Attack::new(
            28,
            "devices that the host lets any user open",
            VIEW_OR_LANDLOCK,
            Control::Bare(AS_ROOT),
            |scene| scene.attack(&[], "common-devices", &[]),
        ),
    ]
}

/// Another interface there is on x86_64 only, and i386 only where the kernel was built with it.
const fn foreign_control() -> Control {
    Control::Own
}

/// The host may have switched it off itself; then there is nothing to see.
fn io_uring(scene: &Scene) -> Verdict {
    let switch = std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled");
    if switch.is_ok_and(|switch| switch.trim() == "0") {
        let bare = Scene::new(scene.caller, Scene::BARE, 1).attack(&[], "io-uring", &[]);
        assert!(matches!(bare, Verdict::Broken(_)), "the attack has no effect by itself: {bare:?}");
    }
    scene.attack(&[], "io-uring", &[])
}

/// Which handler there is, is the host's setting for everybody: what keeps it from being started is a
/// limit of 1, no other (`fs/coredump.c`). A file is left to be found, where the setting is one.
fn cores(scene: &Scene) -> Verdict {
    let script = "cd \"$1\"; sh -c 'kill -SEGV $$'; grep '^Max core file' /proc/self/limits; ls";
    let run = scene.run(&[], &["sh", "-c", script, "sh", &scene.writable()]);
    let output = run.stdout();
    let limits = output.lines().next().unwrap_or_default();
    let values: Vec<_> = limits.split_whitespace().skip(4).take(2).collect();
    let held = values == ["1", "1"] && !output.lines().skip(1).any(|name| name.contains("core"));
    held_if(held && !run.stderr().contains("dumped"), || format!("{run:?}"))
}

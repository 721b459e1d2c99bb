//! Attacks that need a race: tried thousands of times.

use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::scene::{SECRET, Scene, held_if};
use crate::support::tree::{mark, nothing_stays};
use crate::support::{UNPRIVILEGED, patience};
use crate::table::{ALL, AS_ROOT, Attack, Control, VIEW, VIEW_OR_LANDLOCK, Verdict};

pub fn attacks() -> Vec<Attack> {
    vec![
        race(6, "a target exchanged for a link while it is mounted on", VIEW, target),
        race(9, "a source exchanged for a link while it is mounted", VIEW_OR_LANDLOCK, source),
        race(
            29,
            "a hidden path appears, or is replaced, while the sandbox is set up",
            VIEW,
            hidden,
        ),
        race(17, "init's memory in the command's first moment", VIEW_OR_LANDLOCK, early),
        race(18, "something outlives a launcher killed during its setup", ALL, kills),
        Attack {
            callers: AS_ROOT,
            ..race(25, "as root: a profile exchanged while it is looked at", ALL, profile)
        },
        race(34, "a link in the place of the report, while it is written", ALL, report),
    ]
}

fn race(
    theme: u8,
    name: &'static str,
    claims: &'static [&'static str],
    trial: fn(&Scene) -> Verdict,
) -> Attack {
    Attack { race: true, ..Attack::new(theme, name, claims, Control::Own, trial) }
}

/// Exchanges two names, again and again, while something is tried; at the end both are in place.
fn exchanging(scene: &Scene, names: [&str; 2], mut tried: impl FnMut() -> Verdict) -> Verdict {
    let names = names.map(|name| scene.path(name));
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Else it would take a processor from what it races with.
            while !stop.load(Ordering::Relaxed) {
                renameat_with(CWD, &*names[0], CWD, &*names[1], RenameFlags::EXCHANGE).unwrap();
                std::thread::sleep(Duration::from_micros(200));
            }
        });
        // Not to be forgotten where something panics.
        let ends = std::panic::AssertUnwindSafe(|| {
            (0..scene.tries).map(|_| tried()).find(|verdict| *verdict != Verdict::Held)
        });
        let ended = std::panic::catch_unwind(ends);
        stop.store(true, Ordering::Relaxed);
        match ended {
            Ok(verdict) => verdict.unwrap_or(Verdict::Held),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// The secret is where it was, nothing is beside it, and it wasn't said.
fn untouched(scene: &Scene, run: &crate::support::Finished) -> Verdict {
    let names: Vec<_> = std::fs::read_dir(scene.path("outside")).unwrap().flatten().collect();
    let secret = std::fs::read(scene.secret()).unwrap_or_default();
    let said = run.stdout().contains(SECRET);
    held_if(names.len() == 1 && secret == SECRET.as_bytes() && !said, || {
        format!("{names:?}, {run:?}")
    })
}

fn target(scene: &Scene) -> Verdict {
    std::fs::create_dir(scene.path("project/target")).unwrap();
    symlink("../outside", scene.path("project/other")).unwrap();
    let target = scene.path("project/target");
    exchanging(scene, ["project/target", "project/other"], || {
        let run = scene.run(&["--tmpfs", &target], &["./attack", "exchanged"]);
        untouched(scene, &run)
    })
}

fn source(scene: &Scene) -> Verdict {
    scene.workspace.write("project/source/file", "harmless");
    symlink("../outside", scene.path("project/other")).unwrap();
    let source = scene.path("project/source");
    exchanging(scene, ["project/source", "project/other"], || {
        let run = scene.run(&["--ro", &source], &["./attack", "exchanged"]);
        untouched(scene, &run)
    })
}

/// A hidden file that the host puts in place while the sandbox is set up isn't read: either it is
/// masked, or nothing is run, or the run ends. Once the command runs, it can be quicker than who
/// watches: so it counts only what was there before somebody looked.
fn hidden(scene: &Scene) -> Verdict {
    let (path, other) = (scene.path("project/.env"), scene.path("project/other"));
    let mut counted = 0;
    for number in 0..scene.tries * 3 {
        // Every other time there is one before, which is replaced.
        let _ = std::fs::remove_file(&path);
        if number % 2 == 0 {
            scene.workspace.write("project/.env", SECRET);
        }
        scene.workspace.write("project/other", SECRET);
        let call = scene.call(&["--hide", &path], &["cat", &path]);
        let mut call = call.command;
        let mut child = call.spawn().unwrap();
        std::thread::sleep(moment(number) / 4);
        // Nobody watches before and after, and so shortly after that it isn't the end of a run which was
        // ended for this.
        let (began, before) = (Instant::now(), !watches(child.id()));
        std::fs::rename(&other, &path).unwrap();
        let after = child.try_wait().unwrap().is_none() && !watches(child.id());
        let early = before && after && began.elapsed() < QUICK * patience();
        let output = child.wait_with_output().unwrap();
        counted += usize::from(early);
        if early && String::from_utf8_lossy(&output.stdout).contains(SECRET) {
            return Verdict::Broken(format!("{number}: {output:?}"));
        }
        if counted >= scene.tries {
            return Verdict::Held;
        }
    }
    held_if(counted > 0, || "no moment was early enough".into())
}

/// Less than it takes to let a command go, to execute it, and to end it.
const QUICK: Duration = Duration::from_micros(500);

/// Whether the launcher has begun to look: by a thread of its own.
fn watches(launcher: u32) -> bool {
    std::fs::read_dir(format!("/proc/{launcher}/task")).map_or(0, Iterator::count) != 1
}

fn early(scene: &Scene) -> Verdict {
    let tried = (0..scene.tries).map(|_| scene.attack(&[], "early", &[]));
    tried.into_iter().find(|verdict| *verdict != Verdict::Held).unwrap_or(Verdict::Held)
}

/// Moments that are denser in the first milliseconds, in which the sandbox is set up.
fn moment(number: usize) -> Duration {
    // By a number that no period of the setup divides.
    let share = (number * 7919 % 1009) as f64 / 1009.0;
    Duration::from_secs_f64(0.03 * share * share)
}

fn kills(scene: &Scene) -> Verdict {
    scene.bring_program("tree");
    let mark = mark();
    let script = format!("setsid ./tree deaf {mark} & exec ./tree deaf {mark}");
    // Looking for what is left takes longer than a launch: for several at once.
    for batch in (0..scene.tries).collect::<Vec<_>>().chunks(10) {
        for number in batch {
            let mut child = scene.call(&[], &["sh", "-c", &script]).command.spawn().unwrap();
            std::thread::sleep(moment(*number));
            child.kill().unwrap();
            child.wait_with_output().unwrap();
        }
        nothing_stays(&mark);
    }
    Verdict::Held
}

/// One that is root's in the place of one that is somebody's, in a directory of that somebody's.
fn profile(scene: &Scene) -> Verdict {
    let mut text = scene.options().split_off(2).remove(0);
    text = match text.as_str() {
        "untrusted" | "landlock-only" => format!(r#""extends": "{text}""#),
        level => format!(r#""extends": "default", "level": "{level}""#),
    };
    scene.workspace.write("theirs/good.json", format!("{{\"version\": 1, {text}}}"));
    let evil = format!(r#"{{"version": 1, {text}, "environment": {{"set": {{"EVIL": "1"}}}}}}"#);
    let evil = scene.workspace.write("theirs/evil.json", evil);
    let theirs = scene.path("theirs");
    for path in [evil.to_str().unwrap(), theirs.as_str()] {
        std::os::unix::fs::chown(path, Some(UNPRIVILEGED), Some(UNPRIVILEGED)).unwrap();
    }
    let path = scene.path("theirs/good.json");
    exchanging(scene, ["theirs/good.json", "theirs/evil.json"], || {
        let run = scene.workspace.shell(&["-q", "-p", &path], "echo ran $EVIL");
        held_if(run.code() == 125 && run.stdout().is_empty(), || format!("{run:?}"))
    })
}

fn report(scene: &Scene) -> Verdict {
    scene.workspace.write("outside/report", "");
    std::fs::remove_file(scene.path("outside/report")).unwrap();
    symlink("../outside/secret", scene.path("project/link")).unwrap();
    scene.workspace.write("project/report.json", "");
    let report = scene.path("project/report.json");
    let names = ["project/report.json", "project/link"];
    exchanging(scene, names, || {
        let run = scene.run(&["--report", &report], &["./attack", "descriptors"]);
        // A link, as which it may be found at first, is refused.
        let ended = run.code() == 0 || run.code() == 125 && run.stdout().is_empty();
        untouched(scene, &run).and(|| held_if(ended, || format!("{run:?}")))
    })
}

//! Many sandboxes at once: what one that does nothing costs, and how quickly more are started.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ringfence::Sandbox;

use crate::launches::Caller;
use crate::place::{Place, median};
use crate::ways::command;

/// A program that sleeps until it is killed.
fn sleeper(place: &Place) -> Option<PathBuf> {
    place.build("sleeper", "#include <unistd.h>\nint main(void) { for (;;) pause(); }\n")
}

/// The memory of idle sandboxes: their launchers and inits, not the commands.
pub(crate) fn idle(caller: Caller<'_>) {
    let Caller { place, programs, user, who } = caller;
    let Some(sleeper) = sleeper(place) else { return };
    println!("\nAs {who}: memory of an idle sandbox (PSS), KiB");
    for count in [1, 10, 50] {
        let words = programs.run(&programs.profile, &[], &[&sleeper]);
        let children: Result<Vec<Child>, _> = (0..count)
            .map(|_| command(&words, user, &place.0).stdin(Stdio::null()).spawn())
            .collect();
        let Ok(mut children) = children else { return println!("  SKIP: no process to be had") };
        let inits: Vec<_> = children.iter().map(|child| init_of(child.id())).collect();
        // Until both have nothing to do any more.
        std::thread::sleep(Duration::from_secs(1));
        let figures = children
            .iter()
            .zip(&inits)
            .filter_map(|(child, init)| Some((pss(child.id())?, pss((*init)?)?)));
        let figures: Vec<_> = figures.collect();
        let of = |which: fn(&(u64, u64)) -> u64| median(figures.iter().map(which).collect());
        match (of(|f| f.0), of(|f| f.1), of(|f| f.0 + f.1)) {
            (Some(launcher), Some(init), Some(both)) => {
                let verdict = if both < 600 { "met" } else { "NOT MET" };
                println!(
                    "  {count:>3} at once: launcher {launcher}, init {init}, together {both}; target: \
                     less than 600: {verdict}"
                );
            }
            _ => println!("  SKIP: /proc/PID/smaps_rollup can't be read"),
        }
        for child in &mut children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The launcher's child, once that has a child of its own, which runs the program.
fn init_of(launcher: u32) -> Option<u32> {
    let child = |pid: u32| -> Option<u32> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
        text.split_whitespace().next()?.parse().ok()
    };
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline {
        if let Some(init) = child(launcher)
            && let Some(command) = child(init)
            && std::fs::read_to_string(format!("/proc/{command}/comm"))
                .is_ok_and(|n| n == "sleeper\n")
        {
            return Some(init);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    None
}

fn pss(pid: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Launches per second, by as many threads as there are processors, while others live.
pub(crate) fn rate(caller: Caller<'_>, time: Duration) {
    let Caller { place, programs, who, .. } = caller;
    let Some(sleeper) = sleeper(place) else { return };
    let Some(sandbox) = programs.sandbox() else { return };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    println!("\nAs {who}: launches per second by the library, {threads} threads");
    let mut living = Vec::new();
    for count in [1, 10, 100, 1000] {
        while living.len() < count {
            match sandbox.command(&sleeper).spawn() {
                Ok(child) => living.push(child),
                Err(problem) => {
                    return println!(
                        "  SKIP {count} live ones: {} was the last: {problem}",
                        living.len()
                    );
                }
            }
        }
        let started = Instant::now();
        let done = many(&sandbox, &programs.noop, threads, time);
        let each = done as f64 / started.elapsed().as_secs_f64();
        println!("  {count:>4} live: {each:>7.0}");
    }
}

fn many(sandbox: &Sandbox, noop: &Path, threads: usize, time: Duration) -> usize {
    let (over, done) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    match sandbox.command(noop).status() {
                        Ok(outcome) if outcome.success() => {
                            done.fetch_add(1, Ordering::Relaxed);
                        }
                        other => println!("  one failed: {other:?}"),
                    }
                }
            });
        }
        std::thread::sleep(time);
        over.store(true, Ordering::Relaxed);
    });
    done.into_inner()
}

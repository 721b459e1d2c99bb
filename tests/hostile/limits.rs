//! What a tree may use up.

use crate::scene::{Scene, held_if, judge};
use crate::support::Finished;
use crate::support::tree::{mark, nothing_is_left};
use crate::table::{
    ALL, AS_ROOT, Attack, Control, IDENTITY, TREE_LIMITS, VIEW_OR_LANDLOCK, Verdict,
};

pub fn attacks() -> Vec<Attack> {
    vec![
        Attack::new(
            19,
            "a fork bomb, beyond its limit or the run's end",
            TREE_LIMITS,
            Control::Own,
            |scene| {
                let mark = mark();
                let limit = if scene.column == "basic" { "unlimited" } else { "60" };
                let run = scene.run(&["--pids", limit], &["./attack", "fork-bomb", "60", &mark]);
                nothing_is_left(&mark);
                judge(&run)
            },
        ),
        Attack::new(21, "memory in a file system in memory", TREE_LIMITS, Control::Own, |scene| {
            let place = if scene.column == "untrusted" { "/dev/shm/x" } else { "/tmp/x" };
            memory(scene, place)
        }),
        Attack::new(21, "memory in a memfd", TREE_LIMITS, Control::Own, |scene| {
            memory(scene, "memfd")
        }),
        Attack::new(
            21,
            "memory by many processes, swap included",
            TREE_LIMITS,
            Control::Own,
            |scene| memory(scene, "processes"),
        ),
        Attack::new(
            22,
            "another cgroup is entered or changed",
            VIEW_OR_LANDLOCK,
            Control::Bare(AS_ROOT),
            cgroups,
        ),
        // One that is delegated to a user is that user's, as other files are.
        Attack {
            callers: AS_ROOT,
            ..Attack::new(
                22,
                "as root: another cgroup is entered or changed",
                IDENTITY,
                Control::Bare(AS_ROOT),
                cgroups,
            )
        },
        Attack::new(
            22,
            "a hostile cgroup file system leads the limits elsewhere",
            TREE_LIMITS,
            Control::Own,
            foreign_cgroups,
        ),
        Attack::new(32, "time limits of zero, below, and beyond", ALL, Control::Own, times),
        Attack::new(33, "a hundred thousand arguments and variables", ALL, Control::Own, many),
    ]
}

fn cgroups(scene: &Scene) -> Verdict {
    scene.attack(&[], "cgroup", &[])
}

/// The cgroup's word in the report of a run.
fn has_cgroup(scene: &Scene, options: &[&str]) -> bool {
    let report = scene.path("home/report.json");
    scene.run(&[options, &["--report", &report]].concat(), &["true"]);
    let text = std::fs::read(&report).unwrap_or_default();
    let report: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
    let layers = report["layers"].as_array().cloned().unwrap_or_default();
    layers.iter().any(|layer| layer["layer"] == "cgroup" && layer["status"] == "enforced")
}

const MEBIBYTES: &str = "32";

fn memory(scene: &Scene, place: &str) -> Verdict {
    let options = ["--memory", "32MiB", "--set", "limits.swap=0"];
    if !has_cgroup(scene, &options) {
        return Verdict::Skipped("this caller has no cgroup".into());
    }
    let run = scene.run(&options, &["./attack", "memory", MEBIBYTES, place]);
    if run.code() == 128 + 9 && run.stdout().is_empty() {
        return Verdict::Held;
    }
    judge(&run)
}

/// Another's `/sys/fs/cgroup`, a plain directory in which anything can be written: limits in it hold
/// nothing, and are no limits.
fn foreign_cgroups(scene: &Scene) -> Verdict {
    let fake = scene.path("fake");
    for name in ["memory", "pids", "cpu"] {
        for file in ["tasks", "cgroup.procs", "memory.limit_in_bytes", "pids.max"] {
            scene.workspace.write(&format!("fake/{name}/{file}"), "");
        }
    }
    let setup = format!("mount --bind {fake} /sys/fs/cgroup || exit 99; exec \"$@\"");
    let own: &[&str] =
        if scene.caller == crate::support::Caller::User { &["-Urm"] } else { &["-m"] };
    let options = ["--enforcement", "cgroup=required", "--memory", "32MiB", "--pids", "60"];
    let words = scene.words(&options, &["echo", "ran"]);
    let mut command = std::process::Command::new("unshare");
    command.args(own).args(["sh", "-c", &setup, "sh"]).arg(crate::support::binary()).args(words);
    command.current_dir(scene.path("project")).env_clear();
    command.env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin").env("HOME", scene.workspace.home());
    scene.workspace.become_caller(&mut command);
    let run = Finished(command.output().unwrap());
    match run.code() {
        99 => Verdict::Skipped(format!("nothing can be mounted: {run:?}")),
        125 if run.stdout().is_empty() => Verdict::Held,
        _ => Verdict::Broken(format!("{run:?}")),
    }
}

fn times(scene: &Scene) -> Verdict {
    for time in
        ["0", "0s", "-1s", "1e30s", "NaN", "", "9999999999999999999999s", "18446744073709551616ns"]
    {
        let run = scene.run(&[&format!("--timeout={time}")], &["echo", "ran"]);
        if run.code() != 125 && run.code() != 2 || !run.stdout().is_empty() {
            return Verdict::Broken(format!("{time}: {run:?}"));
        }
    }
    let run = scene.run(&["--timeout", "109500d"], &["echo", "ran"]);
    held_if(run.stdout() == "ran\n" || run.code() == 125, || format!("{run:?}"))
}

fn many(scene: &Scene) -> Verdict {
    let words: Vec<String> = (0..100_000).map(|number| number.to_string()).collect();
    let command = ["sh", "-c", "echo $#", "sh"].into_iter().chain(words.iter().map(String::as_str));
    let mut call = scene.call(&[], &command.collect::<Vec<_>>());
    // A copy of all arguments, for those who look for processes: too long for one variable.
    call.command.env_remove("RINGFENCE_TEST_ARGUMENTS");
    let run = call.finish();
    let right = |run: &Finished| {
        run.stdout() == "100000\n"
            || (run.code() >= 125 && run.stdout().is_empty() && !run.stderr().is_empty())
    };
    if !right(&run) {
        return Verdict::Broken(format!("{} {}", run.code(), run.stdout()));
    }
    // Few are passed, of however many there are.
    let mut call = scene.call(&[], &["sh", "-c", "env | wc -l"]);
    call.command.envs((0..20_000).map(|number| (format!("VARIABLE_{number}"), "x")));
    let run = call.finish();
    let passed = run.success().trim().parse::<u32>().unwrap();
    held_if(passed < 20, || format!("{passed} variables"))
}

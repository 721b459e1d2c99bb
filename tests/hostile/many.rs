//! Ten thousand of everything: it works, or is a clear error, and never half of it.

use std::process::Command;

use crate::scene::{SECRET, Scene, held_if};
use crate::support::tree::{mark, nothing_is_left};
use crate::support::{Caller, Finished, binary, callers};
use crate::table::{Attack, Control, FILTER, Verdict};

pub fn attacks() -> Vec<Attack> {
    vec![Attack::new(
        33,
        "ten thousand mounts, hidden paths and rules, or some of them",
        FILTER,
        Control::Own,
        mounts_and_rules,
    )]
}

const MANY: usize = 10_000;

/// Options for the column's own profile with more in it.
fn extended(scene: &Scene, sections: &str) -> Vec<String> {
    let base = match scene.column {
        "untrusted" | "landlock-only" => format!(r#""extends": "{}""#, scene.column),
        level => format!(r#""extends": "default", "level": "{level}""#),
    };
    let text = format!(r#"{{"version": 1, {base}, {sections}}}"#);
    let path = scene.workspace.write("many.json", text);
    ["run", "-q", "-p", path.to_str().unwrap()].map(str::to_owned).to_vec()
}

fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(","))
}

/// Files that are shown one by one, each with a rule; others that are hidden. Time is up while the
/// command runs, which takes far less to say so than all that took to set up.
fn mounts_and_rules(scene: &Scene) -> Verdict {
    let (mark, shown) = (mark(), scene.path("shown"));
    scene.workspace.write("shown/hidden", SECRET);
    for number in 0..MANY {
        std::fs::write(format!("{shown}/{number}"), "shown\n").unwrap();
    }
    let files = || list((0..MANY).map(|number| format!(r#""{shown}/{number}""#)));
    let mut filesystem = format!(r#""mounts": {}"#, files());
    if scene.column != "landlock-only" {
        let hidden = (0..MANY).map(|number| format!(r#""/usr/share/hidden/{number}""#));
        filesystem += &format!(r#", "hide": {}"#, list(hidden));
    }
    let ports = list((1..=MANY).map(|port| port.to_string()));
    let sections = format!(
        r#""filesystem": {{{filesystem}}}, "landlock": {{"read": {}, "connect_tcp": {ports}}},
           "network": "host""#,
        files()
    );
    let script = format!(
        "cat {shown}/0 {shown}/5000 {shown}/9999; cat {} {shown}/hidden; sleep 600; :",
        scene.secret(),
    );
    let mut words = extended(scene, &sections);
    words.extend(["--timeout", "300ms", "--set", "process.grace=100ms"].map(str::to_owned));
    words.extend(["--", "sh", "-c", &script, &mark].map(str::to_owned));
    let run = scene.workspace.ringfence(words).finish();
    nothing_is_left(&mark);
    clear_error(&run).unwrap_or_else(|| {
        held_if(run.code() == 124 && run.stdout() == "shown\n".repeat(3), || format!("{run:?}"))
    })
}

/// Nothing was run, and it is said why.
fn clear_error(run: &Finished) -> Option<Verdict> {
    let layer = ["filesystem:", "landlock:"].iter().any(|layer| run.stderr().contains(layer));
    (run.code() == 125 && run.stdout().is_empty() && layer).then_some(Verdict::Held)
}

/// Hundreds of mounts below each of hundreds that are bound: more than the kernel allows.
#[test]
fn more_mounts_than_there_can_be_are_a_clear_error() {
    let most = std::fs::read_to_string("/proc/sys/fs/mount-max").unwrap_or_default();
    let Ok(most @ ..=200_000) = most.trim().parse::<usize>() else {
        return crate::support::skip("mount-max", &format!("the kernel allows {most} mounts"));
    };
    for caller in callers() {
        let scene = Scene::new(caller, "containerized", 1);
        match too_many_mounts(&scene, most) {
            Verdict::Skipped(why) => crate::support::skip("mounts", &why),
            verdict => assert_eq!(verdict, Verdict::Held, "{caller:?}"),
        }
    }
}

fn too_many_mounts(scene: &Scene, most: usize) -> Verdict {
    let tree = scene.path("tree");
    std::fs::create_dir(&tree).unwrap();
    // Each of nine doubles what is there.
    let setup = format!(
        "mount -t tmpfs none {tree} || exit 99
         for name in a b c d e f g h i; do
             mkdir {tree}/$name; mount --rbind {tree} {tree}/$name || exit 99; done
         exec setpriv --ambient-caps=-all --inh-caps=-all \"$@\""
    );
    let number = most / 512 + 1;
    let mounts = (0..number).map(|n| format!(r#"{{"source": "{tree}", "target": "/many/{n}"}}"#));
    let sections = format!(r#""filesystem": {{"mounts": {}}}"#, list(mounts));
    let mut words = extended(scene, &sections);
    words.extend(["--", "sh", "-c", "echo ran"].map(str::to_owned));
    let own: &[&str] = match scene.caller {
        Caller::User => &["-Um", "--map-current-user", "--keep-caps"],
        Caller::Root => &["-m"],
    };
    let mut command = Command::new("unshare");
    command.args(own).args(["sh", "-c", &setup, "sh"]).arg(binary()).args(words);
    command.current_dir(scene.path("project")).env_clear();
    command.env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin").env("HOME", scene.workspace.home());
    scene.workspace.become_caller(&mut command);
    let run = Finished(command.output().unwrap());
    if run.code() == 99 {
        return Verdict::Skipped(format!("nothing can be mounted: {run:?}"));
    }
    let why = run.stderr().contains("fs.mount-max");
    clear_error(&run).filter(|_| why).unwrap_or_else(|| Verdict::Broken(format!("{run:?}")))
}

//! Hosts that lack something, or say that they have it.

use std::process::Command;

use crate::scene::{SECRET, Scene, held_if, judge};
use crate::support::{Finished, binary};
use crate::table::{Attack, BOTH, Control, FILTER, VIEW, VIEW_OR_LANDLOCK, Verdict};

pub fn attacks() -> Vec<Attack> {
    vec![
        Attack::new(2, "a missing layer is passed over", VIEW, Control::Own, |scene| {
            let run = without_namespaces(scene, &strict(scene), "echo ran; true > ran");
            let said =
                ["refused", "namespace", "remedy"].iter().all(|word| run.stderr().contains(word));
            let ran = std::path::Path::new(&scene.path("project/ran")).exists();
            held_if(run.code() == 125 && run.stdout().is_empty() && said && !ran, || {
                format!("{run:?}")
            })
        }),
        Attack::new(
            3,
            "a kernel that claims a Landlock to come, or another, is believed",
            FILTER,
            Control::Own,
            landlock_versions,
        ),
        Attack::new(
            4,
            "without user namespaces, a run has less than it says",
            VIEW,
            Control::Own,
            |scene| {
                scene.workspace.write("home/secret", SECRET);
                let script = "cat ~/secret; grep Seccomp: /proc/self/status";
                let run = without_namespaces(scene, &options(scene), script);
                less_or_refused(scene, &run)
            },
        ),
        Attack::new(
            5,
            "in a container, the host's /proc is shown for one of the sandbox's",
            VIEW_OR_LANDLOCK,
            Control::Own,
            |scene| {
                scene.workspace.write("home/secret", SECRET);
                let script = "cat ~/secret; grep Seccomp: /proc/self/status";
                let tools = binary().parent().unwrap().to_str().unwrap().to_owned();
                let inner = options(scene);
                let inner: Vec<_> = inner.iter().map(String::as_str).collect();
                let outer = ["run", "-q", "--ro", &tools, "--", binary().to_str().unwrap(), "run"];
                let words = [&outer, &inner[..], &["--", "sh", "-c", script]].concat();
                less_or_refused(scene, &scene.workspace.ringfence(words).finish())
            },
        ),
    ]
}

/// The column's options, with words for people.
fn options(scene: &Scene) -> Vec<String> {
    scene.options().split_off(1)
}

/// A profile of the column's level that nothing takes the place of.
fn strict(scene: &Scene) -> Vec<String> {
    let profile = match scene.column {
        "untrusted" => r#"{"version": 1, "extends": "untrusted"}"#.to_owned(),
        level => format!(r#"{{"version": 1, "extends": "system", "level": "{level}"}}"#),
    };
    let path = scene.workspace.write("strict.json", profile);
    vec!["-p".into(), path.to_str().unwrap().into()]
}

/// As on a host that allows no namespaces: in one whose own limits of them are 0.
fn without_namespaces(scene: &Scene, options: &[String], script: &str) -> Finished {
    let setup = "for kind in user mnt pid net ipc uts cgroup; do
            echo 0 > /proc/sys/user/max_${kind}_namespaces || exit 99; done
        exec setpriv --ambient-caps=-all --inh-caps=-all --bounding-set=-all \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["-U", "--map-current-user", "--keep-caps", "sh", "-c", setup, "sh"]);
    command.arg(binary()).arg("run").args(options).args(["--", "sh", "-c", script]);
    command.current_dir(scene.path("project")).env_clear();
    command.env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin").env("HOME", scene.workspace.home());
    scene.workspace.become_caller(&mut command);
    Finished(command.output().unwrap())
}

/// What takes the profile's place says so and keeps the secret, or nothing is run.
fn less_or_refused(scene: &Scene, run: &Finished) -> Verdict {
    if run.code() == 125 && run.stdout().is_empty() {
        return Verdict::Held;
    }
    let said = scene.column == "landlock-only" || run.stderr().contains("takes its place");
    held_if(run.stdout() == "Seccomp:\t2\n" && said, || format!("{run:?}"))
}

/// Whatever the version, the rights are there that the report says, or nothing is run.
fn landlock_versions(scene: &Scene) -> Verdict {
    for version in ["99", "2147483647", "1", "-95", "-38", "-1"] {
        // Without a view of files of its own, Landlock alone keeps the secret.
        let options = ["--enforcement", "landlock=required"];
        let command = ["./attack", "outside", &scene.secret()];
        let run = scene.call_as(&["lied-to", version], &options, &command).finish();
        if run.code() == 125 && run.stdout().is_empty() {
            continue;
        }
        let verdict = judge(&run);
        if verdict != Verdict::Held {
            return Verdict::Broken(format!("version {version}: {verdict:?}: {run:?}"));
        }
    }
    Verdict::Held
}

/// The attack that the lies are about works where nothing holds it.
#[test]
fn the_secret_can_be_read_without_a_sandbox() {
    for caller in BOTH.iter().filter(|caller| crate::support::callers().contains(caller)) {
        let scene = Scene::new(*caller, Scene::BARE, 1);
        let command = ["attack", "outside", &scene.secret()];
        let run = scene.call_as(&["lied-to", "99"], &[], &command).finish();
        assert!(matches!(judge(&run), Verdict::Broken(_)), "{caller:?}: {run:?}");
    }
}

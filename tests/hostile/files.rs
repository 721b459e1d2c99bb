//! What is visible of the host's files, and what can be changed of it.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::process::Command;

use crate::scene::{PROGRAM, SECRET, Scene, held_if, judge};
use crate::support::{Caller, binary};
use crate::table::{
    ALL, AS_ROOT, Attack, BOTH, Control, FILTER, ROOT, VIEW, VIEW_OR_LANDLOCK, Verdict,
};

pub fn attacks() -> Vec<Attack> {
    vec![
        Attack::new(6, "a mount over a link changes the host", VIEW, Control::Own, links),
        Attack::new(7, "a target out of the root, or of no sense", VIEW, Control::Own, targets),
        Attack::new(8, "hiding or mounting leaves something behind", VIEW, Control::Own, stubs),
        Attack::new(
            9,
            "a link in the place of a source shows what it leads to",
            VIEW_OR_LANDLOCK,
            Control::Bare(BOTH),
            |scene| {
                symlink("../outside", scene.path("project/source")).unwrap();
                scene
                    .attack(&["--ro", &scene.path("project/source")], "exchanged", &[])
                    .or_refused()
            },
        ),
        Attack::new(
            10,
            "a mount below a read-only one is written to, its devices and setuid programs used",
            VIEW,
            Control::Own,
            submounts,
        ),
        Attack::new(
            25,
            "something else in the place of what is pinned read-only",
            VIEW_OR_LANDLOCK,
            Control::Bare(BOTH),
            |scene| {
                let (project, hooks) = (scene.path("project"), scene.path("project/.git/hooks"));
                scene.workspace.write("project/.git/hooks/hook", "the caller's");
                let options = ["--rw", &project, "--ro", &hooks];
                let said = scene
                    .attack(&options, "pinned", &[&project, ".git/hooks", "hook", ".git"])
                    .or_refused();
                said.and(|| {
                    let hook = std::fs::read(scene.path("project/.git/hooks/hook"));
                    held_if(hook.is_ok_and(|hook| hook == b"the caller's"), || "replaced".into())
                })
            },
        ),
        Attack::new(29, "a file outside of the view is read", ROOT, Control::Bare(BOTH), outside),
        Attack::new(
            29,
            "a file that no rule names is opened",
            FILTER,
            Control::Bare(BOTH),
            outside,
        ),
        Attack::new(
            29,
            "a file outside is opened by its handle",
            VIEW_OR_LANDLOCK,
            Control::Bare(AS_ROOT),
            |scene| {
                let command =
                    Command::new(&*PROGRAM).args(["as", "handle"]).arg(scene.secret()).output();
                let output = command.unwrap();
                if !output.status.success() {
                    return Verdict::Skipped("the file system has no handles".into());
                }
                let handle = String::from_utf8(output.stdout).unwrap();
                scene.attack(&[], "handles", &[".", handle.trim()])
            },
        ),
        Attack::new(29, "a hidden file is read", VIEW, Control::Bare(BOTH), |scene| {
            scene.workspace.write("project/.env", SECRET);
            let path = scene.path("project/.env");
            scene.attack(&["--hide", &path], "hidden", &[&path])
        }),
        Attack::new(
            29,
            "a read-only file is written, renamed, linked or replaced",
            VIEW_OR_LANDLOCK,
            Control::Bare(BOTH),
            |scene| unchanged(scene, "content"),
        ),
        Attack::new(
            29,
            "a read-only file's mode, owner, times or attributes are changed",
            VIEW,
            Control::Bare(BOTH),
            |scene| unchanged(scene, "metadata"),
        ),
        Attack::new(
            29,
            "namespaces of the command's own undo a mount",
            VIEW,
            Control::Own,
            |scene| {
                scene.workspace.write("project/.env", SECRET);
                let (hidden, read) = (scene.path("project/.env"), scene.path("read"));
                let options = ["--hide", &hidden, "--ro", &read];
                let file = scene.path("read/file");
                scene.attack(&options, "own-namespaces", &[&file, &hidden, &scene.secret()])
            },
        ),
        Attack::new(30, "a setuid file is left to the host", SETID, Control::Bare(BOTH), |scene| {
            let writable = scene.writable();
            let shown = scene.path("project");
            let said = scene.attack(&[], "setid", &[&shown, &writable]);
            said.and(|| {
                let entries = std::fs::read_dir(scene.path("project")).unwrap().flatten();
                let modes = entries.map(|entry| entry.metadata().unwrap().permissions().mode());
                held_if(modes.into_iter().all(|mode| mode & 0o6000 == 0), || "left".into())
            })
        }),
        Attack::new(30, "a setuid program gives another user", ALL, Control::Own, |scene| {
            let run = scene.run(&[], &["grep", "-q", "NoNewPrivs:.1", "/proc/self/status"]);
            held_if(run.code() == 0, || format!("{run:?}"))
        }),
    ]
}

/// Where a file with such a mode can't be made, or none of the host's can be written to.
const SETID: &[&str] = FILTER;

fn outside(scene: &Scene) -> Verdict {
    scene.attack(&[], "outside", &[&scene.secret()])
}

/// The attack says that it changed nothing of a read-only file, and it is as it was.
fn unchanged(scene: &Scene, attack: &str) -> Verdict {
    let file = scene.path("read/file");
    let look = || {
        let status = std::fs::symlink_metadata(&file).unwrap();
        let times = (status.mtime(), status.mtime_nsec(), status.ctime(), status.ctime_nsec());
        let text = std::fs::read(&file).unwrap();
        let names = std::fs::read_dir(scene.path("read")).unwrap().count();
        (
            status.mode(),
            status.uid(),
            status.gid(),
            status.nlink(),
            status.ino(),
            times,
            text,
            names,
        )
    };
    let before = look();
    let read = scene.path("read");
    let said = scene.attack(&["--ro", &read], attack, &[&file, &scene.writable()]);
    said.and(|| held_if(look() == before, || "the file isn't what it was".into()))
}

fn links(scene: &Scene) -> Verdict {
    let outside = scene.path("outside");
    for (number, text) in
        [outside.as_str(), "../outside", "../../../../../../..", "/proc/1/root/tmp"]
            .into_iter()
            .enumerate()
    {
        let link = scene.path(&format!("project/link{number}"));
        symlink(text, &link).unwrap();
        for target in [link.clone(), format!("{link}/new"), format!("{link}/a/b")] {
            scene.run(&["--tmpfs", &target], &["true"]);
            scene.run(&["--hide", &target], &["true"]);
            scene.run(&["--ro", &format!("/usr/share:{target}")], &["true"]);
        }
    }
    let entries = |name: &str| std::fs::read_dir(scene.path(name)).unwrap().count();
    let secret = std::fs::read(scene.secret()).unwrap();
    // The links and the program; the secret.
    let now = (entries("project"), entries("outside"), secret);
    held_if(now == (5, 1, SECRET.into()), || format!("the host was changed: {now:?}"))
}

fn targets(scene: &Scene) -> Verdict {
    use std::os::unix::ffi::OsStringExt;
    let base = scene.path("project").into_bytes();
    let long = [b"/".as_slice(), &[b'x'; 300]].concat();
    let deep = b"/y".repeat(2500);
    let refused: [&[u8]; 8] =
        [b"", b"relative/../..", b"/..", b"/a/../../..", b"/.", b"//", &long, &deep];
    for target in refused {
        let mut words = scene.words(&[], &["true"]);
        let option = [b"/usr/share:".as_slice(), target].concat();
        words.splice(1..1, ["--ro".into(), std::ffi::OsString::from_vec(option)]);
        let run = scene.workspace.ringfence(words).finish();
        if run.code() != 125 && run.code() != 2 {
            return Verdict::Broken(format!("{}: {run:?}", String::from_utf8_lossy(target)));
        }
    }
    // Names that aren't text, or look like something else, are names.
    for name in [b"\xff\xfe".as_slice(), b"dot.", b"...", b" ", b"-x"] {
        let path = [&base, b"/".as_slice(), name].concat();
        let path = std::ffi::OsString::from_vec(path);
        std::fs::create_dir(&path).unwrap();
        let mut words = scene.words(&[], &["true"]);
        words.splice(1..1, ["--tmpfs".into(), path.clone()]);
        let run = scene.workspace.ringfence(words).finish();
        if ![0, 125].contains(&run.code()) {
            return Verdict::Broken(format!("{}: {run:?}", path.display()));
        }
    }
    let made = std::fs::read_dir(scene.path("project")).unwrap().count();
    held_if(made == 6, || format!("{made} names in the project"))
}

fn stubs(scene: &Scene) -> Verdict {
    let mut options = Vec::new();
    for name in ["missing", "missing/below", ".git/hooks", "attack/below"] {
        options.extend(["--hide".to_owned(), scene.path(&format!("project/{name}"))]);
    }
    let options: Vec<_> = options.iter().map(String::as_str).collect();
    scene.run(&options, &["true"]);
    for option in ["--tmpfs", "--ro"] {
        let target = scene.path("project/new/place");
        let value = if option == "--ro" { format!("/usr/share:{target}") } else { target };
        scene.run(&[option, &value], &["true"]);
    }
    let names: Vec<_> = std::fs::read_dir(scene.path("project")).unwrap().flatten().collect();
    held_if(names.len() == 1, || format!("{names:?}"))
}

/// A file system in memory below a read-only directory; the caller has it in a namespace of its own.
fn submounts(scene: &Scene) -> Verdict {
    let read = scene.path("read");
    let below = scene.path("read/below");
    std::fs::create_dir(&below).unwrap();
    let setup = format!(
        "mount -t tmpfs none {below} && cp /bin/dash {below}/setid && chmod 777 {below} || exit 99
         chown 12 {below}/setid; chmod 4755 {below}/setid
         mknod {below}/device c 1 1 2>/dev/null && chmod 666 {below}/device
         exec setpriv --ambient-caps=-all --inh-caps=-all \"$@\""
    );
    // A user's own namespace has no devices and no other users, but mounts; the caller in it has no
    // privileges.
    let own: &[&str] = match scene.caller {
        Caller::User => &["-Um", "--map-current-user", "--keep-caps"],
        Caller::Root => &["-m"],
    };
    let words = scene.words(&["--ro", &read], &["./attack", "submounts", &below]);
    let mut command = Command::new("unshare");
    command.args(own).args(["sh", "-c", &setup, "sh"]).arg(binary()).args(words);
    command.current_dir(scene.path("project")).env_clear();
    command.env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin").env("HOME", scene.workspace.home());
    scene.workspace.become_caller(&mut command);
    let run = crate::support::Finished(command.output().unwrap());
    if run.code() == 99 {
        return Verdict::Skipped(format!("nothing can be mounted: {run:?}"));
    }
    judge(&run)
}

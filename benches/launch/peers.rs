//! What a user would pick instead, asked for what comes nearest.
//!
//! None of them does all that ringfence's `containerized` does by default: what each leaves out is
//! said with it.

use std::ffi::OsString;
use std::path::Path;

use crate::launches::Caller;
use crate::place::{Place, host_directories};
use crate::ways::Way;

/// Every one that is installed; the others are named.
pub(crate) fn all<'a>(caller: Caller<'a>) -> Vec<Way<'a>> {
    let Caller { place, user, .. } = caller;
    let program = &caller.programs.noop;
    let way = |name: &str, words| caller.way(name, words);
    let mut ways = Vec::new();
    let mut add = |program_name: &str, way: Way<'a>| {
        if installed(program_name) {
            ways.push(way);
        } else {
            println!("  SKIP {}: {program_name} isn't installed", way.name);
        }
    };
    add("bwrap", way(BWRAP, bubblewrap(&place.0, program)));
    add("nsjail", way("nsjail (no limits, Landlock)", nsjail(&place.0, program)));
    add("minijail0", way("minijail0 (host's files, no limits)", minijail(program, user)));
    add("firejail", way("firejail --noprofile (host's files)", firejail(program)));
    add("systemd-run", way("systemd-run --scope (cgroup only)", systemd_run(program, user)));
    for runtime in ["runc", "crun"] {
        let bundle = bundle(place, program, user);
        let state = format!("/tmp/ringfence-bench-{runtime}-{}", user.unwrap_or(0));
        let mut count = 0;
        let name = format!("{runtime} run (no Landlock)");
        add(
            runtime,
            Way::new(&name.clone(), move || {
                count += 1;
                let id = format!("bench-{}-{count}", std::process::id());
                let words = ["--root", &state, "run", "-b", &bundle, &id].map(OsString::from);
                let words = std::iter::once(OsString::from(runtime)).chain(words).collect();
                caller.way(&name, words).once()
            }),
        );
    }
    ways
}

pub(crate) const BWRAP: &str = "bwrap --unshare-all (no limits, Landlock)";

fn installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let more = ["/usr/sbin", "/sbin"].map(Into::into);
    std::env::split_paths(&path).chain(more).any(|directory| directory.join(program).exists())
}

fn words(fixed: &[&str]) -> Vec<OsString> {
    fixed.iter().map(OsString::from).collect()
}

/// No cgroup limits, Landlock, seccomp, masks or report; the same view.
pub(crate) fn bubblewrap(directory: &Path, program: &Path) -> Vec<OsString> {
    let mut words = words(&["bwrap", "--unshare-all", "--new-session", "--die-with-parent"]);
    for path in host_directories() {
        match std::fs::read_link(path) {
            Ok(text) => words.extend(["--symlink".into(), text.into(), path.into()]),
            Err(_) => words.extend(["--ro-bind", path, path].map(OsString::from)),
        }
    }
    words.extend(
        ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--tmpfs", "/run"]
            .map(OsString::from),
    );
    // The directory may be below /tmp, which it has to come after.
    words.extend(["--ro-bind".into(), directory.into(), directory.into()]);
    words.extend(["--chdir", "/", "--hostname", "sandbox", "--"].map(OsString::from));
    words.push(program.into());
    words
}

fn nsjail(directory: &Path, program: &Path) -> Vec<OsString> {
    let mut words = words(&["nsjail", "-Mo", "-Q"]);
    let shown = host_directories().map(OsString::from).chain([directory.into()]);
    words.extend(shown.flat_map(|path| ["-R".into(), path]));
    words.extend(["-T", "/tmp", "--"].map(OsString::from));
    words.push(program.into());
    words
}

/// As in its manual for a static program; a user needs a user namespace, root doesn't.
fn minijail(program: &Path, user: Option<u32>) -> Vec<OsString> {
    let mut words = words(&["minijail0", "-T", "static", "-p", "-v", "-l", "-N", "-e", "-n"]);
    if user.is_some() {
        words.extend(["-U", "-m", "-M"].map(OsString::from));
    }
    words.push("--".into());
    words.push(program.into());
    words
}

fn firejail(program: &Path) -> Vec<OsString> {
    let mut words = words(&["firejail", "--quiet", "--noprofile", "--net=none", "--"]);
    words.push(program.into());
    words
}

fn systemd_run(program: &Path, user: Option<u32>) -> Vec<OsString> {
    let mut words = words(&["systemd-run", "--quiet", "--scope", "-p", "TasksMax=4096"]);
    words.extend(user.map(|_| "--user".into()));
    words.push("--".into());
    words.push(program.into());
    words
}

/// A bundle as of the OCI runtime specification 1.0, with the program alone in its root; its text.
fn bundle(place: &Place, program: &Path, user: Option<u32>) -> String {
    let name = if user.is_some() { "user" } else { "root" };
    let bundle = place.directory(&format!("bundle-{name}"));
    for directory in ["rootfs", "rootfs/proc", "rootfs/dev", "rootfs/tmp"] {
        place.directory(&format!("bundle-{name}/{directory}"));
    }
    std::fs::copy(program, bundle.join("rootfs/noop")).expect("a copy");
    let (identity, maps) = match user {
        None => (0, String::new()),
        Some(user) => {
            let map = |kind: &str| {
                format!(r#""{kind}Mappings": [{{"containerID": 0, "hostID": {user}, "size": 1}}],"#)
            };
            (0, format!("{}{}", map("uid"), map("gid")))
        }
    };
    let kinds: Vec<_> = ["pid", "ipc", "uts", "mount", "network"]
        .into_iter()
        .chain(user.map(|_| "user"))
        .map(|kind| format!(r#"{{"type": "{kind}"}}"#))
        .collect();
    let text = format!(
        r#"{{
  "ociVersion": "1.0.2",
  "process": {{
    "terminal": false, "user": {{"uid": {identity}, "gid": {identity}}},
    "args": ["/noop"], "env": ["PATH=/"], "cwd": "/", "noNewPrivileges": true,
    "capabilities": {{"bounding": [], "effective": [], "permitted": []}}
  }},
  "root": {{"path": "rootfs", "readonly": true}},
  "hostname": "sandbox",
  "mounts": [
    {{"destination": "/proc", "type": "proc", "source": "proc"}},
    {{"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]}},
    {{"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "nodev"]}}
  ],
  "linux": {{
    {maps}
    "namespaces": [{}],
    "maskedPaths": ["/proc/kcore", "/proc/keys", "/proc/timer_list"],
    "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys"]
  }}
}}"#,
        kinds.join(", ")
    );
    std::fs::write(bundle.join("config.json"), text).expect("a file");
    bundle.display().to_string()
}

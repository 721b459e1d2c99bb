//! Programs that people run, in the profiles that are meant for them.

mod support;

use std::path::{Path, PathBuf};

use support::host::{enforceable, maps_owners, owns_what_is_the_callers};
use support::{Caller, Finished, Workspace, callers, has_program, skip};

/// Profiles in which one works: the directory is writable.
const WORKING: [&str; 5] = ["default", "ci", "network-client", "landlock-only", "ci-landlock"];

/// Runs a script in the project directory, in a profile.
fn script(workspace: &Workspace, profile: &str, script: &str) -> Finished {
    workspace.shell(&["-q", "-p", profile], &format!("set -e\n{script}"))
}

/// Runs a script for every caller in every profile, and expects it to succeed with this output.
#[track_caller]
fn works(profiles: &[&str], files: &[(&str, &str)], commands: &str, output: &str) {
    let profiles = enforceable(profiles.iter().copied());
    for caller in callers() {
        for profile in &profiles {
            let workspace = Workspace::new(caller);
            for (name, text) in files {
                let file = workspace.write(&format!("project/{name}"), text);
                workspace.open_to_command(&file, 0o666);
            }
            let run = script(&workspace, profile, commands);
            assert_eq!(run.code(), 0, "{caller:?} {profile}: {run:?}");
            assert_eq!(run.stdout().trim(), output, "{caller:?} {profile}: {run:?}");
        }
    }
}

#[test]
fn a_shell_with_pipes_substitution_and_here_documents() {
    let commands = "x=$(printf '%s\\n' b a | sort | head -n 1)\n\
        cat <<END | tr a-z A-Z\n$x\nEND\n\
        for i in 1 2 3; do echo $i; done > file; wc -l < file; sleep 0.01 & wait";
    works(&WORKING, &[], commands, "A\n3");
}

#[test]
fn bash_with_process_substitution_and_an_array() {
    if has_program("bash") {
        let commands = "bash -c 'a=(x y); paste -d: <(echo ${a[0]}) <(echo ${a[1]})'";
        works(&[&WORKING[..], &["untrusted"]].concat(), &[], commands, "x:y");
    }
}

#[test]
fn python_with_threads_children_and_temporary_files() {
    let program = "import os, subprocess, tempfile, threading, sqlite3, ssl\n\
        if __name__ == '__main__':\n\
        \x20   t = threading.Thread(target=print, args=('thread',)); t.start(); t.join()\n\
        \x20   with tempfile.NamedTemporaryFile() as f: f.write(b'x')\n\
        \x20   print(subprocess.check_output(['echo', 'child'], text=True).strip())\n\
        \x20   ssl.create_default_context()\n\
        \x20   sqlite3.connect(':memory:').execute('select 1')\n";
    if has_program("python3") {
        let profiles = [&WORKING[..], &["untrusted"]].concat();
        let files = [("program.py", program)];
        works(&profiles, &files, "python3 program.py", "thread\nchild");
    }
}

/// Not where the host's `/dev/shm` would have to be opened.
#[test]
fn python_with_a_pool_of_processes() {
    let program = "import multiprocessing\n\
        def square(x): return x * x\n\
        if __name__ == '__main__':\n\
        \x20   with multiprocessing.Pool(2) as pool: print(pool.map(square, [1, 2, 3]))\n";
    if has_program("python3") {
        let profiles = ["default", "ci", "untrusted"];
        works(&profiles, &[("program.py", program)], "python3 program.py", "[1, 4, 9]");
    }
}

#[test]
fn python_with_a_virtual_environment() {
    if !has_program("python3") || !Path::new("/usr/lib/python3/dist-packages").exists() {
        return;
    }
    let commands = "python3 -m venv --without-pip env && env/bin/python -c 'print(1)'";
    works(&["default", "ci", "landlock-only"], &[], commands, "1");
}

#[test]
fn git_from_init_to_log() {
    // Git works in no directory of another user's.
    let place = if maps_owners() { "." } else { "own" };
    let commands = "git init -q $place; cd $place\n\
        git config user.name Name; git config user.email name@example.org\n\
        echo text > file; git add file; git commit -q -m 'The first'\n\
        git status --short; git log --format=%s; git gc -q; git clone -q . copy; cat copy/file";
    if has_program("git") {
        works(&WORKING, &[], &format!("place={place}\n{commands}"), "The first\ntext");
    }
}

#[test]
fn git_in_a_repository_that_the_caller_made_outside() {
    if !has_program("git") {
        return;
    }
    let profiles = enforceable(WORKING.into_iter().chain(["untrusted"]));
    // Git works in no repository of another user's.
    for caller in callers().into_iter().filter(|caller| owns_what_is_the_callers(*caller)) {
        for profile in &profiles {
            let workspace = Workspace::new(caller);
            let mut git =
                workspace.ringfence(["run", "-q", "-l", "basic", "--", "git", "init", "-q"]);
            git.command.current_dir(workspace.project());
            assert_eq!(git.finish().code(), 0);
            let run = script(&workspace, profile, "git status --short");
            assert_eq!(run.success(), "", "{caller:?} {profile}");
        }
    }
}

#[test]
fn gcc_and_make() {
    let program = "#include <stdio.h>\n#include <pthread.h>\nint main(void) { puts(\"built\"); }\n";
    let makefile = "program: program.o\n\t$(CC) -o $@ $^\n";
    if has_program("gcc") && has_program("make") {
        let files = [("program.c", program), ("Makefile", makefile)];
        works(&WORKING, &files, "make -s -j2 && ./program", "built");
    }
}

#[test]
fn tar_with_compression() {
    let commands = "mkdir d; echo text > d/file; chmod 640 d/file; ln -s file d/link\n\
        tar czf a.tgz d; rm -r d; tar xzf a.tgz; cat d/link; stat -c %a d/file";
    if has_program("tar") && has_program("gzip") {
        works(&WORKING, &[], commands, "text\n640");
    }
}

#[test]
fn sqlite_with_a_journal() {
    let commands = "sqlite3 data.db 'pragma journal_mode=wal; create table t(x); \
        insert into t values (42); select x from t;'";
    if has_program("sqlite3") {
        works(&WORKING, &[], commands, "wal\n42");
    }
}

#[test]
fn perl_with_modules() {
    let commands = "perl -MPOSIX -MFile::Temp=tempfile -e \
        'my ($f) = tempfile(UNLINK => 1); print $f \"x\"; print floor(1.5), \"\\n\"'";
    if has_program("perl") {
        works(&[&WORKING[..], &["untrusted"]].concat(), &[], commands, "1");
    }
}

#[test]
fn node_with_a_worker_and_a_child() {
    let program = "const { Worker } = require('worker_threads');\n\
        const { execFileSync } = require('child_process');\n\
        require('crypto').randomBytes(8);\n\
        new Worker('require(\"worker_threads\").parentPort.postMessage(1)', { eval: true })\n\
        .on('message', m => console.log(m + execFileSync('echo', ['child']).toString().trim()));\n";
    if has_program("node") {
        works(&WORKING, &[("program.js", program)], "node program.js", "1child");
    }
}

#[test]
fn npm_runs_a_script() {
    let package = r#"{"name": "p", "version": "1.0.0", "scripts": {"say": "echo said"}}"#;
    if has_program("npm") {
        works(&WORKING, &[("package.json", package)], "npm run -s say", "said");
    }
}

#[test]
fn vim_edits_a_file() {
    if has_program("vim") {
        let commands = "vim -es -u NONE -c '%s/old/new/' -c wq file </dev/null; cat file";
        works(&WORKING, &[("file", "old\n")], commands, "new");
    }
}

#[test]
fn names_of_users_and_times_of_places_are_known() {
    let commands = "TZ=Asia/Tokyo date -d @0 +%H; getent passwd 0 | cut -d: -f1";
    if Path::new("/usr/share/zoneinfo/Asia/Tokyo").exists() && has_program("getent") {
        works(&[&WORKING[..], &["untrusted"]].concat(), &[], commands, "09\nroot");
    }
}

#[test]
fn the_processors_are_counted() {
    let count = std::thread::available_parallelism().unwrap().to_string();
    works(&["default", "ci", "landlock-only"], &[], "nproc", &count);
}

#[test]
fn compute_runs_interpreters_and_compiled_programs() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let mut programs = vec![("sh", "echo $((6 * 7))")];
        if has_program("perl") {
            programs.push(("perl", "print 6 * 7"));
        }
        if has_program("python3") {
            programs.push(("python3", "print(6 * 7)"));
        }
        for (program, text) in programs {
            let option = if program == "perl" { "-e" } else { "-c" };
            let words = ["run", "-q", "-p", "compute", "--", program, option, text];
            assert_eq!(workspace.ringfence(words).finish().success(), "42", "{caller:?} {program}");
        }
    }
}

/// Where cargo and what it needs are found for this caller; `None` (and loudly) if nowhere.
fn cargo(caller: Caller) -> Option<(PathBuf, PathBuf)> {
    let home = PathBuf::from(std::env::var_os("HOME")?);
    let at = |variable: &str, default: &str| {
        std::env::var_os(variable).map_or_else(|| home.join(default), PathBuf::from)
    };
    let (cargo, rustup) = (at("CARGO_HOME", ".cargo"), at("RUSTUP_HOME", ".rustup"));
    if !cargo.join("bin/cargo").exists() || !rustup.is_dir() {
        skip("cargo", "there is no cargo installed by rustup");
        return None;
    }
    if caller == Caller::User && rustix::process::geteuid().is_root() {
        use std::os::unix::fs::PermissionsExt;
        let closed = |path: &Path| {
            path.ancestors().any(|part| {
                part.metadata().is_ok_and(|data| data.permissions().mode() & 0o001 == 0)
            })
        };
        if closed(&cargo) || closed(&rustup) {
            skip("cargo", "an unprivileged user can't reach the toolchain of this one");
            return None;
        }
    }
    Some((cargo, rustup))
}

const CRATE: [(&str, &str); 2] = [
    ("Cargo.toml", "[package]\nname = \"small\"\nversion = \"0.1.0\"\nedition = \"2021\"\n"),
    ("src/main.rs", "fn main() { println!(\"built\"); }\n"),
];

#[test]
fn cargo_builds_a_small_crate_offline_in_ci() {
    for caller in callers() {
        let Some((cargo, _)) = cargo(caller) else { continue };
        let Some(home) = std::env::var_os("HOME").map(PathBuf::from) else { continue };
        if !cargo.starts_with(&home) {
            skip("cargo", "the toolchain isn't in the home directory");
            continue;
        }
        for profile in enforceable(["ci", "ci-landlock"]) {
            let workspace = Workspace::new(caller);
            for (name, text) in CRATE {
                workspace.write(&format!("project/{name}"), text);
            }
            let path = format!("{}:/usr/bin:/bin", cargo.join("bin").display());
            let words = ["run", "-q", "-p", profile, "--", "cargo", "run", "-q", "--offline"];
            let mut call = workspace.ringfence(words);
            call.command.env("HOME", &home).env("PATH", path);
            assert_eq!(call.finish().success(), "built", "{caller:?} {profile}");
        }
    }
}

#[test]
fn cargo_works_in_the_default_profile_when_its_toolchain_is_shown() {
    for caller in callers() {
        let Some((cargo, rustup)) = cargo(caller) else { continue };
        for profile in enforceable(["default", "landlock-only"]) {
            let workspace = Workspace::new(caller);
            for (name, text) in CRATE {
                workspace.write(&format!("project/{name}"), text);
            }
            let bin = cargo.join("bin");
            let options = ["--ro", bin.to_str().unwrap(), "--ro", rustup.to_str().unwrap()];
            let words = ["cargo", "run", "-q", "--offline"];
            let start = ["run", "-q", "-p", profile];
            let mut call =
                workspace.ringfence(start.iter().chain(&options).chain(&["--"]).chain(&words));
            let path = format!("{}:/usr/bin:/bin", bin.display());
            call.command.env("PATH", path).env("RUSTUP_HOME", &rustup);
            assert_eq!(call.finish().success(), "built", "{caller:?} {profile}");
        }
    }
}

#[test]
fn the_terminal_can_be_opened_again_by_the_names_of_the_standard_streams() {
    if !has_program("script") {
        return;
    }
    for profile in enforceable(["default", "landlock-only"]) {
        // Only its own user can open a terminal: root's command runs as nobody.
        let workspace = Workspace::new(Caller::User);
        let inner = format!(
            "{} run -q --no-tty -p {profile} -- sh -c 'echo out >/dev/stdout; echo err >/dev/stderr'",
            support::binary().display()
        );
        let words = ["run", "-q", "-l", "basic", "--", "script", "-qec", &inner, "/dev/null"];
        let run = workspace.ringfence(words).finish();
        assert_eq!(run.success().replace('\r', ""), "out\nerr", "{profile}");
    }
}

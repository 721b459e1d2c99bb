//! Paths as long as the kernel takes them, and longer ones, which get an error that says so.

mod support;

use std::path::PathBuf;

use support::{Caller, Workspace, callers};

/// One more than `NAME_MAX`.
fn long_name() -> String {
    format!("/tmp/{}", "n".repeat(256))
}

/// One more than `PATH_MAX` has room for.
fn long_path() -> String {
    format!("/{}", "p/".repeat(2048))
}

#[test]
fn a_path_that_is_too_long_is_told_as_such_wherever_it_is_named() {
    let path_of = [
        r#"filesystem.mounts=[{"source": "PATH"}]"#,
        r#"filesystem.mounts=[{"source": "/usr", "target": "PATH"}]"#,
        r#"filesystem.root={"directory": "PATH"}"#,
        r#"filesystem.hide=["PATH"]"#,
        r#"landlock.read=["PATH"]"#,
        r#"process.cwd="PATH""#,
    ];
    let workspace = Workspace::new(Caller::User);
    for path in [long_name(), long_path()] {
        let mut options: Vec<[String; 2]> = ["--ro", "--rw", "--tmpfs", "--hide", "--cwd", "-p"]
            .map(|option| [option.to_owned(), path.clone()])
            .into();
        options.push(["--ro".to_owned(), format!("/usr:{path}")]);
        options.extend(path_of.map(|set| ["--set".to_owned(), set.replace("PATH", &path)]));
        for option in options {
            let option = option.each_ref().map(String::as_str);
            let run = workspace.shell(&option, "echo ran");
            assert_eq!((run.code(), run.stdout()), (125, String::new()), "{option:?}: {run:?}");
            let error = run.stderr().to_lowercase();
            let told = ["too long", "longer than the kernel takes"];
            assert!(told.iter().any(|text| error.contains(text)), "{option:?}: {error}");
        }
    }
}

#[test]
fn a_command_whose_path_is_too_long_cannot_be_executed() {
    for caller in callers() {
        for level in ["basic", "containerized"] {
            let workspace = Workspace::new(caller);
            for path in [long_name(), long_path(), "n".repeat(256), "n".repeat(5000)] {
                let run = workspace.ringfence(["run", "-q", "-l", level, "--", &path]).finish();
                assert_eq!(run.code(), 126, "{caller:?} {level}: {run:?}");
                assert!(run.stderr().contains("ENAMETOOLONG (File name too long)"), "{run:?}");
            }
        }
    }
}

#[test]
fn variables_that_make_a_path_too_long_are_an_error_at_its_place() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let text = r#"{"version": 1, "level": "namespaced",
            "filesystem": {"mounts": ["/usr", "${HOME}/tools"]}}"#;
        workspace.write("project/mine.json", text);
        let mut call = workspace.ringfence(["run", "-p", "./mine.json", "true"]);
        // Of which the kernel would take the first part alone.
        call.command.env("HOME", format!("/{}h", "h/".repeat(2046)));
        let run = call.finish();
        assert_eq!(run.code(), 125, "{caller:?}: {run:?}");
        for text in ["mine.json:2", "too long with its variables replaced"] {
            assert!(run.stderr().contains(text), "{caller:?}: {}", run.stderr());
        }
    }
}

#[test]
fn a_command_runs_in_a_directory_with_a_path_as_long_as_possible() {
    for caller in callers() {
        for level in ["basic", "namespaced", "containerized"] {
            let workspace = Workspace::new(caller);
            let mut directory = workspace.project();
            while directory.as_os_str().len() < 3700 {
                directory.push("d".repeat(200));
            }
            // 4095 bytes at most, and the program is called "x".
            directory.push("e".repeat(4095 - 3 - directory.as_os_str().len()));
            // By its absolute path the kernel takes it, and so does everything here.
            let below = directory.strip_prefix(workspace.path()).unwrap().join("x");
            let program = workspace.write(below.to_str().unwrap(), "#!/bin/sh\necho deep $0\n");
            assert_eq!(program.as_os_str().len(), 4095);
            std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755))
                .unwrap();
            for name in [PathBuf::from("./x"), program] {
                let name = name.to_str().unwrap();
                let mut call = workspace.ringfence(["run", "-q", "-l", level, "--", name]);
                call.command.current_dir(&directory);
                let run = call.finish();
                assert_eq!(run.success(), format!("deep {name}"), "{caller:?} {level}");
            }
        }
    }
}

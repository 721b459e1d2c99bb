//! What is typed arrives as it was typed: options in the profile, words at the command, and text in
//! messages.

use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use clap::Parser;

use super::super::args::{Action, Arguments, RunArguments};
use super::super::quick;
use super::{absolute, changes, escaped};
use crate::fuzzing::Choices;
use crate::policy::{Context, ProfileIdentity, validate};
use crate::profile::diagnostic::{escaped as shown, escaped_lines, obeyed, quoted};
use crate::profile::expand::Variables;
use crate::profile::layering::overlay;
use crate::profile::model::Profile;
use crate::profile::source::Sources;
use crate::profile::vocabulary::Level;

pub(crate) fn target(data: &[u8]) {
    let mut choices = Choices::new(data);
    match choices.below(3) {
        0 => parsers_agree(&mut choices),
        1 => options_arrive(&mut choices),
        _ => messages(&mut choices),
    }
}

/// The quick parser takes a line as the whole one does, or leaves it alone; the words behind the
/// command's name are nobody's but the command's.
fn parsers_agree(choices: &mut Choices<'_>) {
    const WORDS: [&str; 26] = [
        "-q",
        "-v",
        "--json",
        "--degrade",
        "-p",
        "-l",
        "basic",
        "containerized",
        "--net",
        "host",
        "--memory",
        "1GiB",
        "--set",
        "a=b",
        "--ro",
        "--rw",
        "--tmpfs",
        "--hide",
        "--env",
        "--user",
        "--cwd",
        "--report",
        "--",
        "-",
        "true",
        "--connect",
    ];
    let mut line: Vec<OsString> = Vec::new();
    for _ in 0..choices.below(9) {
        if choices.one_in(4) {
            let word: Vec<u8> =
                choices.bytes(6).iter().copied().filter(|byte| *byte != 0).collect();
            line.push(OsString::from_vec(word));
        } else {
            line.push(choices.pick(&WORDS).into());
        }
    }
    let Some(quick) = quick::parse(line.iter().cloned()) else { return };
    let whole = Arguments::try_parse_from(
        ["ringfence", "run"].iter().map(OsString::from).chain(line.iter().cloned()),
    );
    let whole = match whole.map(|arguments| arguments.action) {
        Ok(Action::Run(run)) => run,
        other => panic!("only the quick parser takes {line:?}: {other:?}"),
    };
    assert_eq!(format!("{quick:?}"), format!("{whole:?}"), "{line:?}");
    assert!(line.ends_with(&quick.command), "{line:?}: {:?}", quick.command);
}

/// A path of an option is that path in the policy, whatever is in its name; so are values of
/// variables, and the name of a user.
fn options_arrive(choices: &mut Choices<'_>) {
    let mut run = RunArguments::default();
    let name = |c: &mut Choices<'_>| format!("/{}", c.text(6).replace(['/', ':'], "_"));
    let (shown, hidden, cwd) = (name(choices), name(choices), name(choices));
    let value = choices.text(8);
    run.sandbox.rw.push(OsString::from(&shown));
    run.sandbox.hide.push(OsString::from(&hidden));
    run.sandbox.cwd = Some(OsString::from(&cwd));
    run.sandbox.env.push(OsString::from(format!("A={value}")));
    let mut sources = Sources::default();
    let made = changes(&run.sandbox, &mut sources, false);
    let made = made.unwrap_or_else(|error| panic!("{shown:?} {hidden:?} {cwd:?}: {error}"));
    let base = Profile { level: Some(Level::Namespaced.into()), ..Profile::default() };
    let profile = made.profiles.into_iter().fold(base, overlay);
    let context = Context {
        variables: Variables {
            home: Some("/home/me".into()),
            cwd: Some("/work".into()),
            real_home: None,
            uid: 1000,
        },
        environment: Vec::new(),
    };
    let policy = validate(profile, ProfileIdentity::default(), &sources, &context);
    let Ok(policy) = policy else { return };
    let normal = |path: &str| absolute(OsStr::new(path)).expect("an absolute path");
    let target = policy.filesystem.mounts.iter().any(|mount| mount.target == normal(&shown));
    assert!(target, "{shown:?}: {:?}", policy.filesystem.mounts);
    assert_eq!(policy.filesystem.hide, [normal(&hidden)]);
    assert_eq!(policy.process.cwd, normal(&cwd));
    let variable = policy.environment.iter().find(|(name, _)| name == "A");
    assert_eq!(variable.map(|(_, value)| value.as_os_str()), Some(OsStr::new(&value)));
}

/// Whatever a file, a variable or a command is called, a terminal only draws it, and nothing of
/// it looks like more than one text.
fn messages(choices: &mut Choices<'_>) {
    let text = String::from_utf8_lossy(choices.rest()).into_owned();
    let safe = shown(&text);
    assert!(!safe.chars().any(obeyed), "{safe:?}");
    assert!(escaped_lines(&text).split('\n').count() == text.split('\n').count());
    let quoted = quoted(&text);
    assert!(!quoted.chars().any(obeyed), "{quoted:?}");
    assert!(quoted.starts_with('"') && quoted.ends_with('"') && quoted.len() >= 2);
    // A path becomes text of a profile, and that path again.
    let path = PathBuf::from(format!("/{}", text.replace('\0', "")));
    if let Ok(template) = escaped(&path) {
        let variables = Variables::default();
        let sources = Sources::default();
        let expander =
            crate::profile::expand::Expander { variables: &variables, sources: &sources };
        let origin = crate::profile::source::Origin::CODE;
        let again = expander.path(&template, origin).expect("there is no variable in it");
        assert_eq!(again.as_path(), path.as_path());
    }
    exec_strings(&text);
}

/// What is executed is what was typed, word by word: or it is refused, if it can't be said to the
/// kernel.
fn exec_strings(text: &str) {
    let words: Vec<OsString> = text.split('\n').map(OsString::from).collect();
    let sayable = words.iter().all(|word| CString::new(word.as_bytes()).is_ok());
    let read = crate::os::fuzzing::argument_strings(&words);
    assert_eq!(read.is_some(), sayable, "{words:?}");
    if let Some(read) = read {
        assert_eq!(read, words);
    }
}

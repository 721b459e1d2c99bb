//! The usual forms of `ringfence run`, taken apart without building a parser for all of them: that
//! takes ten times as long, and a launch hasn't got much time.
//!
//! Whatever isn't plain here, be it right or wrong, is left to the parser of [`super::args`]. A
//! test compares the two.

use std::ffi::OsString;

use super::args::RunArguments;
use crate::profile::vocabulary::{Level, NetworkMode};

/// Parses the words behind `run`; `None`: not for this parser to say.
pub(super) fn parse(words: impl IntoIterator<Item = OsString>) -> Option<RunArguments> {
    let mut words = words.into_iter();
    let mut run = RunArguments::default();
    let mut profile = None;
    loop {
        let word = words.next()?;
        if word == "--" {
            run.command = words.collect();
            break;
        }
        if !word.as_encoded_bytes().starts_with(b"-") {
            run.command = std::iter::once(word).chain(words).collect();
            break;
        }
        let sandbox = &mut run.sandbox;
        let mut value = || words.next().filter(is_plain);
        let mut text = || value()?.into_string().ok();
        match word.to_str()? {
            "-q" | "--quiet" => once(&mut run.quiet)?,
            "-v" | "--verbose" => once(&mut run.verbose)?,
            "--json" => once(&mut run.json)?,
            "--degrade" => once(&mut sandbox.degrade)?,
            "-p" | "--profile" => set(&mut profile, text()?)?,
            "-l" | "--level" => set(&mut sandbox.level, one_of(text()?, Level::NAMES)?)?,
            "--net" => set(&mut sandbox.net, one_of(text()?, NetworkMode::NAMES)?)?,
            "--memory" => set(&mut sandbox.memory, text()?)?,
            "--cpus" => set(&mut sandbox.cpus, text()?)?,
            "--pids" => set(&mut sandbox.pids, text()?)?,
            "--timeout" => set(&mut sandbox.timeout, text()?)?,
            "--user" => set(&mut sandbox.user, text()?)?,
            "--cwd" => set(&mut sandbox.cwd, value()?)?,
            "--report" => set(&mut run.report, value()?.into())?,
            "--connect" => sandbox.connect.push(text()?),
            "--enforcement" => sandbox.enforcement.push(text()?),
            "--set" => sandbox.set.push(text()?),
            "--ro" => sandbox.ro.push(value()?),
            "--rw" => sandbox.rw.push(value()?),
            "--tmpfs" => sandbox.tmpfs.push(value()?),
            "--hide" => sandbox.hide.push(value()?),
            "--env" => sandbox.env.push(value()?),
            _ => return None,
        }
    }
    run.sandbox.profile = profile.unwrap_or_else(|| "default".to_owned());
    let conflict = run.quiet && run.verbose;
    (!run.command.is_empty() && !conflict).then_some(run)
}

/// Neither empty nor like an option.
fn is_plain(value: &OsString) -> bool {
    !value.is_empty() && !value.as_encoded_bytes().starts_with(b"-")
}

fn once(flag: &mut bool) -> Option<()> {
    (!std::mem::replace(flag, true)).then_some(())
}

fn set<T>(place: &mut Option<T>, value: T) -> Option<()> {
    place.replace(value).is_none().then_some(())
}

fn one_of(value: String, names: &[&str]) -> Option<String> {
    names.contains(&value.as_str()).then_some(value)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::args::{Action, Arguments};
    use super::*;

    fn whole(words: &[&str]) -> Option<RunArguments> {
        let line = ["ringfence", "run"].iter().chain(words);
        match Arguments::try_parse_from(line).ok()?.action {
            Action::Run(run) => Some(run),
            _ => None,
        }
    }

    fn quick(words: &[&str]) -> Option<RunArguments> {
        parse(words.iter().map(OsString::from))
    }

    /// What this parser takes, the whole one takes in the same way.
    #[track_caller]
    fn agree(words: &[&str]) -> bool {
        let quick = quick(words);
        if let Some(quick) = &quick {
            let whole = whole(words);
            assert_eq!(
                Some(format!("{quick:?}")),
                whole.map(|run| format!("{run:?}")),
                "{words:?}"
            );
        }
        quick.is_some()
    }

    #[test]
    fn each_option_is_taken_as_the_whole_parser_takes_it() {
        for option in [
            "--profile",
            "-p",
            "--memory",
            "--cpus",
            "--pids",
            "--timeout",
            "--user",
            "--cwd",
            "--report",
            "--connect",
            "--enforcement",
            "--set",
            "--ro",
            "--rw",
            "--tmpfs",
            "--hide",
            "--env",
        ] {
            assert!(agree(&[option, "7", "true"]), "{option}");
        }
        for (option, value) in [("-l", "basic"), ("--level", "containerized"), ("--net", "host")] {
            assert!(agree(&[option, value, "--", "true", "-q"]), "{option}");
        }
        for option in ["-q", "--quiet", "-v", "--verbose", "--json", "--degrade"] {
            assert!(agree(&[option, "true", "--", "-x"]), "{option}");
        }
    }

    /// Every line of up to five of these words.
    #[test]
    fn no_line_is_taken_otherwise_than_by_the_whole_parser() {
        const WORDS: [&str; 12] =
            ["-q", "-v", "-p", "--level", "basic", "--ro", "--", "-", "true", "--ro=/a", "-qv", ""];
        let mut taken = 0;
        for number in 0..12_usize.pow(4) {
            let digits = (0..4).map(|place| WORDS[number / 12_usize.pow(place) % 12]);
            let line: Vec<_> = digits.collect();
            taken += usize::from(agree(&line));
        }
        assert!(taken > 1000, "{taken}");
    }

    #[test]
    fn what_is_wrong_or_rare_is_left_to_the_whole_parser() {
        for line in [
            &["-q", "-q", "true"][..],
            &["-q", "-v", "true"],
            &["-l", "none", "true"],
            &["--help"],
            &["-p"],
            &["--report-fd", "3", "true"],
            &["--"],
            &[],
        ] {
            assert!(quick(line).is_none(), "{line:?}");
        }
    }
}

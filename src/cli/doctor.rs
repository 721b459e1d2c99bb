//! `ringfence doctor`.

use super::args::{DoctorArguments, SandboxArguments};
use super::output::{self, BAD, DOUBTFUL, FAINT, GOOD, HEADING, paint, paint_padded};
use super::{failure, request};
use crate::error::Error;
use crate::launch::doctor::{Answer, Diagnosis, Finding, LevelAnswer, diagnose};
use crate::launch::load::context_of_caller;
use crate::plan::Problem;
use crate::profile::diagnostic::escaped;

/// Examines the host; what the program is to exit with.
pub(super) fn doctor(arguments: &DoctorArguments) -> u8 {
    // A broken profile of that name is no reason not to look at the host.
    let default = SandboxArguments { profile: "default".to_owned(), ..Default::default() };
    let policies = request::resolve(&default, false).map(|request| request.policies);
    let diagnosis = diagnose(&context_of_caller(), &policies.unwrap_or_default());
    let nothing = || Error::Usage("nothing can be found out about this host".to_owned());
    let written = diagnosis.ok_or_else(nothing).and_then(|diagnosis| {
        if arguments.json {
            output::print_json(&diagnosis)
        } else {
            output::print(&text(&diagnosis))
        }
    });
    match written {
        Ok(()) => 0,
        Err(error) => failure::tell(&error, arguments.json),
    }
}

fn text(diagnosis: &Diagnosis) -> String {
    let mut text = host(diagnosis);
    text += &title("Levels, with every layer required");
    diagnosis.levels.iter().for_each(|level| text += &level_lines(level));
    text += &default_line(diagnosis);
    let (mut topic, mut remedy) = ("", "");
    for finding in &diagnosis.findings {
        if finding.topic != topic {
            topic = finding.topic;
            text += &title(&capitalized(topic));
        }
        text += &finding_lines(finding, &mut remedy);
    }
    text += &title("Surroundings");
    for one in &diagnosis.surroundings {
        let value = one.value.as_deref().map_or_else(|| "unknown".to_owned(), escaped);
        text += &format!("  {:<33} {value}: {}\n", one.name, one.meaning);
    }
    text
}

fn title(text: &str) -> String {
    format!("\n{}\n", paint(HEADING, text))
}

fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().collect::<String>() + letters.as_str()
    })
}

fn host(diagnosis: &Diagnosis) -> String {
    let user = &diagnosis.user;
    let architecture = diagnosis.architecture.unwrap_or("an unknown architecture");
    let privileges = match user.capabilities.len() {
        0 => "no capabilities".to_owned(),
        count => format!("{count} capabilities"),
    };
    let (style, highest) = match diagnosis.highest_level {
        Some(level) => (GOOD, level.as_str()),
        None => (BAD, "none"),
    };
    format!(
        "{} Linux {} on {architecture}, user {}, group {}, {privileges}\n\
         {} {}\n",
        paint(HEADING, "Host"),
        escaped(&diagnosis.kernel),
        user.uid,
        user.gid,
        paint(HEADING, "Highest level"),
        paint(style, highest),
    )
}

fn level_lines(answer: &LevelAnswer) -> String {
    let (style, word) = if answer.reached { (GOOD, "yes") } else { (BAD, "no") };
    let mut text = format!("  {:<33} {}\n", answer.level.as_str(), paint(style, word));
    text += &problems(&answer.problems);
    text
}

/// What is missing, each cause once.
fn problems(problems: &[Problem]) -> String {
    let mut text = String::new();
    for (number, problem) in problems.iter().enumerate() {
        if !problems[..number].iter().any(|known| known.cause == problem.cause) {
            text += &format!("    {}: {}\n", problem.layer, escaped(&problem.cause.found));
            text += &format!("      remedy: {}\n", escaped(&problem.cause.remedy));
        }
    }
    text
}

fn default_line(diagnosis: &Diagnosis) -> String {
    let default = &diagnosis.default_profile;
    match &default.enforced {
        None => {
            format!("  {:<33} {}\n", "profile default", paint(BAD, "no"))
                + &problems(&default.problems)
        }
        Some(name) => {
            let effective = default.effective_level.map_or("none", |level| level.as_str());
            let itself = name == "default";
            let style = if itself { GOOD } else { DOUBTFUL };
            let taken =
                if itself { String::new() } else { format!("{} takes its place, ", escaped(name)) };
            let word = if itself { "yes" } else { "no" };
            format!(
                "  {:<33} {}, {taken}effective level {effective}\n",
                "profile default",
                paint(style, word)
            )
        }
    }
}

fn finding_lines<'a>(finding: &'a Finding, told: &mut &'a str) -> String {
    let (style, word) = match finding.answer {
        Answer::Yes => (GOOD, "yes"),
        Answer::No => (BAD, "no"),
        Answer::Inconclusive => (DOUBTFUL, "inconclusive"),
    };
    let detail = match (&finding.detail, finding.answer) {
        (Some(detail), _) => format!(" {}", paint(FAINT, &escaped(detail))),
        (None, Answer::Inconclusive) => {
            format!(" {}", paint(FAINT, "could not be tried; nothing speaks against it"))
        }
        (None, _) => String::new(),
    };
    let line = format!("  {:<33} {}{detail}", finding.name, paint_padded(style, word, 3));
    let mut text = line.trim_end().to_owned() + "\n";
    if let Some(cause) = &finding.cause {
        text += &format!("    cause: {}\n", escaped(&cause.found));
        // Several things are often missing for one reason.
        let again = *told == cause.remedy;
        let remedy = if again { "as above".to_owned() } else { escaped(&cause.remedy) };
        text += &format!("    remedy: {remedy}\n");
        *told = &cause.remedy;
    }
    text
}

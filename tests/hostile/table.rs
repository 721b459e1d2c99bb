//! Attacks by levels: who claims what, and whether it holds.

use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::scene::Scene;
use crate::support::{Caller, callers, host};

/// The columns: the five levels, each of the profile `default`, and two more built-in profiles.
pub const COLUMNS: [&str; 7] = [
    "basic",
    "user-based",
    "namespaced",
    "resource-limited",
    "containerized",
    "untrusted",
    "landlock-only",
];

/// Everything.
pub const ALL: &[&str] = &COLUMNS;
/// Where the user is another, or powerless.
pub const IDENTITY: &[&str] = &[
    "user-based",
    "namespaced",
    "resource-limited",
    "containerized",
    "untrusted",
    "landlock-only",
];
/// Where there are namespaces, and a view of files of its own.
pub const VIEW: &[&str] = &["namespaced", "resource-limited", "containerized", "untrusted"];
/// The same, or Landlock.
pub const VIEW_OR_LANDLOCK: &[&str] =
    &["namespaced", "resource-limited", "containerized", "untrusted", "landlock-only"];
/// Where the whole tree is limited.
pub const TREE_LIMITS: &[&str] = &["resource-limited", "containerized", "untrusted"];
/// Where there is a filter of system calls, and Landlock.
pub const FILTER: &[&str] = &["containerized", "untrusted", "landlock-only"];
/// Where there is a root of its own.
pub const ROOT: &[&str] = &["containerized", "untrusted"];

/// How often an attack that needs a race is tried at least, at all levels and by all callers
/// together.
const TRIES: usize = 2000;

fn tries() -> usize {
    let asked = std::env::var("RINGFENCE_TRIES").ok().and_then(|tries| tries.parse().ok());
    asked.unwrap_or(TRIES)
}

/// How it is known that an attack would succeed if nothing held it.
#[derive(Clone, Copy)]
pub enum Control {
    /// It does without a sandbox, for these callers.
    Bare(&'static [Caller]),
    /// It does in this column, which doesn't claim it, for these callers.
    At(&'static str, &'static [Caller]),
    /// The trial itself has something that must succeed, or there is no way to try it unharmed.
    Own,
}

pub const BOTH: &[Caller] = &[Caller::Root, Caller::User];
pub const AS_ROOT: &[Caller] = &[Caller::Root];
pub const AS_USER: &[Caller] = &[Caller::User];

/// What a trial came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Held,
    Broken(String),
    /// Why this host can't try it.
    Skipped(String),
}

/// One attack.
#[derive(Clone, Copy)]
pub struct Attack {
    /// Which of the themes it belongs to, from 1 on.
    pub theme: u8,
    /// What must not happen, in the words of the table.
    pub name: &'static str,
    pub claims: &'static [&'static str],
    pub callers: &'static [Caller],
    pub control: Control,
    /// Whether it needs a race: then [`Scene::tries`] says how often it is tried.
    pub race: bool,
    /// Whether its trials do nothing but wait, most of the time.
    pub waits: bool,
    pub trial: fn(&Scene) -> Verdict,
}

impl Attack {
    /// By both callers, without a race.
    pub const fn new(
        theme: u8,
        name: &'static str,
        claims: &'static [&'static str],
        control: Control,
        trial: fn(&Scene) -> Verdict,
    ) -> Self {
        Self { theme, name, claims, callers: BOTH, control, race: false, waits: false, trial }
    }

    fn cells(&self) -> Vec<Cell> {
        let present = callers();
        let mut cells = Vec::new();
        for caller in self.callers.iter().copied().filter(|caller| present.contains(caller)) {
            let controlled = match self.control {
                Control::Bare(by) if by.contains(&caller) => Some(Scene::BARE),
                Control::At(column, by) if by.contains(&caller) => Some(column),
                _ => None,
            };
            cells.extend(controlled.map(|column| Cell { caller, column, held: false }));
            let claimed = self.claims.iter();
            cells.extend(claimed.map(|column| Cell { caller, column, held: true }));
        }
        cells
    }
}

/// One trial of an attack.
struct Cell {
    caller: Caller,
    column: &'static str,
    /// Whether it is to be held, or to succeed.
    held: bool,
}

/// What became of one cell.
struct Result {
    attack: usize,
    column: &'static str,
    held: bool,
    caller: Caller,
    verdict: Verdict,
}

/// Several at a time: a trial waits half of the time.
pub const WORKERS: usize = 4;

/// Tries every attack, `workers` trials at a time, prints the table, and fails if one is broken. `RINGFENCE_ATTACK` is a part of
/// the names of those to be tried, for who looks for the cause of something.
pub fn run(attacks: &[Attack], workers: usize) {
    let begin = Instant::now();
    let only = std::env::var("RINGFENCE_ATTACK").unwrap_or_default();
    let enforceable = host::enforceable(COLUMNS);
    let mut jobs: Vec<(usize, Cell, usize)> = Vec::new();
    for (number, attack) in attacks.iter().enumerate() {
        if !attack.name.contains(&only) {
            continue;
        }
        let mut cells = attack.cells();
        cells.retain(|cell| cell.column == Scene::BARE || enforceable.contains(&cell.column));
        let tries = if attack.race { tries().div_ceil(cells.len().max(1)) } else { 1 };
        jobs.extend(cells.into_iter().map(|cell| (number, cell, tries)));
    }
    let (next, results) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..workers.min(jobs.len()) {
            scope.spawn(|| {
                while let Some((attack, cell, tries)) =
                    jobs.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    let verdict = try_cell(&attacks[*attack], cell, *tries);
                    let (column, held, caller) = (cell.column, cell.held, cell.caller);
                    let result = Result { attack: *attack, column, held, caller, verdict };
                    say_if_wrong(&attacks[*attack], &result);
                    results.lock().unwrap().push(result);
                }
            });
        }
    });
    let results = results.into_inner().unwrap();
    let mut report = table(attacks, &results);
    let problems = problems(attacks, &results);
    report += &format!(
        "{} attacks, {} trials, {:.0} s\n",
        attacks.len(),
        results.len(),
        begin.elapsed().as_secs_f64()
    );
    // Not by eprint!: the test harness would swallow it.
    let _ = std::io::stderr().write_all(report.as_bytes());
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// At once, as the others may take their time.
fn say_if_wrong(attack: &Attack, result: &Result) {
    if matches!((&result.verdict, result.held), (Verdict::Broken(_), true) | (Verdict::Held, false))
    {
        let Result { column, caller, verdict, .. } = result;
        let _ = writeln!(
            std::io::stderr(),
            "WRONG: {}: {column}, {caller:?}: {verdict:?}",
            attack.name
        );
    }
}

fn try_cell(attack: &Attack, cell: &Cell, tries: usize) -> Verdict {
    let scene = Scene::new(cell.caller, cell.column, tries);
    let tried = std::panic::AssertUnwindSafe(|| (attack.trial)(&scene));
    std::panic::catch_unwind(tried)
        .unwrap_or_else(|_| Verdict::Broken("the trial failed: see above".into()))
}

/// What went wrong; skips are said on the way.
fn problems(attacks: &[Attack], results: &[Result]) -> Vec<String> {
    let mut problems = Vec::new();
    for Result { attack, column, held, caller, verdict } in results {
        let name = attacks[*attack].name;
        match (verdict, held) {
            (Verdict::Skipped(why), _) => {
                crate::support::skip("hostile", &format!("{name}, {column}, {caller:?}: {why}"));
            }
            (Verdict::Held, true) | (Verdict::Broken(_), false) => {}
            (Verdict::Broken(how), true) => {
                problems.push(format!("BROKEN: {name}: {column}, {caller:?}: {how}"));
            }
            (Verdict::Held, false) => problems.push(format!(
                "{name}: the attack has no effect at {column}, {caller:?}, where nothing holds it: \
                 so it proves nothing"
            )),
        }
    }
    problems
}

/// The table, for people.
fn table(attacks: &[Attack], results: &[Result]) -> String {
    let width = attacks.iter().map(|attack| attack.name.len()).max().unwrap_or_default();
    let mut text = format!("\n{:width$}", "");
    for column in COLUMNS {
        text += &format!("  {column:^16}");
    }
    text.push('\n');
    for (number, attack) in attacks.iter().enumerate() {
        text += &format!("{:width$}", attack.name);
        for column in COLUMNS {
            let of_cell = results
                .iter()
                .filter(|result| result.attack == number && result.column == column && result.held);
            let verdicts: Vec<_> = of_cell.map(|result| &result.verdict).collect();
            let word = if !attack.claims.contains(&column) {
                "not claimed"
            } else if verdicts.iter().any(|verdict| matches!(verdict, Verdict::Broken(_))) {
                "BROKEN"
            } else if verdicts.contains(&&Verdict::Held) {
                "held"
            } else {
                "skipped"
            };
            text += &format!("  {word:^16}");
        }
        text.push('\n');
    }
    text
}

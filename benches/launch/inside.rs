//! What it costs to be inside: system calls that pass the filter and Landlock, and a job of
//! compiling.

use std::ffi::OsString;
use std::path::Path;

use crate::launches::Caller;
use crate::peers;
use crate::place::median;
use crate::ways::{command, compare, milliseconds};

const CALLS: [&str; 3] = ["getppid", "openat+close", "stat"];
const OURS: &str = "ringfence, containerized";
const FILTERED: &str = "outside, a filter allows all";
const WITHOUT_SECCOMP: &str = "ringfence without seccomp";
const WITHOUT_BOTH: &str = "ringfence without both";

/// Minimum and median.
type Nanoseconds = (f64, f64);

/// System calls: nanoseconds of each, and how many more than outside.
pub(crate) fn calls(caller: Caller<'_>, rounds: usize) {
    let Caller { place, programs, user, who } = caller;
    let Some(program) = place.build("inside", include_str!("inside.c")) else { return };
    let plain: Vec<OsString> = vec![program.clone().into(), program.clone().into()];
    let filtered = plain.iter().cloned().chain(["filter".into()]).collect();
    let ours = |options: &[&str]| programs.run(&programs.profile, options, &[&program, &program]);
    let (landlock, seccomp) = ("--enforcement=landlock=off", "--enforcement=seccomp=off");
    let mut bwrap = peers::bubblewrap(&place.0, &program);
    bwrap.push(program.clone().into());
    let ways: [(&str, Vec<OsString>); 7] = [
        ("outside", plain),
        (FILTERED, filtered),
        (OURS, ours(&[])),
        ("ringfence without Landlock", ours(&[landlock])),
        (WITHOUT_SECCOMP, ours(&[seccomp])),
        (WITHOUT_BOTH, ours(&[landlock, seccomp])),
        ("bwrap", bwrap),
    ];
    println!("\nAs {who}: system calls inside, {rounds} rounds, ns each: min, median");
    let mut found: Vec<Vec<[f64; 3]>> = vec![Vec::new(); ways.len()];
    for _ in 0..rounds {
        for ((name, words), found) in ways.iter().zip(&mut found) {
            match once(words, user, &place.0) {
                Some(times) => found.push(times),
                None => println!("  one failed: {name}"),
            }
        }
    }
    println!("  {:<34}{}", "", CALLS.map(|call| format!("{call:>16}        ")).concat());
    let mut table = Vec::new();
    for ((name, _), found) in ways.iter().zip(&found) {
        let figures: Vec<Nanoseconds> = (0..CALLS.len())
            .filter_map(|call| {
                let all: Vec<_> = found.iter().map(|times| times[call]).collect();
                Some((all.iter().copied().fold(f64::INFINITY, f64::min), median(all)?))
            })
            .collect();
        let text = figures.iter().map(|(least, median)| format!("{least:>12.0} {median:>8.0}   "));
        println!("  {name:<34}{}", text.collect::<String>());
        table.push((*name, figures));
    }
    targets(&|name, call| {
        let (_, figures) = table.iter().find(|(own, _)| *own == name)?;
        figures.get(call).copied()
    });
}

fn targets(of: &dyn Fn(&str, usize) -> Option<Nanoseconds>) {
    let verdict = |met: bool| if met { "met" } else { "NOT MET" };
    let ratio = |one: Nanoseconds, other: Nanoseconds| (one.0 / other.0, one.1 / other.1);
    if let [Some(outside), Some(kernel), Some(own)] =
        ["outside", FILTERED, OURS].map(|name| of(name, 0))
    {
        let (least, middle) = ratio(own, outside);
        let met = verdict(least <= 1.03 && middle <= 1.03);
        println!("  target: getppid at most 1.03 of outside: {least:.2}, {middle:.2}: {met}");
        let (least, middle) = ratio(kernel, outside);
        println!("  of it the kernel's, for having any filter at all: {least:.2}, {middle:.2}");
    }
    if let [Some(own), Some(bwrap), Some(landlock), Some(neither)] =
        [OURS, "bwrap", WITHOUT_SECCOMP, WITHOUT_BOTH].map(|name| of(name, 1))
    {
        let most = (bwrap.0 + landlock.0 - neither.0, bwrap.1 + landlock.1 - neither.1);
        let met = verdict(own.0 <= most.0 && own.1 <= most.1);
        println!(
            "  target: openat at most bwrap's and what Landlock adds, {:.0}, {:.0} ns: {:.0}, \
             {:.0}: {met}",
            most.0, most.1, own.0, own.1
        );
    }
}

fn once(words: &[OsString], user: Option<u32>, place: &Path) -> Option<[f64; 3]> {
    let output = command(words, user, place).stdout(std::process::Stdio::piped()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let mut numbers = text.split_whitespace().map(str::parse);
    let mut next = || numbers.next()?.ok();
    Some([next()?, next()?, next()?])
}

/// One file compiled, from source to object, by gcc: some hundred files are looked for and read.
pub(crate) fn compiling(caller: Caller<'_>, rounds: usize) {
    let Caller { place, programs, who, .. } = caller;
    let gcc = Path::new("/usr/bin/gcc");
    if !gcc.exists() {
        return println!("\nSKIP compiling: there is no /usr/bin/gcc");
    }
    let source = place.0.join("floor.c");
    let words: [&Path; 6] =
        [gcc, "-O1".as_ref(), "-c".as_ref(), source.as_ref(), "-o".as_ref(), "/dev/null".as_ref()];
    let plain = words.iter().map(OsString::from).collect();
    let mut bwrap = peers::bubblewrap(&place.0, gcc);
    bwrap.extend(words[1..].iter().map(OsString::from));
    let ways = vec![
        caller.way("outside", plain),
        caller.way("ringfence, containerized", programs.run(&programs.profile, &[], &words)),
        caller.way("bwrap", bwrap),
    ];
    let figures = compare(&format!("As {who}: one C file compiled"), ways, rounds);
    let find = |name: &str| figures.iter().find(|own| own.name == name).map(|own| own.median);
    if let (Some(plain), Some(ours)) = (find("outside"), find("ringfence, containerized")) {
        let more = ours.saturating_sub(plain);
        println!("  more than outside, the launch included: {:.1} ms", milliseconds(more));
    }
}

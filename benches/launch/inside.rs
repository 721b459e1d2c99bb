//! What it costs to be inside: system calls that pass the filter and Landlock, and a job of
//! compiling.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use crate::launches::{Programs, profile};
use crate::peers;
use crate::place::{Place, median};
use crate::ways::{Way, command, compare};

/// System calls: nanoseconds of each, and how many more than outside.
pub(crate) fn calls(
    place: &Place,
    programs: &Programs,
    user: Option<u32>,
    who: &str,
    rounds: usize,
) {
    const CALLS: [&str; 3] = ["getppid", "openat+close", "stat"];
    let Some(program) = place.build("inside", include_str!("inside.c")) else { return };
    let file = program.clone();
    let with = |more: &str, name: &str| place.write(name, &profile(&place.0, more));
    let off = |layers: &[&str]| {
        let settings: Vec<_> = layers.iter().map(|l| format!("--enforcement={l}=off")).collect();
        settings
    };
    let whole = with("", "inside.json");
    let ours = |off: &[String]| {
        let options: Vec<_> = off.iter().map(String::as_str).collect();
        programs.run(&whole, &options, &[&program, &file])
    };
    let plain: Vec<OsString> = vec![program.clone().into(), file.clone().into()];
    let mut bwrap = peers::bubblewrap(&place.0, &program);
    bwrap.push(file.clone().into());
    let ways = [
        ("outside", plain),
        ("ringfence, containerized", ours(&[])),
        ("ringfence without Landlock", ours(&off(&["landlock"]))),
        ("ringfence without seccomp", ours(&off(&["seccomp"]))),
        ("ringfence without both", ours(&off(&["landlock", "seccomp"]))),
        ("bwrap", bwrap),
    ];
    println!("\nAs {who}: system calls inside, {rounds} rounds, ns each: min, median");
    let mut found: Vec<Vec<[f64; 3]>> = vec![Vec::new(); ways.len()];
    for _ in 0..rounds {
        for ((name, words), found) in ways.iter().zip(&mut found) {
            match once(words, user, &place.0) {
                Some(times) => found.push(times),
                None if found.is_empty() => println!("  SKIP one of {name}: it failed"),
                None => {}
            }
        }
    }
    print!("  {:<34}", "");
    println!("{}", CALLS.map(|call| format!("{call:>16}        ")).concat());
    let mut table = Vec::new();
    for ((name, _), found) in ways.iter().zip(&found) {
        let of = |call: usize| found.iter().map(|times| times[call]).collect::<Vec<_>>();
        let figures: Option<Vec<_>> = (0..3)
            .map(|call| {
                let least = of(call).into_iter().fold(f64::INFINITY, f64::min);
                Some((least, median(of(call))?))
            })
            .collect();
        let Some(figures) = figures else { continue };
        let text = figures.iter().map(|(least, median)| format!("{least:>12.0} {median:>8.0}   "));
        println!("  {name:<34}{}", text.collect::<String>());
        table.push((*name, figures));
    }
    let of = |name: &str, call: usize| {
        table.iter().find(|(own, _)| *own == name).map(|(_, figures)| figures[call])
    };
    let (Some(outside), Some(inside)) = (of("outside", 0), of("ringfence, containerized", 0))
    else {
        return;
    };
    let more = |(one, two): (f64, f64)| (one / outside.0, two / outside.1);
    let (least, middle) = more(inside);
    let verdict = if least <= 1.03 && middle <= 1.03 { "met" } else { "NOT MET" };
    println!("  target: getppid at most 1.03 of outside: {least:.2}, {middle:.2}: {verdict}");
    let names = [
        "ringfence, containerized",
        "bwrap",
        "ringfence without seccomp",
        "ringfence without both",
    ];
    if let [Some(own), Some(bwrap), Some(landlock), Some(neither)] = names.map(|name| of(name, 1)) {
        let most = (bwrap.0 + landlock.0 - neither.0, bwrap.1 + landlock.1 - neither.1);
        let verdict = if own.0 <= most.0 && own.1 <= most.1 { "met" } else { "NOT MET" };
        println!(
            "  target: openat at most bwrap's and what Landlock adds, {:.0} {:.0} ns: {:.0} {:.0}: {verdict}",
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
pub(crate) fn compiling(
    place: &Place,
    programs: &Programs,
    user: Option<u32>,
    who: &str,
    rounds: usize,
) {
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
    let way = |name: &str, words| Way::program(name, words, user, &place.0);
    let ways = vec![
        way("outside", plain),
        way("ringfence, containerized", programs.run(&programs.profile, &[], &words)),
        way("bwrap", bwrap),
    ];
    let figures = compare(&format!("As {who}: one C file compiled"), ways, rounds);
    let find = |name: &str| figures.iter().find(|own| own.name == name).map(|own| own.median);
    if let (Some(plain), Some(ours)) = (find("outside"), find("ringfence, containerized")) {
        let more = ours.saturating_sub(plain);
        println!("  more than outside, the launch included: {:.1} ms", more_ms(more));
    }
}

fn more_ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

//! What is asked of the rooms with input that nobody chose.
//!
//! Each target is a function of bytes that panics when a property doesn't hold. Three runners call
//! it: libFuzzer (`fuzz/fuzz_targets`, one line each), which looks for bytes that reach new code;
//! the tests below, which replay the corpus of `fuzz/corpus` and try mutations of it, with a seed
//! that is always the same; and who looks into a failure, by `RINGFENCE_FUZZ`.
//!
//! Nothing of this is in what users build: the module exists for tests and for `cfg(fuzzing)`.

#[cfg(test)]
mod built_in;
mod choices;
mod layering;
mod planning;
mod profile_text;
mod profiles;
mod report;
mod seccomp;
#[cfg(test)]
mod tests;
mod tightening;

pub(crate) use choices::Choices;

/// A property of arbitrary bytes.
pub type Target = fn(&[u8]);

/// Every target, by the name of its file in `fuzz/fuzz_targets` and its folder in `fuzz/corpus`.
pub const TARGETS: &[(&str, Target)] = &[
    ("command_line", crate::cli::fuzzing::target),
    ("kernel_texts", crate::os::fuzzing::kernel_texts),
    ("layering", layering::target),
    ("plan", planning::target),
    ("profile_text", profile_text::target),
    ("report", report::target),
    ("seccomp", seccomp::target),
    ("tightening", tightening::target),
];

/// Runs a target by its name.
///
/// # Panics
/// Where the property doesn't hold, or there is no such target.
pub fn run(name: &str, data: &[u8]) {
    let found = TARGETS.iter().find(|(known, _)| *known == name);
    let (_, target) = found.unwrap_or_else(|| panic!("no target {name}"));
    target(data);
}

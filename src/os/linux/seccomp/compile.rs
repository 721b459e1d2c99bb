//! Compiles a policy for one architecture.
//!
//! A filter first looks at the architecture of the call, then finds the treatment of its number
//! by a binary search over ranges of numbers that are treated alike, and in some cases goes on to
//! look at arguments.
//!
//! A call through another architecture's interface (i386's on `x86_64`, 32-bit Arm's on aarch64)
//! kills the process: its numbers mean other calls. An x32 call fails with `ENOSYS`, which is what a
//! kernel without x32 says. The x32 numbers need no check of their own: they are ranges.

use std::collections::BTreeMap;

use super::assemble::{Assembler, Compare, Target};
use super::{MAX_INSTRUCTIONS, Program, arguments};
use crate::policy::arch::Arch;
use crate::policy::seccomp::{SeccompAction, SeccompPolicy, Treatment};

/// `offsetof(struct seccomp_data, nr)`.
const NUMBER: u32 = 0;
/// `offsetof(struct seccomp_data, arch)`.
const ARCH: u32 = 4;

/// Calls that programs make all the time; the search for them is short.
///
/// Since Linux 5.11 the kernel remembers which calls a filter always allows, and skips it.
const FREQUENT: &[&str] = &[
    "read",
    "write",
    "close",
    "fstat",
    "newfstatat",
    "lseek",
    "mmap",
    "munmap",
    "openat",
    "futex",
    "pread64",
    "pwrite64",
    "rt_sigprocmask",
    "clock_gettime",
    "epoll_pwait",
    "epoll_wait",
    "poll",
    "recvfrom",
    "sendto",
    "recvmsg",
    "sendmsg",
    "writev",
    "getpid",
    "madvise",
    "sched_yield",
];

/// How much more often than others the frequent calls are assumed to be made.
const FREQUENT_WEIGHT: u32 = 32;

/// Why a policy can't be made into a filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CompileError {
    /// The kernel would not take it.
    #[error(
        "the filter needs {instructions} instructions and the kernel takes {MAX_INSTRUCTIONS}; \
         use fewer argument rules"
    )]
    TooLong {
        /// How many it needs.
        instructions: usize,
    },
}

/// Compiles the filter that carries out a policy on one architecture. Equal policies give equal
/// filters.
///
/// # Errors
/// [`CompileError::TooLong`] for a policy with thousands of argument rules.
pub fn compile(policy: &SeccompPolicy, arch: Arch) -> Result<Program, CompileError> {
    let mut assembler = Assembler::default();
    let mut blocks = BTreeMap::new();
    let ranges: Vec<Range> = ranges(policy, arch)
        .into_iter()
        .map(|(first, weight, treatment)| {
            let target = *blocks
                .entry(treatment)
                .or_insert_with_key(|treatment| arguments::block(&mut assembler, treatment));
            Range { first, weight, target }
        })
        .collect();
    let search = search(&mut assembler, &ranges);
    let native = assembler.load(NUMBER, search);
    let foreign = Target::Return(SeccompAction::Kill);
    let is_native = assembler.branch(Compare::Equal, arch.audit(), native, foreign);
    let entry = assembler.load(ARCH, is_native);
    let instructions = assembler.finish(entry);
    if instructions.len() > MAX_INSTRUCTIONS {
        return Err(CompileError::TooLong { instructions: instructions.len() });
    }
    Ok(Program(instructions))
}

/// Call numbers from `first` up to the next range's.
struct Range {
    first: u32,
    weight: u32,
    target: Target,
}

/// Ranges of neighbouring numbers that are treated alike: first number, weight, treatment.
/// Together they are all numbers.
fn ranges(policy: &SeccompPolicy, arch: Arch) -> Vec<(u32, u32, Treatment)> {
    let unnamed = |number| (1, Treatment::always(policy.unnamed(arch, number)));
    let mut starts = vec![(0, unnamed(0))];
    for (number, call) in arch.calls() {
        let weight = if FREQUENT.contains(&call) { FREQUENT_WEIGHT } else { 1 };
        let treatment = policy.treatment(call).cloned();
        // Calls come by ascending number: what begins here is the end of the one before, or a gap's.
        starts.pop_if(|(start, _)| *start == number);
        starts.push((number, treatment.map_or_else(|| unnamed(number), |one| (weight, one))));
        starts.push((number + 1, unnamed(number + 1)));
    }
    for range in arch.x32_calls() {
        let after = range.end().checked_add(1);
        let more = after.into_iter().chain([*range.start()]);
        starts.extend(more.map(|start| (start, unnamed(start))));
    }
    // Of two with one start, the call's own comes first and stays.
    starts.sort_by_key(|(start, _)| *start);
    starts.dedup_by_key(|(start, _)| *start);
    let mut ranges: Vec<(u32, u32, Treatment)> = Vec::new();
    for (first, (weight, treatment)) in starts {
        match ranges.last_mut() {
            Some((_, total, last)) if *last == treatment => *total += weight,
            _ => ranges.push((first, weight, treatment)),
        }
    }
    ranges
}

/// Finds the range of the number in the accumulator: a binary search that halves weights.
fn search(assembler: &mut Assembler, ranges: &[Range]) -> Target {
    if let [only] = ranges {
        return only.target;
    }
    let total: u32 = ranges.iter().map(|range| range.weight).sum();
    let mut before = 0;
    let heavier_half = |index: usize| {
        before += ranges[index - 1].weight;
        before.max(total - before)
    };
    let halves = (1..ranges.len()).map(heavier_half).enumerate();
    let middle = halves.min_by_key(|(_, weight)| *weight).map_or(1, |(index, _)| index + 1);
    let above = search(assembler, &ranges[middle..]);
    let below = search(assembler, &ranges[..middle]);
    assembler.branch(Compare::GreaterOrEqual, ranges[middle].first, above, below)
}

//! The part of a filter that looks at the arguments of a call.

use super::assemble::{Assembler, Compare, Target};
use crate::policy::seccomp::{Condition, Rule, Test, Treatment, Width};

/// `offsetof(struct seccomp_data, args)`.
const ARGUMENTS: u32 = 16;

/// Writes what carries out a treatment, and says where it begins.
pub(super) fn block(assembler: &mut Assembler, treatment: &Treatment) -> Target {
    let loads = loads(&treatment.rules);
    let mut next = Target::Return(treatment.otherwise);
    for (rule, loads) in treatment.rules.iter().zip(loads).rev() {
        let mut target = Target::Return(rule.action);
        for (condition, load) in rule.conditions.iter().zip(loads).rev() {
            target = match condition.width() {
                Width::Low => low(assembler, *condition, load, target, next),
                Width::Full => full(assembler, *condition, target, next),
            };
        }
        next = target;
    }
    next
}

/// For each condition of each rule, whether the word it compares has to be loaded: not if all
/// ways that lead to it have just compared the same word.
fn loads(rules: &[Rule]) -> Vec<Vec<bool>> {
    let mut loaded = None;
    rules
        .iter()
        .map(|rule| {
            let mut after_failures = Vec::new();
            let loads = rule.conditions.iter().map(|condition| {
                let word = (condition.width() == Width::Low).then(|| condition.index());
                let load = word.is_none() || word != loaded;
                let kept = !matches!(condition.test(), Test::MaskedEqual { .. });
                loaded = word.filter(|_| kept);
                after_failures.push(loaded);
                load
            });
            let loads = loads.collect();
            let same = after_failures.windows(2).all(|pair| pair[0] == pair[1]);
            loaded = after_failures.first().copied().flatten().filter(|_| same);
            loads
        })
        .collect()
}

/// Compares the lower half of an argument.
fn low(
    assembler: &mut Assembler,
    condition: Condition,
    load: bool,
    yes: Target,
    no: Target,
) -> Target {
    let compare = match condition.test() {
        Test::Equal(value) => assembler.branch(Compare::Equal, half(value), yes, no),
        Test::NotEqual(value) => assembler.branch(Compare::Equal, half(value), no, yes),
        Test::Greater(value) => assembler.branch(Compare::Greater, half(value), yes, no),
        Test::LessOrEqual(value) => assembler.branch(Compare::Greater, half(value), no, yes),
        Test::GreaterOrEqual(value) => {
            assembler.branch(Compare::GreaterOrEqual, half(value), yes, no)
        }
        Test::Less(value) => assembler.branch(Compare::GreaterOrEqual, half(value), no, yes),
        Test::MaskedEqual { mask, value } => {
            let compare = assembler.branch(Compare::Equal, half(value), yes, no);
            assembler.and(half(mask), compare)
        }
        Test::AnyBit(mask) => assembler.branch(Compare::AnyBit, half(mask), yes, no),
    };
    if load { assembler.load(low_word(condition.index()), compare) } else { compare }
}

/// Compares all of an argument: the upper half, and the lower half if that doesn't decide.
fn full(assembler: &mut Assembler, condition: Condition, yes: Target, no: Target) -> Target {
    let index = condition.index();
    match condition.test() {
        Test::Equal(value) => equal(assembler, index, value, yes, no),
        Test::NotEqual(value) => equal(assembler, index, value, no, yes),
        Test::Greater(value) => greater(assembler, index, (Compare::Greater, value), yes, no),
        Test::LessOrEqual(value) => greater(assembler, index, (Compare::Greater, value), no, yes),
        Test::GreaterOrEqual(value) => {
            greater(assembler, index, (Compare::GreaterOrEqual, value), yes, no)
        }
        Test::Less(value) => greater(assembler, index, (Compare::GreaterOrEqual, value), no, yes),
        Test::MaskedEqual { mask, value } => {
            let compare = assembler.branch(Compare::Equal, half(value), yes, no);
            let masked = assembler.and(half(mask), compare);
            let lower = assembler.load(low_word(index), masked);
            let compare = assembler.branch(Compare::Equal, half(value >> 32), lower, no);
            let masked = assembler.and(half(mask >> 32), compare);
            assembler.load(high_word(index), masked)
        }
        Test::AnyBit(mask) => {
            let compare = assembler.branch(Compare::AnyBit, half(mask), yes, no);
            let lower = assembler.load(low_word(index), compare);
            let compare = assembler.branch(Compare::AnyBit, half(mask >> 32), yes, lower);
            assembler.load(high_word(index), compare)
        }
    }
}

fn equal(assembler: &mut Assembler, index: u8, value: u64, yes: Target, no: Target) -> Target {
    let compare = assembler.branch(Compare::Equal, half(value), yes, no);
    let lower = assembler.load(low_word(index), compare);
    let compare = assembler.branch(Compare::Equal, half(value >> 32), lower, no);
    assembler.load(high_word(index), compare)
}

/// `lower` says how the lower halves are compared when the upper ones are equal.
fn greater(
    assembler: &mut Assembler,
    index: u8,
    (lower, value): (Compare, u64),
    yes: Target,
    no: Target,
) -> Target {
    let compare = assembler.branch(lower, half(value), yes, no);
    let lower = assembler.load(low_word(index), compare);
    let if_equal = assembler.branch(Compare::Equal, half(value >> 32), lower, no);
    let compare = assembler.branch(Compare::Greater, half(value >> 32), yes, if_equal);
    assembler.load(high_word(index), compare)
}

/// The lower 32 bits.
#[expect(clippy::cast_possible_truncation, reason = "the other half is compared on its own")]
const fn half(value: u64) -> u32 {
    value as u32
}

/// Every architecture in [`Arch`](crate::policy::arch::Arch) is little-endian.
const fn low_word(index: u8) -> u32 {
    ARGUMENTS + 8 * index as u32
}

const fn high_word(index: u8) -> u32 {
    low_word(index) + 4
}

//! Policies for tests, here and in the room that compiles them.

use super::{SeccompAction, SeccompPolicy, groups};
use crate::policy::arch;
use crate::profile::model::{ArgumentRule, Seccomp, SeccompRule};
use crate::profile::source::Spanned;
use crate::profile::vocabulary::ArgumentOperator;

pub(crate) fn names(names: &[&str]) -> Vec<Spanned<String>> {
    names.iter().map(|name| (*name).to_owned().into()).collect()
}

pub(crate) fn policy(section: &Seccomp) -> SeccompPolicy {
    SeccompPolicy::resolve(section).expect("a valid section")
}

/// What an empty section means.
pub(crate) fn usual() -> SeccompPolicy {
    policy(&Seccomp::default())
}

pub(crate) fn allowing(allow: &[&str]) -> SeccompPolicy {
    policy(&Seccomp { allow: names(allow), ..Seccomp::default() })
}

/// Lets known calls through unless something speaks against them.
pub(crate) fn open() -> SeccompPolicy {
    policy(&Seccomp { default: Some(SeccompAction::Allow.into()), ..Seccomp::default() })
}

pub(crate) fn rule(
    calls: &[&str],
    arguments: &[ArgumentRule],
    action: SeccompAction,
) -> Spanned<SeccompRule> {
    SeccompRule { calls: names(calls), arguments: arguments.to_vec(), action }.into()
}

/// A condition on the lower half of an argument.
pub(crate) fn equal(index: u8, value: u64) -> ArgumentRule {
    ArgumentRule { index, operator: ArgumentOperator::Equal, value, mask: u64::MAX, wide: false }
}

/// The usual policy, and a rule for one use of one call.
pub(crate) fn refusing(call: &str, index: u8, value: u64) -> SeccompPolicy {
    let rules = vec![rule(&[call], &[equal(index, value)], SeccompAction::Errno(groups::EPERM))];
    policy(&Seccomp { rules, ..Seccomp::default() })
}

/// Xorshift (Marsaglia): the same numbers in every run.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("a small number")
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// Small numbers, single bits, all ones, and noise, in either half.
    pub(crate) fn word(&mut self) -> u64 {
        let noise = self.next();
        match self.below(6) {
            0 => noise % 8,
            1 => 1 << (noise % 64),
            2 => u64::MAX - noise % 3,
            3 => (noise % 4) | (noise & (u64::MAX << 32)),
            4 => noise >> 32,
            _ => noise,
        }
    }
}

/// A policy with some of everything.
pub(crate) fn random(random: &mut Random) -> SeccompPolicy {
    policy(&random_section(random))
}

/// A policy with many rules on each of some calls.
pub(crate) fn random_rules(random: &mut Random, calls: &[&str], each: usize) -> SeccompPolicy {
    let calls = calls.iter().flat_map(|call| std::iter::repeat_n(*call, each));
    let rules = calls.map(|call| {
        let arguments = [random_condition(random), random_condition(random)];
        rule(&[call], &arguments, random_action(random))
    });
    policy(&Seccomp { rules: rules.collect(), ..Seccomp::default() })
}

/// A policy with rules on `read`, each about a value of its own.
pub(crate) fn with_rules_on_read(count: u64) -> SeccompPolicy {
    let wide = |value| ArgumentRule { wide: true, ..equal(0, value) };
    let rules = (0..count).map(|n| rule(&["read"], &[wide(n << 20)], SeccompAction::Kill));
    policy(&Seccomp { rules: rules.collect(), ..Seccomp::default() })
}

fn random_action(random: &mut Random) -> SeccompAction {
    let errno = SeccompAction::Errno(u16::try_from(1 + random.below(4095)).expect("16 bits"));
    random.pick(&[SeccompAction::Allow, SeccompAction::Log, SeccompAction::Kill, errno])
}

fn random_section(random: &mut Random) -> Seccomp {
    let calls: Vec<&str> = arch::call_names().to_vec();
    let groups: Vec<&str> = groups::all().map(|group| group.name).collect();
    let mut some = |from: &[&'static str], most: usize| {
        let count = random.below(most + 1);
        (0..count).map(|_| random.pick(from)).collect::<Vec<_>>()
    };
    let mut allow = some(&groups, 6);
    allow.extend(some(&calls, 40));
    let mut deny = some(&groups, 3);
    deny.extend(some(&calls, 20));
    let ruled: Vec<Vec<&str>> = (0..30).map(|_| some(&calls, 3)).collect();
    let rules = ruled.iter().map(|calls| {
        let count = random.below(4);
        let arguments: Vec<_> = (0..count).map(|_| random_condition(random)).collect();
        rule(calls, &arguments, random_action(random))
    });
    let rules = rules.collect();
    let default = (random.below(3) > 0).then(|| random_action(random).into());
    Seccomp { default, allow: names(&allow), deny: names(&deny), rules }
}

fn random_condition(random: &mut Random) -> ArgumentRule {
    let operator = random.pick(ArgumentOperator::ALL);
    let wide = random.below(2) == 0;
    let bits = if wide { u64::MAX } else { u64::from(u32::MAX) };
    let masked = operator == ArgumentOperator::MaskedEqual;
    let mask = if masked { random.word() & bits } else { u64::MAX };
    let value = random.word() & bits & mask;
    // Few indexes, so that rules meet on the same argument.
    let index = u8::try_from(random.below(3) * 2 + usize::from(wide)).expect("8 bits");
    ArgumentRule { index, operator, value, mask, wide }
}

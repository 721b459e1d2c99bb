//! The filter of every built-in profile does what its profile says: every number that a kernel may
//! know, and x32's, through every interface, with arguments near all that guards look at.

use super::seccomp::{INTERFACES, kernel_value};
use crate::launch::library::{BUILT_IN, Library};
use crate::launch::load::load;
use crate::os::fuzzing::Filter;
use crate::policy::arch::Arch;
use crate::policy::seccomp::{SeccompAction, SeccompPolicy, Test, groups, reference};
use crate::profile::model::Seccomp;

/// More than any kernel has.
const NUMBERS: u32 = 600;

/// The bit of x32's numbers.
const X32: u32 = 0x4000_0000;

/// What is put above the lower half of arguments, where a comparison may look and the kernel doesn't.
const HIGH: [u64; 2] = [0, 0x8000_0001 << 32];

/// Arguments of one call around what decides: the values of conditions and their neighbours, at the
/// arguments that they are about, and everywhere.
fn arguments(section: &Seccomp, call: Option<&str>) -> Vec<[u64; 6]> {
    let mut all = vec![[0; 6], [u64::MAX; 6], [1 << 32; 6]];
    let guards = groups::all().flat_map(|group| group.guards).map(|guard| guard.what);
    let parts = groups::all().flat_map(|group| group.parts).copied();
    let uses = guards.chain(parts).filter(|one| Some(one.call) == call);
    let of_uses = uses
        .flat_map(|one| one.conditions)
        .map(|one| (usize::from(one.index()), value(one.test())));
    let rules = section.rules.iter().flat_map(|rule| &rule.arguments);
    let of_rules = rules.map(|condition| (usize::from(condition.index), condition.value));
    for (index, value) in of_uses.chain(of_rules) {
        let near = [value.wrapping_sub(1), value.wrapping_add(1)];
        for value in HIGH.map(|high| value ^ high).into_iter().chain(near) {
            let mut arguments = [0; 6];
            arguments[index] = value;
            all.extend([arguments, [value; 6]]);
        }
    }
    all.sort_unstable();
    all.dedup();
    all
}

fn value(test: Test) -> u64 {
    match test {
        Test::Equal(value)
        | Test::NotEqual(value)
        | Test::Less(value)
        | Test::LessOrEqual(value)
        | Test::Greater(value)
        | Test::GreaterOrEqual(value)
        | Test::AnyBit(value)
        | Test::MaskedEqual { value, .. } => value,
    }
}

fn compare(name: &str, section: &Seccomp, arch: Arch, without_network: bool) {
    let policy = SeccompPolicy::resolve(section).expect("a built-in profile is right");
    let policy = if without_network { policy.without_network() } else { policy };
    let filter = Filter::of(&policy, arch).expect("the kernel takes it");
    for number in (0..=NUMBERS).flat_map(|number| [number, X32 | number]) {
        for arguments in arguments(section, arch.call(number)) {
            let expected = reference::decide(section, without_network, arch, number, &arguments);
            let found = filter.run(arch.audit(), number, arguments);
            assert_eq!(
                found,
                kernel_value(expected),
                "{name}, {arch:?}, {number:#x} ({:?}), {arguments:x?}",
                arch.call(number)
            );
        }
        for interface in INTERFACES.into_iter().filter(|interface| *interface != arch.audit()) {
            for arguments in [[0; 6], [u64::MAX; 6]] {
                let found = filter.run(interface, number, arguments);
                let killed = kernel_value(SeccompAction::Kill);
                assert_eq!(found, killed, "{name}, {arch:?}, {number:#x} by {interface:#x}");
            }
        }
    }
}

#[test]
fn every_built_in_profile_agrees_with_the_reference_on_every_number() {
    let mut seen: Vec<Seccomp> = Vec::new();
    for built_in in BUILT_IN {
        let name = built_in.name;
        let mut library = Library { directories: Vec::new(), distrust_writable: false };
        let loaded = load(&mut library, name, false).expect("a built-in profile is right");
        for choice in loaded.choices {
            let section = choice.profile.seccomp;
            if seen.contains(&section) {
                continue;
            }
            for arch in Arch::ALL {
                compare(name, &section, arch, false);
                if seen.is_empty() {
                    compare(name, &section, arch, true);
                }
            }
            seen.push(section);
        }
    }
    assert!(!seen.is_empty(), "no profile has a filter");
}

//! A filter does what its profile says: compared with an evaluator that shares nothing with the
//! compiler but the tables of groups, on both architectures, by calls that nobody would make.

use super::profile_text::one_source;
use super::{Choices, profiles};
use crate::os::fuzzing::Filter;
use crate::policy::arch::Arch;
use crate::policy::seccomp::{SeccompAction, SeccompPolicy, reference};
use crate::profile::model::Seccomp;
use crate::profile::parse::parse;

/// How many calls are tried of one policy.
const CALLS: usize = 64;

/// `AUDIT_ARCH_*` of i386, 32-bit Arm, 64-bit Arm, x86-64 (`linux/audit.h`), and what is near.
pub(super) const INTERFACES: [u32; 6] =
    [0x4000_0003, 0x4000_0028, 0xc000_00b7, 0xc000_003e, 0xb7, 0];

pub(super) fn target(data: &[u8]) {
    let mut choices = Choices::new(data);
    let section = if choices.one_in(16) {
        // The one whose filter is compiled beforehand.
        "{}".to_owned()
    } else {
        profiles::seccomp(&mut choices).to_string()
    };
    let text = format!("{{\"version\": 1, \"seccomp\": {section}}}");
    let (sources, id) = one_source(&text);
    let Ok(profile) = parse(&sources, id) else { return };
    let Ok(policy) = SeccompPolicy::resolve(&profile.seccomp) else { return };
    let without_network = choices.one_in(8);
    let policy = if without_network { policy.without_network() } else { policy };
    for arch in Arch::ALL {
        compare(&profile.seccomp, &policy, arch, without_network, &mut choices);
    }
}

/// Compares the filter of a policy with the evaluator.
pub(super) fn compare(
    section: &Seccomp,
    policy: &SeccompPolicy,
    arch: Arch,
    without_network: bool,
    choices: &mut Choices<'_>,
) {
    let filter = Filter::of(policy, arch).expect("a filter that the kernel takes");
    let named: Vec<u32> = arch.calls().map(|(number, _)| number).collect();
    let spoken_of =
        |number: &u32| arch.call(*number).is_some_and(|call| reference::speaks_of(section, call));
    let spoken_of: Vec<u32> = named.iter().copied().filter(spoken_of).collect();
    for _ in 0..CALLS {
        let number = number(choices, &spoken_of, &named);
        let arguments = arguments(choices, section);
        let interface = if choices.one_in(16) { choices.pick(&INTERFACES) } else { arch.audit() };
        let expected = if interface == arch.audit() {
            reference::decide(section, without_network, arch, number, &arguments)
        } else {
            SeccompAction::Kill
        };
        assert_eq!(
            filter.run(interface, number, arguments),
            kernel_value(expected),
            "{arch:?}, interface {interface:#x}, call {number:#x} ({:?}), {arguments:x?}, {section:?}",
            arch.call(number)
        );
    }
}

/// What the kernel does with a call is the upper half, an error number the lower
/// (`linux/seccomp.h`).
pub(super) fn kernel_value(action: SeccompAction) -> u32 {
    match action {
        SeccompAction::Kill => 0x8000_0000,
        SeccompAction::Errno(number) => 0x0005_0000 | u32::from(number),
        SeccompAction::Log => 0x7ffc_0000,
        SeccompAction::Allow => 0x7fff_0000,
    }
}

fn number(choices: &mut Choices<'_>, spoken_of: &[u32], named: &[u32]) -> u32 {
    match choices.below(10) {
        0..=4 => choices.pick(spoken_of),
        5 => choices.pick(spoken_of) | 0x4000_0000,
        6 => u32::from(choices.short()),
        7 => u32::from(choices.short()) << 16 | u32::from(choices.short()),
        _ => choices.pick(named),
    }
}

/// Arguments near those that the section's rules compare with, and others.
fn arguments(choices: &mut Choices<'_>, section: &Seccomp) -> [u64; 6] {
    /// What guards look at: flags of namespaces, modes, families of sockets, requests to terminals.
    const GUARDED: [u64; 12] =
        [0x1000_0000, 0x5412, 0x541c, 0o4755, 0o100, 1, 2, 16, 40, 262, 0x2000_0000, 21];
    let mut arguments = std::array::from_fn(|_| match choices.below(3) {
        0 => choices.pick(&GUARDED),
        1 => choices.pick(&GUARDED) | u64::from(choices.byte()) << 32,
        _ => choices.word(),
    });
    let conditions: Vec<_> = section.rules.iter().flat_map(|rule| &rule.arguments).collect();
    for condition in conditions {
        if choices.flag() {
            let off_by = choices.pick(&[0, 0, 0, 1, u64::MAX, 1 << 32]);
            let high = if condition.wide { 0 } else { u64::from(choices.byte()) << 32 };
            arguments[usize::from(condition.index) % 6] =
                (condition.value | choices.word() & !condition.mask).wrapping_add(off_by) ^ high;
        }
    }
    arguments
}

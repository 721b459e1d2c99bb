//! Processor architectures, and what their system calls are called and numbered.
//!
//! The tables go up to Linux 6.17. A call that is newer has no name here, and filters treat it as
//! unknown.

use std::ops::RangeInclusive;
use std::sync::LazyLock;

use syscalls::{aarch64, x86_64};

/// Calls of 32-bit kernels that the aarch64 table carries along: a 64-bit kernel has nothing
/// behind these numbers.
const TIME64_CALLS: RangeInclusive<u32> = 403..=423;

/// As many names as there are calls, and some room.
pub(crate) const MOST_CALLS: usize = 512;

/// A processor architecture that filters can be made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Arch {
    /// 64-bit x86 ("amd64"), without its x32 and i386 interfaces.
    X86_64,
    /// 64-bit Arm, little-endian.
    Aarch64,
}

impl Arch {
    /// Every architecture.
    pub const ALL: [Self; 2] = [Self::X86_64, Self::Aarch64];

    /// The architecture this program was built for, if filters can be made for it.
    #[must_use]
    pub const fn current() -> Option<Self> {
        if cfg!(target_arch = "x86_64") {
            Some(Self::X86_64)
        } else if cfg!(all(target_arch = "aarch64", target_endian = "little")) {
            Some(Self::Aarch64)
        } else {
            None
        }
    }

    /// What `uname -m` calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
        }
    }

    /// Its `AUDIT_ARCH_*` constant (`linux/audit.h`): what `seccomp_data.arch` holds for calls
    /// made through its native interface.
    #[must_use]
    pub const fn audit(self) -> u32 {
        match self {
            Self::X86_64 => 0xc000_003e,
            Self::Aarch64 => 0xc000_00b7,
        }
    }

    /// The numbers that lead into the kernel's x32 code.
    ///
    /// Bit 30 marks an x32 call. 512 to 547 are handlers made for x32, which some kernels ran for
    /// plain 64-bit callers too (`arch/x86/entry/syscalls/syscall_64.tbl`).
    #[must_use]
    pub const fn x32_calls(self) -> &'static [RangeInclusive<u32>] {
        match self {
            Self::X86_64 => &[512..=547, 0x4000_0000..=u32::MAX],
            Self::Aarch64 => &[],
        }
    }

    /// Every call that has a name, by ascending number.
    pub fn calls(self) -> impl Iterator<Item = (u32, &'static str)> {
        // Not `Sysno::iter`: it leaves out the last call of the table.
        let last = match self {
            Self::X86_64 => x86_64::Sysno::last().id(),
            Self::Aarch64 => aarch64::Sysno::last().id(),
        };
        (0..=last.unsigned_abs()).filter_map(move |number| Some((number, self.call(number)?)))
    }

    /// The name of a call.
    #[must_use]
    pub fn call(self, number: u32) -> Option<&'static str> {
        let index = usize::try_from(number).ok()?;
        match self {
            Self::X86_64 => x86_64::Sysno::new(index).map(|call| call.name()),
            Self::Aarch64 if TIME64_CALLS.contains(&number) => None,
            Self::Aarch64 => aarch64::Sysno::new(index).map(|call| kernel_name(call.name())),
        }
    }
}

/// The kernel's name for a call that the tables or people also know by another.
fn kernel_name(name: &str) -> &str {
    // One call, number 79 on aarch64 and 262 on x86_64; `asm-generic/unistd.h` has both names.
    if name == "fstatat" { "newfstatat" } else { name }
}

/// Every name of a call on any architecture, in alphabetical order.
#[must_use]
pub fn call_names() -> &'static [&'static str] {
    static NAMES: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
        let all = Arch::ALL.into_iter().flat_map(|arch| arch.calls().map(|(_, name)| name));
        let mut names: Vec<_> = all.collect();
        names.sort_unstable();
        names.dedup();
        names
    });
    &NAMES
}

/// The name under which tables and policies list a call, if it is one of any architecture.
#[must_use]
pub fn canonical_name(name: &str) -> Option<&'static str> {
    let name = kernel_name(name);
    let on_x86_64 = name.parse::<x86_64::Sysno>().ok().map(|call| call.name());
    on_x86_64.or_else(|| {
        let number = name.parse::<aarch64::Sysno>().ok()?.id().unsigned_abs();
        Arch::Aarch64.call(number)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_call_of_a_table_is_not_lost() {
        for arch in Arch::ALL {
            assert_eq!(arch.calls().last(), Some((469, "file_setattr")));
        }
    }

    #[test]
    fn every_listed_call_is_found_by_number_and_by_name() {
        for arch in Arch::ALL {
            for (number, name) in arch.calls() {
                assert_eq!(arch.call(number), Some(name));
                assert_eq!(canonical_name(name), Some(name));
            }
        }
    }

    #[test]
    fn one_call_with_two_names_is_listed_once() {
        assert_eq!(canonical_name("fstatat"), Some("newfstatat"));
        assert_eq!(Arch::X86_64.call(262), Some("newfstatat"));
        assert_eq!(Arch::Aarch64.call(79), Some("newfstatat"));
    }

    #[test]
    fn calls_of_32_bit_kernels_are_unknown() {
        assert_eq!(Arch::Aarch64.call(422), None);
        assert_eq!(canonical_name("futex_time64"), None);
        assert_eq!(canonical_name("clock_gettime64"), None);
    }
}

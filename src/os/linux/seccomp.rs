//! From a policy on system calls to a filter the kernel runs (`seccomp(2)`, classic BPF).

mod arguments;
mod assemble;
mod compile;
#[cfg(any(test, fuzzing))]
pub(super) mod evaluate;
mod ready;
#[cfg(test)]
mod tests;

pub use compile::{CompileError, compile};
pub use ready::program;

/// What the kernel takes at most (`BPF_MAXINSNS` in `linux/bpf_common.h`).
pub const MAX_INSTRUCTIONS: usize = 4096;

/// The seccomp mode of a process with a filter, as `prctl(PR_GET_SECCOMP)` gives it.
pub const SECCOMP_MODE_FILTER: i32 = 2;

/// One instruction of classic BPF: `struct sock_filter` in `linux/filter.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Instruction {
    /// What to do.
    pub code: u16,
    /// How many instructions to skip if a comparison holds.
    pub jt: u8,
    /// How many to skip if it doesn't.
    pub jf: u8,
    /// An operand: a constant, an offset, a distance.
    pub k: u32,
}

/// A finished filter: not empty, at most [`MAX_INSTRUCTIONS`] long, always reaching an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program(Vec<Instruction>);

impl Program {
    /// The instructions, in the order the kernel takes them.
    #[must_use]
    pub fn instructions(&self) -> &[Instruction] {
        &self.0
    }
}

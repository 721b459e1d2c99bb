//! Writes a filter from its last instruction to its first.
//!
//! BPF only jumps forward, so from the end every target is known when a jump to it is written,
//! and so is the distance. A conditional jump reaches 255 instructions; for targets further away
//! an unconditional one, which reaches any, is written behind it.

use super::Instruction;
use crate::policy::seccomp::SeccompAction;

// linux/bpf_common.h
const LOAD_WORD: u16 = 0x20;
const JUMP: u16 = 0x05;
const AND: u16 = 0x54;
const RETURN: u16 = 0x06;

/// The furthest target, counted back from the end of what is written, that a conditional jump
/// reaches: also when the unconditional jump of its other branch comes to lie in between.
const REACH: usize = u8::MAX as usize;

/// A comparison of the accumulator with a constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(super) enum Compare {
    Equal = 0x15,
    Greater = 0x25,
    GreaterOrEqual = 0x35,
    AnyBit = 0x45,
}

/// An instruction, counted from the end of the filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Label(usize);

/// Where a branch leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// To an instruction that was written.
    Label(Label),
    /// Out of the filter.
    Return(SeccompAction),
}

/// A filter's end, growing towards its beginning.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    reversed: Vec<Instruction>,
    /// The latest place where each action is returned; there are few actions.
    returns: Vec<(SeccompAction, Label)>,
}

impl Assembler {
    /// Loads 32 bits of `struct seccomp_data` into the accumulator, then goes on.
    pub(super) fn load(&mut self, offset: u32, next: Target) -> Target {
        self.before(next, Instruction { code: LOAD_WORD, jt: 0, jf: 0, k: offset })
    }

    /// Takes bits away from the accumulator, then goes on.
    pub(super) fn and(&mut self, mask: u32, next: Target) -> Target {
        self.before(next, Instruction { code: AND, jt: 0, jf: 0, k: mask })
    }

    /// Compares the accumulator with a constant and goes on accordingly.
    pub(super) fn branch(&mut self, compare: Compare, k: u32, yes: Target, no: Target) -> Target {
        if yes == no {
            return yes;
        }
        let (yes, no) = (self.label(yes), self.label(no));
        let yes = self.within_reach(yes);
        let no = self.within_reach(no);
        let (jt, jf) = (self.distance(yes), self.distance(no));
        self.push(Instruction { code: compare as u16, jt, jf, k })
    }

    /// The filter that begins with `entry`.
    pub(super) fn finish(mut self, entry: Target) -> Vec<Instruction> {
        self.fall_into(entry);
        self.reversed.reverse();
        self.reversed
    }

    fn before(&mut self, next: Target, instruction: Instruction) -> Target {
        self.fall_into(next);
        self.push(instruction)
    }

    /// Makes `target` the instruction that follows the one written next.
    fn fall_into(&mut self, target: Target) {
        let label = self.label(target);
        if label.0 + 1 != self.reversed.len() {
            self.jump(label);
        }
    }

    fn label(&mut self, target: Target) -> Label {
        let action = match target {
            Target::Label(label) => return label,
            Target::Return(action) => action,
        };
        let known = self.returns.iter().position(|(known, _)| *known == action);
        match known.map(|index| self.returns[index].1) {
            // A jump to a return is no shorter than a return, and slower.
            Some(label) if self.in_reach(label) => label,
            _ => {
                let label = Label(self.reversed.len());
                self.reversed.push(Instruction {
                    code: RETURN,
                    jt: 0,
                    jf: 0,
                    k: return_value(action),
                });
                self.returns.retain(|(known, _)| *known != action);
                self.returns.push((action, label));
                label
            }
        }
    }

    fn within_reach(&mut self, label: Label) -> Label {
        if self.in_reach(label) { label } else { self.jump(label) }
    }

    fn in_reach(&self, label: Label) -> bool {
        self.reversed.len() - label.0 <= REACH
    }

    fn jump(&mut self, label: Label) -> Label {
        let distance = self.reversed.len() - label.0 - 1;
        let k = u32::try_from(distance).unwrap_or(u32::MAX);
        self.reversed.push(Instruction { code: JUMP, jt: 0, jf: 0, k });
        Label(self.reversed.len() - 1)
    }

    /// From the instruction after the one written next.
    fn distance(&self, label: Label) -> u8 {
        u8::try_from(self.reversed.len() - label.0 - 1).unwrap_or(u8::MAX)
    }

    fn push(&mut self, instruction: Instruction) -> Target {
        self.reversed.push(instruction);
        Target::Label(Label(self.reversed.len() - 1))
    }
}

/// What a filter returns for an action (`linux/seccomp.h`).
pub(super) const fn return_value(action: SeccompAction) -> u32 {
    match action {
        SeccompAction::Kill => 0x8000_0000,
        SeccompAction::Errno(errno) => 0x0005_0000 | errno as u32,
        SeccompAction::Log => 0x7ffc_0000,
        SeccompAction::Allow => 0x7fff_0000,
    }
}

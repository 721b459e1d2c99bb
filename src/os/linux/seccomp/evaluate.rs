//! Runs a filter as the kernel would, and refuses what the kernel would refuse.

use super::{Instruction, MAX_INSTRUCTIONS, Program};

/// `struct seccomp_data`, without the instruction pointer, which no filter here looks at.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Call {
    pub(in super::super) number: u32,
    pub(in super::super) audit_arch: u32,
    pub(in super::super) arguments: [u64; 6],
}

impl Call {
    fn word(&self, offset: u32) -> u32 {
        match offset {
            0 => self.number,
            4 => self.audit_arch,
            16..64 if offset.is_multiple_of(4) => {
                let argument = self.arguments[(offset as usize - 16) / 8];
                u32::try_from(argument >> (8 * (offset % 8)) & 0xffff_ffff).expect("32 bits")
            }
            _ => panic!("no field at {offset}"),
        }
    }
}

/// What the filter returns, and after how many instructions.
pub(in super::super) fn run(program: &Program, call: &Call) -> (u32, usize) {
    let instructions = program.instructions();
    let (mut accumulator, mut at, mut steps) = (0, 0, 0);
    loop {
        let Instruction { code, jt, jf, k } = instructions[at];
        at += 1;
        steps += 1;
        let mut jump = |holds: bool| at += usize::from(if holds { jt } else { jf });
        match code {
            0x20 => accumulator = call.word(k),
            0x54 => accumulator &= k,
            0x05 => at += k as usize,
            0x15 => jump(accumulator == k),
            0x25 => jump(accumulator > k),
            0x35 => jump(accumulator >= k),
            0x45 => jump(accumulator & k != 0),
            0x06 => return (k, steps),
            other => panic!("instruction {other:#x} at {}", at - 1),
        }
    }
}

/// The checks of `bpf_check_classic` and `seccomp_check_filter` that concern these instructions.
pub(in super::super) fn check(program: &Program) {
    let instructions = program.instructions();
    let length = instructions.len();
    assert!((1..=MAX_INSTRUCTIONS).contains(&length), "{length} instructions");
    for (at, one) in instructions.iter().enumerate() {
        let furthest = match one.code {
            0x05 => one.k as usize,
            0x15 | 0x25 | 0x35 | 0x45 => usize::from(one.jt.max(one.jf)),
            0x20 => {
                assert!(one.k < 64 && one.k % 4 == 0, "load from {}", one.k);
                continue;
            }
            0x54 | 0x06 => continue,
            other => panic!("instruction {other:#x} at {at}"),
        };
        assert!(at + 1 + furthest < length, "jump out of the filter at {at}");
    }
    assert_eq!(instructions[length - 1].code, 0x06, "the last instruction is a return");
}

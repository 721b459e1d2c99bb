//! Conditions on the arguments of a system call.

/// How much of an argument the kernel looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Width {
    /// The lower 32 bits, as for every `int` and `unsigned int`. The upper half of the register
    /// is ignored here as it is there: comparing it would let `TIOCSTI | 1 << 32` through.
    Low,
    /// All 64 bits: `long`, `size_t`, pointers.
    Full,
}

/// What an argument is compared with; numbers are unsigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Test {
    /// It is this.
    Equal(u64),
    /// It is anything else.
    NotEqual(u64),
    /// It is less.
    Less(u64),
    /// It is less, or this.
    LessOrEqual(u64),
    /// It is greater.
    Greater(u64),
    /// It is greater, or this.
    GreaterOrEqual(u64),
    /// The bits that are in the mask have these values.
    MaskedEqual {
        /// Which bits count.
        mask: u64,
        /// Their values.
        value: u64,
    },
    /// At least one of these bits is set.
    AnyBit(u64),
}

/// A condition on one argument of a system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Condition {
    index: u8,
    width: Width,
    test: Test,
}

impl Condition {
    /// How many arguments a call has at most.
    pub const ARGUMENTS: u8 = 6;

    /// A condition on argument `index`, counted from 0; `None` beyond the last one.
    #[must_use]
    pub const fn new(index: u8, width: Width, test: Test) -> Option<Self> {
        if index < Self::ARGUMENTS { Some(Self { index, width, test }) } else { None }
    }

    /// A condition on the lower half of an argument, for the tables of this crate.
    pub(super) const fn low(index: u8, test: Test) -> Self {
        assert!(index < Self::ARGUMENTS);
        Self { index, width: Width::Low, test }
    }

    /// A condition on all of an argument, for the tables of this crate.
    pub(super) const fn full(index: u8, test: Test) -> Self {
        assert!(index < Self::ARGUMENTS);
        Self { index, width: Width::Full, test }
    }

    /// Which argument, from 0 to 5.
    #[must_use]
    pub const fn index(&self) -> u8 {
        self.index
    }

    /// How much of it.
    #[must_use]
    pub const fn width(&self) -> Width {
        self.width
    }

    /// How it is compared.
    #[must_use]
    pub const fn test(&self) -> Test {
        self.test
    }

    /// Whether a call with these arguments meets the condition.
    #[must_use]
    pub fn holds(&self, arguments: &[u64; Self::ARGUMENTS as usize]) -> bool {
        let whole = arguments[usize::from(self.index)];
        let (bits, argument) = match self.width {
            Width::Low => (u64::from(u32::MAX), whole & u64::from(u32::MAX)),
            Width::Full => (u64::MAX, whole),
        };
        match self.test {
            Test::Equal(value) => argument == value & bits,
            Test::NotEqual(value) => argument != value & bits,
            Test::Less(value) => argument < value & bits,
            Test::LessOrEqual(value) => argument <= value & bits,
            Test::Greater(value) => argument > value & bits,
            Test::GreaterOrEqual(value) => argument >= value & bits,
            Test::MaskedEqual { mask, value } => argument & mask == value & bits,
            Test::AnyBit(mask) => argument & mask != 0,
        }
    }
}

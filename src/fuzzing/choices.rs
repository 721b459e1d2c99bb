//! Bytes as a sequence of choices.

/// Answers questions by bytes. When they run out, each answer is the first, the least, no: so that
/// fewer bytes make a simpler case, and a failing one can be shrunk.
pub(crate) struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    pub(crate) const fn new(data: &'a [u8]) -> Self {
        Self(data)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        match self.0 {
            [first, rest @ ..] => {
                self.0 = rest;
                *first
            }
            [] => 0,
        }
    }

    /// Yes once in `n` times, roughly.
    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        !self.is_empty() && self.below(n) == n - 1
    }

    pub(crate) fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// A number below `bound`, which is at most 65536.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let number = if bound > 256 { usize::from(self.short()) } else { usize::from(self.byte()) };
        number % bound
    }

    pub(crate) fn short(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// Up to `most` of a list, some of them repeatedly.
    pub(crate) fn some<T: Copy>(&mut self, from: &[T], most: usize) -> Vec<T> {
        (0..self.below(most + 1)).map(|_| self.pick(from)).collect()
    }

    /// Small numbers, single bits, all ones, and noise, in either half.
    pub(crate) fn word(&mut self) -> u64 {
        let kind = self.below(7);
        let small = u64::from(self.byte());
        match kind {
            0 => small,
            1 => 1 << (small % 64),
            2 => u64::MAX - small,
            3 => small | u64::from(self.short()) << 32,
            4 => small | u64::MAX << 32,
            5 => u64::from(self.short()) << 8 | small,
            _ => u64::from_le_bytes(std::array::from_fn(|_| self.byte())),
        }
    }

    /// Some of the bytes that are left.
    pub(crate) fn bytes(&mut self, most: usize) -> &'a [u8] {
        let wanted = self.below(most + 1).min(self.0.len());
        let (taken, rest) = self.0.split_at(wanted);
        self.0 = rest;
        taken
    }

    /// Text, with what is hard to write in it.
    pub(crate) fn text(&mut self, most: usize) -> String {
        const HARD: [&str; 16] = [
            "\"",
            "\\",
            "\n",
            "\t",
            "\u{1b}[31m",
            "${",
            "$${",
            "${HOME}",
            "é",
            "\u{202e}",
            "\u{1f600}",
            "/",
            "..",
            " ",
            ":",
            "=",
        ];
        let mut text = String::new();
        for _ in 0..self.below(most + 1) {
            if self.one_in(3) {
                text.push_str(self.pick(&HARD));
            } else {
                text.push(char::from(self.byte() % 95 + 32));
            }
        }
        text
    }

    /// All that is left.
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.0
    }
}

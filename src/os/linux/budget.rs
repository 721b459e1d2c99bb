//! The processor time that a whole tree may use, where its cgroup counts it.
//!
//! The kernel has no such limit: `RLIMIT_CPU` is each process's own, and a tree that forks begins
//! anew with each. So the launcher looks at the account. It looks at the first moment at which
//! the time could be used up, were all processors busy with nothing else; then what is left says
//! when to look next. Nothing is polled: a tree that can't be near its limit isn't looked at.

use std::time::{Duration, Instant};

use super::cgroup::Cgroup;

/// The shortest time between two looks. Near its limit a tree could be looked at without end; with
/// this, it may use as much more on each processor.
const SHORTEST: Duration = Duration::from_millis(10);

/// Processor time that is given out.
#[derive(Debug)]
pub(super) struct Budget {
    limit: Duration,
    /// How many processors can use it at the same time.
    processors: u32,
    /// When it could be used up.
    look_at: Instant,
}

impl Budget {
    /// A budget for a tree that is let go now.
    pub(super) fn new(limit: Duration, now: Instant) -> Option<Self> {
        let mut budget = Self { limit, processors: processors(), look_at: now };
        budget.look_at = budget.used_up_at(Duration::ZERO, now)?;
        Some(budget)
    }

    /// When it has to be looked at.
    pub(super) fn look_at(&self) -> Instant {
        self.look_at
    }

    /// Whether a tree has used it up; if not, says when to look again.
    pub(super) fn is_used_up(&mut self, cgroup: Option<&Cgroup>, now: Instant) -> bool {
        // An account that can't be read says nothing; each process's own limit still holds.
        let used = cgroup.and_then(Cgroup::processor_time).unwrap_or(Duration::ZERO);
        match self.used_up_at(used, now) {
            Some(at) => self.look_at = at,
            None => return true,
        }
        false
    }

    /// The first moment at which it can be used up; `None`: it is.
    fn used_up_at(&self, used: Duration, now: Instant) -> Option<Instant> {
        let left = self.limit.checked_sub(used).filter(|left| !left.is_zero())?;
        let soonest = (left / self.processors).max(SHORTEST);
        // A moment beyond what the clock can count won't come.
        Some(now.checked_add(soonest).unwrap_or(now + Duration::from_secs(1 << 30)))
    }
}

/// All processors that are there. Those that the launcher may use, or a quota, don't count: a
/// command can ask for others, and a quota may be used up at once.
fn processors() -> u32 {
    let online = std::fs::read_to_string("/sys/devices/system/cpu/online").unwrap_or_default();
    count(online.trim()).unwrap_or_else(|| {
        let known = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        u32::try_from(known).unwrap_or(u32::MAX)
    })
}

/// How many numbers a list such as `0-3,5` has.
fn count(list: &str) -> Option<u32> {
    let part = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        last.checked_sub(first)?.checked_add(1)
    };
    list.split(',').map(part).try_fold(0_u32, |sum, count| sum.checked_add(count?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    #[test]
    fn processors_are_counted_in_lists_of_ranges() {
        assert_eq!(count("0"), Some(1));
        assert_eq!(count("0-3,5,8-9"), Some(7));
        for wrong in ["", "x", "3-1", "0-4294967295"] {
            assert_eq!(count(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_next_look_is_when_all_processors_together_could_have_used_it_up() {
        let now = Instant::now();
        let budget = Budget { limit: LIMIT, processors: 4, look_at: now };
        let look = |used| budget.used_up_at(used, now).map(|at| at - now);
        assert_eq!(look(Duration::ZERO), Some(Duration::from_millis(2500)));
        assert_eq!(look(Duration::from_secs(6)), Some(Duration::from_secs(1)));
        assert_eq!(look(LIMIT - Duration::from_nanos(1)), Some(SHORTEST));
        assert_eq!(look(LIMIT), None);
        assert_eq!(look(LIMIT + SHORTEST), None);
    }

    #[test]
    fn few_looks_are_enough_for_a_tree_that_uses_one_processor_of_many() {
        let now = Instant::now();
        let budget = Budget { limit: LIMIT, processors: 64, look_at: now };
        let (mut used, mut looks) = (Duration::ZERO, 0);
        while let Some(at) = budget.used_up_at(used, now) {
            used += at - now;
            looks += 1;
        }
        assert!(looks < 500, "{looks}");
        assert!(used <= LIMIT + SHORTEST, "{used:?}");
    }
}

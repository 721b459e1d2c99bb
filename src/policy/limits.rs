//! What may be used: numbers that are in range, each with one meaning.

use std::time::Duration;

/// Limits of the whole process tree, enforced by a cgroup where one can be had.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TreeLimits {
    /// Bytes of memory, page cache and kernel memory included.
    pub memory: Option<u64>,
    /// Bytes of swap beyond `memory`.
    pub swap: Option<u64>,
    /// Processes and threads.
    pub processes: Option<u64>,
    /// Processor time per second of wall-clock time, in thousandths of a processor.
    pub cpus: Option<u64>,
    /// Share under contention, 1 to 10000; 100 is usual.
    pub cpu_weight: Option<u64>,
    /// Processors that may be used, in ascending order; empty: all.
    pub cpuset: Vec<u32>,
    /// Block device traffic.
    pub io: IoLimits,
}

impl TreeLimits {
    /// Whether nothing is limited.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Limits of block device traffic; each applies to every block device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IoLimits {
    /// Bytes read per second.
    pub read_bytes: Option<u64>,
    /// Bytes written per second.
    pub write_bytes: Option<u64>,
    /// Read operations per second.
    pub read_operations: Option<u64>,
    /// Write operations per second.
    pub write_operations: Option<u64>,
}

/// Limits of each single process, enforced by `setrlimit(2)`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcessLimits {
    /// Processor time; the supervisor holds the whole tree to it too, where a cgroup counts it.
    pub cpu_time: Option<Duration>,
    /// Open file descriptors.
    pub open_files: Option<u64>,
    /// Bytes of each file written.
    pub file_size: Option<u64>,
    /// Bytes of stack.
    pub stack: Option<u64>,
    /// Bytes of a core dump.
    pub core: Option<u64>,
    /// Scheduling priority, -20 to 19.
    pub nice: Option<i8>,
}

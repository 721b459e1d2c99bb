//! What the processors do.

use super::super::files;

/// Whether one has nothing to do: where none has, what is done beside something else only adds to
/// what waits in line.
pub(in super::super) fn processor_is_idle() -> bool {
    let runnable = files::read_text("/proc/loadavg").ok().and_then(|text| runnable(&text));
    let processors = rustix::thread::sched_getaffinity(None).map_or(1, |set| set.count());
    runnable.is_some_and(|runnable| runnable < processors)
}

/// The number of processes and threads that run or want to (`proc_loadavg(5)`), this one included.
fn runnable(loadavg: &str) -> Option<u32> {
    loadavg.split(' ').nth(3)?.split('/').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_thread_runs() {
        let text = std::fs::read_to_string("/proc/loadavg").unwrap();
        assert!(runnable(&text).unwrap() >= 1, "{text}");
    }

    #[test]
    fn the_number_is_the_one_before_all_there_are() {
        assert_eq!(runnable("0.20 0.18 0.12 3/80 11206\n"), Some(3));
        assert_eq!(runnable("0.20 0.18"), None);
        assert_eq!(runnable(""), None);
    }
}

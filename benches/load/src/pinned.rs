//! Cores: servers on one, the generator on the other.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

pub(crate) const SERVER_CORE: usize = 0;
pub(crate) const GENERATOR_CORE: usize = 1;

/// Does something with this thread on `core`; a process that is started meanwhile stays there.
pub(crate) fn on_core<R>(core: usize, act: impl FnOnce() -> R) -> R {
    let before = sched_getaffinity(None);
    let mut set = CpuSet::new();
    set.set(core);
    // A machine without that core measures all the same: the record names its cores.
    let _ = sched_setaffinity(None, &set);
    let done = act();
    if let Ok(before) = before {
        let _ = sched_setaffinity(None, &before);
    }
    done
}

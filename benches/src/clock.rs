//! The clock of the measurements.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The processor time that this thread has used so far.
///
/// On a machine that others use, wall time would measure them. This does not see being preempted;
/// it does see the caches that the others left cold.
pub fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).expect("a used time is not negative")
}

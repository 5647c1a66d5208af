//! The leaky buckets that bound work without progress (RFC 9113 §10.5).

use crate::{ConnectionError, Flood, Limits, Rate};

/// The levels of the buckets of one connection, a unit each.
#[derive(Debug, Default)]
pub(crate) struct Buckets {
    levels: [u32; Flood::ALL.len()],
}

impl Flood {
    /// All kinds, in the order of the buckets.
    pub(crate) const ALL: [Self; 7] = [
        Self::Resets,
        Self::Pings,
        Self::Settings,
        Self::Priorities,
        Self::WindowUpdates,
        Self::EmptyData,
        Self::LateFrames,
    ];

    /// The bound of each kind.
    pub(crate) const fn rate(self, limits: &Limits) -> Rate {
        match self {
            Self::Resets => limits.resets,
            Self::Pings => limits.pings,
            Self::Settings => limits.settings,
            Self::Priorities => limits.priorities,
            Self::WindowUpdates => limits.window_updates,
            Self::EmptyData => limits.empty_data,
            Self::LateFrames => limits.late_frames,
        }
    }
}

impl Buckets {
    /// Counts one.
    pub(crate) fn add(&mut self, flood: Flood, limits: &Limits) -> Result<(), ConnectionError> {
        let Some(level) = self.level(flood) else { return Ok(()) };
        *level = level.saturating_add(1);
        // [http2:10.5-floods]
        if *level > flood.rate(limits).burst {
            return Err(ConnectionError::Flood(flood));
        }
        Ok(())
    }

    /// Leaks some units of one kind.
    pub(crate) fn leak(&mut self, flood: Flood, units: u32) {
        if let Some(level) = self.level(flood) {
            *level = level.saturating_sub(units);
        }
    }

    /// A request, or a final response: the peer makes progress.
    pub(crate) fn progress(&mut self) {
        for flood in Flood::ALL {
            if flood != Flood::Resets {
                self.leak(flood, 1);
            }
        }
    }

    /// Time: `ticks` of it.
    pub(crate) fn tick(&mut self, ticks: u32, limits: &Limits) {
        for flood in Flood::ALL {
            self.leak(flood, flood.rate(limits).per_tick.saturating_mul(ticks));
        }
    }

    fn level(&mut self, flood: Flood) -> Option<&mut u32> {
        self.levels.get_mut(flood as usize)
    }
}

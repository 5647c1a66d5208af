//! The steps of a drain, and when each is due.
//!
//! ```text
//! drain()            window opens                    cut
//!   │ drain_accept_ms │ drain_window_ms │ drain_ms    │
//!   ├─ still accepts ─┼─ streams told ──┼─ the rest ──┤
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use sockeye_reactor::{Key, Time};

use crate::app::App;
use crate::closing::scattered;
use crate::connection::find;
use crate::context::Context;
use crate::key::StreamKey;
use crate::state::Core;
use crate::stream::life;

/// How far a drain is. Before a drain nothing is due.
pub(crate) struct Drain {
    /// When accepting ends or ended.
    pub(crate) window_at: Time,
    /// The window has opened, so accepting has ended.
    pub(crate) is_open: bool,
    pub(crate) window_ms: u64,
    /// The streams to tell, in the order of telling.
    crowd: Vec<StreamKey>,
    /// How many of them were told.
    told: usize,
    pub(crate) cut_at: Time,
    /// The connections to cut, once that time has come; the last one is the next.
    pub(crate) to_cut: Vec<Key>,
}

impl Default for Drain {
    fn default() -> Self {
        let (window_at, cut_at) = (Time::NEVER, Time::NEVER);
        let (crowd, to_cut) = (Vec::new(), Vec::new());
        Self { window_at, is_open: false, window_ms: 0, crowd, told: 0, cut_at, to_cut }
    }
}

impl Drain {
    /// Opens the window, in which the streams of `crowd` are told one by one. Connections that are left
    /// `drain_ms` after it are aborted.
    pub(crate) fn open(&mut self, mut crowd: Vec<StreamKey>, now: Time, drain_ms: u64) {
        // Neighbours in the table often came at about the same time and from the same place.
        crowd.sort_unstable_by_key(|stream| scattered(*stream));
        (self.crowd, self.is_open, self.window_at) = (crowd, true, now);
        self.cut_at = self.cut_at.min(now + self.window_ms + drain_ms);
    }

    /// When something is due next. [server:drain-wakes]
    pub(crate) fn next(&self) -> Time {
        match self.is_open {
            true if !self.to_cut.is_empty() => Time::default(),
            true => self.turn_of(self.told).min(self.cut_at),
            false => self.window_at,
        }
    }

    /// When the stream of that number is told; the first one at once. [server:drain-even]
    fn turn_of(&self, number: usize) -> Time {
        if number >= self.crowd.len() {
            return Time::NEVER;
        }
        let ms = u128::from(self.window_ms) * number as u128 / self.crowd.len() as u128;
        self.window_at + u64::try_from(ms).unwrap_or(u64::MAX)
    }

    /// The next stream that is due to be told.
    pub(crate) fn next_told(&mut self, now: Time) -> Option<StreamKey> {
        let due = self.turn_of(self.told) <= now;
        let stream = self.crowd.get(self.told).copied().filter(|_| due)?;
        self.told += 1;
        Some(stream)
    }
}

/// The end that other threads have asked for since the last turn. A server and its handles share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ending(Arc<AtomicU8>);

/// An end that another thread asks for. `DrainNow` outranks `Drain`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Wish {
    Drain = 1,
    DrainNow = 2,
}

impl Ending {
    /// Asks for an end, unless a stronger one was asked for.
    pub(crate) fn ask(&self, wish: Wish) {
        self.0.fetch_max(wish as u8, Ordering::Relaxed);
    }

    /// Takes the end that was asked for.
    pub(crate) fn take(&self) -> Option<Wish> {
        // Mostly there is none, and a plain load is cheaper than a swap.
        if self.0.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let asked = self.0.swap(0, Ordering::Relaxed);
        [Wish::Drain, Wish::DrainNow].into_iter().find(|wish| *wish as u8 == asked)
    }
}

/// Has the application say goodbye to `stream`, if that is open and it was not asked before.
pub(crate) fn dismiss<A: App>(core: &mut Core, app: &mut A, stream: StreamKey) {
    let Some(open) = find(&mut core.connections, stream) else { return };
    if open.stream.applies(life::Input::Dismiss) && !open.stream.dismissed {
        open.stream.dismissed = true;
        app.on_goodbye(stream, &mut Context { core });
    }
}

//! The trait through which services share presence. `Census` implements it for one process.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use sockeye_server::Time;

use super::census::{Came, Census, News, State};
use crate::engine::shared_state::lock;

/// Knows the members of all channels, whichever service their streams are at.
///
/// `from` and `to` are the numbers of services.
pub(crate) trait Registry: Debug + Send + Sync {
    /// Adds a stream to a channel.
    fn join(&self, channel: &Arc<str>, user: Option<&str>, from: usize) -> Changed<Came>;

    /// Gives a member who is away another grace time.
    fn renew(&self, channel: &str, user: &str, grace_ms: u64, now_ms: u64) -> Changed<()>;

    /// Removes a stream from a channel.
    fn leave(
        &self,
        channel: &Arc<str>,
        user: Option<&str>,
        grace_ms: u64,
        now_ms: u64,
        from: usize,
    ) -> Changed<()>;

    /// Removes up to `most` members whose grace time is over, and returns each with its channel.
    fn expire(&self, now_ms: u64, most: usize, from: usize) -> Changed<Vec<(Arc<str>, Arc<str>)>>;

    /// Notes that a service has a watcher in a channel.
    fn watch(&self, channel: &str, from: usize) -> Changed<()>;

    /// Notes that a service has no watcher there any more.
    fn look_away(&self, channel: &str, from: usize) -> Changed<()>;

    /// Takes the news that other services have for a service in a channel.
    fn take_mail(&self, to: usize) -> Option<(Arc<str>, News)>;

    /// The counts of a channel.
    fn state(&self, channel: &str) -> State;

    /// The first `limit` members after a name, each with the number of its streams.
    fn page(&self, channel: &str, after: Option<&str>, limit: usize) -> Vec<(Box<str>, u32)>;

    /// How much is held.
    fn held(&self) -> usize;
}

/// The result of a change, and what follows from it.
pub(crate) struct Changed<R> {
    pub(super) done: R,
    /// Services that have news.
    pub(super) woken: BTreeSet<usize>,
    /// When the next member leaves for good.
    pub(super) next_leave: Time,
}

fn change<R>(census: &Mutex<Census>, change: impl FnOnce(&mut Census) -> R) -> Changed<R> {
    let mut census = lock(census);
    let done = change(&mut census);
    Changed { done, woken: census.take_woken(), next_leave: census.next_leave() }
}

impl Registry for Mutex<Census> {
    fn join(&self, channel: &Arc<str>, user: Option<&str>, from: usize) -> Changed<Came> {
        change(self, |census| census.join(channel, user, from))
    }

    fn renew(&self, channel: &str, user: &str, grace_ms: u64, now_ms: u64) -> Changed<()> {
        change(self, |census| census.renew(channel, user, grace_ms, now_ms))
    }

    fn leave(
        &self,
        channel: &Arc<str>,
        user: Option<&str>,
        grace_ms: u64,
        now_ms: u64,
        from: usize,
    ) -> Changed<()> {
        change(self, |census| census.leave(channel, user, grace_ms, now_ms, from))
    }

    fn expire(&self, now_ms: u64, most: usize, from: usize) -> Changed<Vec<(Arc<str>, Arc<str>)>> {
        change(self, |census| census.expire(now_ms, most, from))
    }

    fn watch(&self, channel: &str, from: usize) -> Changed<()> {
        change(self, |census| census.watch(channel, from))
    }

    fn look_away(&self, channel: &str, from: usize) -> Changed<()> {
        change(self, |census| census.look_away(channel, from))
    }

    fn take_mail(&self, to: usize) -> Option<(Arc<str>, News)> {
        lock(self).take_mail(to)
    }

    fn state(&self, channel: &str) -> State {
        lock(self).state(channel)
    }

    fn page(&self, channel: &str, after: Option<&str>, limit: usize) -> Vec<(Box<str>, u32)> {
        lock(self).page(channel, after, limit)
    }

    fn held(&self) -> usize {
        lock(self).held()
    }
}

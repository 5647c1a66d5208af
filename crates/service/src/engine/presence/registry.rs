//! The trait through which services share presence. `Census` implements it for one process.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use sockeye_hub::presence::{Batch, Change};
use sockeye_server::Time;

use super::census::{Came, Census, News, State};
use crate::engine::shared_state::lock;
use crate::sequencing::PresenceNews;

/// Knows the members of all channels, whichever service their streams are at.
///
/// `from` and `to` are the numbers of services.
pub(crate) trait Registry: Debug + Send + Sync {
    /// Adds a stream to a channel.
    fn join(&self, channel: &Arc<str>, user: Option<&str>, from: usize) -> Changed<Came>;

    /// Gives a member who is away another grace time, of so many milliseconds from a time on.
    fn renew(&self, channel: &str, user: &str, times: (u64, u64), from: usize) -> Changed<()>;

    /// Removes a stream from a channel.
    fn leave(
        &self,
        channel: &Arc<str>,
        user: Option<&str>,
        grace_ms: u64,
        now_ms: u64,
        from: usize,
    ) -> Changed<()>;

    /// Removes up to `most` members whose grace time is over, or whose node is gone, and returns each with its channel.
    fn expire(&self, now_ms: u64, most: usize, from: usize) -> Changed<Vec<Change>>;

    /// Takes what is said of other nodes of the log, unless another service has. The members of a node that has left leave
    /// at `gone_ms`.
    fn hear(&self, news: &PresenceNews, gone_ms: u64, from: usize) -> Changed<Vec<Change>>;

    /// The other nodes of the log are to be told.
    fn begin_to_tell(&self);

    /// Whether there is something to tell them, and nothing under way.
    fn is_due(&self) -> bool;

    /// What they are told next. It is under way until it is settled.
    fn take_batch(&self, bytes_max: usize) -> Option<Batch>;

    /// The log has that, or nobody knows whether it has.
    fn settle_batch(&self, is_told: bool);

    /// Counts a stream more or less of a user, in whichever channels.
    fn count_stream(&self, user: &Arc<str>, is_open: bool, from: usize) -> Changed<()>;

    /// The streams that a user has at other nodes.
    fn streams_elsewhere(&self, user: &str) -> usize;

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
    /// The other nodes of the log are to be told.
    pub(super) tells: bool,
}

fn change<R>(census: &Mutex<Census>, change: impl FnOnce(&mut Census) -> R) -> Changed<R> {
    let mut census = lock(census);
    let done = change(&mut census);
    let (woken, next_leave) = (census.take_woken(), census.next_leave());
    Changed { done, woken, next_leave, tells: census.take_due() }
}

impl Registry for Mutex<Census> {
    fn join(&self, channel: &Arc<str>, user: Option<&str>, from: usize) -> Changed<Came> {
        change(self, |census| census.join(channel, user, from))
    }

    fn renew(&self, channel: &str, user: &str, times: (u64, u64), from: usize) -> Changed<()> {
        change(self, |census| census.renew(channel, user, times, from))
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

    fn expire(&self, now_ms: u64, most: usize, from: usize) -> Changed<Vec<Change>> {
        change(self, |census| census.expire(now_ms, most, from))
    }

    fn hear(&self, news: &PresenceNews, gone_ms: u64, from: usize) -> Changed<Vec<Change>> {
        change(self, |census| census.hear(news, gone_ms, from))
    }

    fn begin_to_tell(&self) {
        lock(self).begin_to_tell();
    }

    fn is_due(&self) -> bool {
        lock(self).is_due()
    }

    fn take_batch(&self, bytes_max: usize) -> Option<Batch> {
        lock(self).take_batch(bytes_max)
    }

    fn settle_batch(&self, is_told: bool) {
        lock(self).settle_batch(is_told);
    }

    fn count_stream(&self, user: &Arc<str>, is_open: bool, _from: usize) -> Changed<()> {
        change(self, |census| census.count_stream(user, is_open))
    }

    fn streams_elsewhere(&self, user: &str) -> usize {
        lock(self).streams_elsewhere(user)
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

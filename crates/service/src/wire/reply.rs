//! Writes the answers to publications, and to requests for positions, history and members.

use std::rc::Rc;

use sockeye_hub::{ChannelState, Cursor, Entry, Page, Query, Reason};

use super::json::{self, Object};
use super::message::write_members;
use super::payload::is_end;
use super::{CursorText, Level, Payload, Problem, Receipt};

/// The outcome of one publication among several.
#[derive(Clone, Copy, Debug)]
pub struct Outcome<'a> {
    /// The line of a batch.
    pub line: Option<u64>,
    /// The channel, if it could be read.
    pub channel: Option<&'a str>,
    /// The receipt, or the refusal.
    pub result: Result<Receipt<'a>, &'a Problem>,
}

/// The answer to one publication.
pub fn published(receipt: &Receipt<'_>) -> String {
    json::object(receipt.channel.len() + 160, |object| receipt.write_members(object))
}

/// The answer to the disconnection of a user.
pub fn disconnected(user: &str, level: Level) -> String {
    json::object(user.len() + 40, |object| {
        object.text("user", user);
        object.text("level", level.as_str());
    })
}

/// A node of a log that several machines share.
#[derive(Clone, Copy, Debug)]
pub struct NodeLine<'a> {
    /// Its number.
    pub node: u64,
    /// Its name, for people.
    pub name: &'a str,
    /// The release of its program.
    pub release: Option<&'a str>,
    /// The newest version of entries that it reads.
    pub entries: u8,
    /// The digest of its rules.
    pub rules: Option<u64>,
    /// The place of the newest entry that it has read.
    pub head: u64,
    /// The entries behind that place.
    pub lag: u64,
    /// How long its lease is still good.
    pub lease_ms: u64,
    /// Whether it is the one that answers.
    pub own: bool,
}

/// The answer to a request for the nodes.
pub fn nodes(lines: &[NodeLine<'_>]) -> String {
    json::object(lines.len() * 200, |object| {
        object.objects("nodes", lines, |line, object| {
            object.text("node", &format!("{:016x}", line.node));
            object.text("name", line.name);
            if let Some(release) = line.release {
                object.text("release", release);
            }
            object.number("entries", line.entries.into());
            if let Some(rules) = line.rules {
                object.text("rules", &format!("{rules:016x}"));
            }
            object.number("head", line.head);
            object.number("lag", line.lag);
            object.number("lease_ms", line.lease_ms);
            object.boolean("own", line.own);
        });
    })
}

/// The answer to a request for a ticket.
pub fn issued(ticket: &str) -> String {
    json::object(ticket.len() + 16, |object| object.text("ticket", ticket))
}

/// The answer to several publications: how many there are of each kind, and what became of each.
pub fn results(outcomes: &[Outcome<'_>]) -> String {
    let published = outcomes.iter().filter(|outcome| outcome.result.is_ok()).count();
    json::object(0, |object| {
        object.number("published", published as u64);
        object.number("failed", (outcomes.len() - published) as u64);
        object.objects("results", outcomes, |outcome, object| {
            if let Some(line) = outcome.line {
                object.number("line", line);
            }
            match outcome.result {
                Ok(receipt) => receipt.write_members(object),
                Err(problem) => {
                    if let Some(channel) = outcome.channel {
                        object.text("channel", channel);
                    }
                    problem.write_member(object);
                }
            }
        });
    })
}

/// The answer to `GET /v1/position`: where the log is, and where each channel is. `gap` is the reason of
/// the gap with which a subscription from the client's own cursor begins.
pub fn position(cursor: Cursor, gap: Option<Reason>, channels: &[(&str, ChannelState)]) -> String {
    json::object(0, |object| {
        object.text("cursor", CursorText::new(cursor).as_str());
        if let Some(reason) = gap {
            object.text("gap", reason.as_str());
        }
        object.objects("channels", channels, |(name, state), object| {
            object.text("channel", name);
            object.number("last", state.last.unwrap_or_default().0);
            object.number("floor", state.floor.0);
            object.boolean("ended", state.ended);
            object.number("messages", state.messages as u64);
            object.number("subscribers", state.subscribers as u64);
        });
    })
}

/// One page of a channel's members.
#[derive(Clone, Copy, Debug)]
pub struct Members<'a> {
    /// The channel.
    pub channel: &'a str,
    /// As [`Presence::version`](super::Presence::version).
    pub version: u64,
    /// Users in the channel, not only of this page.
    pub users: u64,
    /// Streams in the channel, with a user or without.
    pub streams: u64,
    /// Users by name, with the number of their streams. Without a stream a user is in its grace
    /// time.
    pub page: &'a [(&'a str, u32)],
    /// There are more users after these.
    pub more: bool,
}

/// The answer to `GET …/presence`.
pub fn presence(members: &Members<'_>) -> String {
    json::object(160, |object| {
        object.text("channel", members.channel);
        object.number("version", members.version);
        object.number("users", members.users);
        object.number("streams", members.streams);
        object.objects("members", members.page, |member, object| write_member(*member, object));
        object.boolean("more", members.more);
    })
}

fn write_member((user, streams): (&str, u32), object: &mut Object<'_>) {
    object.text("user", user);
    object.number("streams", u64::from(streams));
}

/// The bytes of a user in a page, with the comma before it.
pub(crate) fn member_bytes(user: &str, streams: u32) -> usize {
    1 + json::object(0, |object| write_member((user, streams), object)).len()
}

/// The bytes of a message in a page, with the comma before it; a channel's end has none.
fn message_bytes<M: AsRef<Payload>>(entry: &Entry<M>) -> usize {
    if is_end(entry) {
        return 0;
    }
    1 + json::object(0, |object| {
        write_members(entry, &CursorText::new(entry.position), object);
    })
    .len()
}

/// How many items have room in a page, by the bytes of each. The first item always has.
pub(crate) fn fits(bytes_max: usize, lengths: impl Iterator<Item = usize>) -> usize {
    let mut taken = 0_usize;
    let fitting = lengths.take_while(|bytes| {
        let is_first = taken == 0;
        taken = taken.saturating_add(*bytes);
        // The first has no comma before it.
        is_first || taken <= bytes_max.saturating_add(1)
    });
    fitting.count()
}

/// Cuts a page of history to `bytes_max`, and returns whether it removed entries. A page after a
/// sequence number keeps its first entries, a page before one its last.
///
/// [service:bound-answer]
pub(crate) fn cut_history<M: AsRef<Payload>>(
    entries: &mut Vec<Rc<Entry<M>>>,
    part: Query,
    bytes_max: usize,
) -> bool {
    let lengths = entries.iter().map(|entry| message_bytes(entry));
    match part {
        Query::After(_) => {
            let fits = fits(bytes_max, lengths);
            entries.drain(fits..).next().is_some()
        }
        Query::Before(_) => {
            let fits = fits(bytes_max, lengths.rev());
            entries.drain(..entries.len() - fits).next().is_some()
        }
    }
}

/// The answer to `GET …/history`. The end of a channel is not among the messages: `ended` tells it.
/// `next` is the position from which the next page goes on, if there is one.
pub fn history<M: AsRef<Payload>>(
    channel: &str,
    page: &Page,
    entries: &[Rc<Entry<M>>],
    next: Option<Cursor>,
) -> String {
    json::object(160, |object| {
        object.text("channel", channel);
        object.text("cursor", CursorText::new(page.position).as_str());
        object.number("floor", page.floor.0);
        let messages = entries.iter().filter(|entry| !is_end(entry));
        object.objects("messages", messages, |entry, object| {
            write_members(entry, &CursorText::new(entry.position), object);
        });
        object.boolean("ended", entries.iter().any(|entry| is_end(entry)));
        object.boolean("more", page.more);
        if let Some(next) = next {
            object.text("next", CursorText::new(next).as_str());
        }
    })
}

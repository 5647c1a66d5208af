//! The census' part for a log that several machines share: what other nodes have said, and what they are to be told.

use std::sync::Arc;

use sockeye_hub::presence::{Batch, Change, Elsewhere, Report};
use sockeye_server::Time;

use super::census::Census;
use super::streams::{self, Streams};
use crate::engine::Limits;
use crate::sequencing::{NodePresence, PresenceNews};

/// The other nodes of the log.
#[derive(Debug)]
pub(super) struct Nodes {
    pub(super) elsewhere: Elsewhere,
    /// The streams of users, in whichever channels.
    streams: Streams,
    /// What they are to be told; `None` if the log is that of this process.
    pub(super) report: Option<Report>,
    /// The number of the last news.
    heard: u64,
    room_members_max: usize,
    members_max: usize,
}

impl Nodes {
    pub(super) fn new(limits: &Limits) -> Self {
        let bounds = &limits.presence;
        Self {
            elsewhere: Elsewhere::new(bounds.clone()),
            streams: Streams::new(limits),
            report: None,
            heard: 0,
            room_members_max: bounds.room_members_max,
            members_max: bounds.members_max,
        }
    }

    /// Notes what the other nodes have to know.
    pub(super) fn tell(&mut self, channel: &Arc<str>, user: Option<&str>) {
        if let Some(report) = &mut self.report {
            report.note(channel, user.map(Arc::from).as_ref());
        }
    }

    pub(super) fn held(&self) -> usize {
        self.elsewhere.held() + self.streams.held() + self.report.as_ref().map_or(0, Report::held)
    }
}

impl Census {
    /// The other nodes are to be told.
    pub(super) fn begin_to_tell(&mut self) {
        self.nodes.report.get_or_insert_default();
    }

    /// Counts a stream more or less of a user.
    pub(super) fn count_stream(&mut self, user: &Arc<str>, is_open: bool) {
        let Nodes { streams, report, .. } = &mut self.nodes;
        match is_open {
            true => streams.open(user),
            false => streams.close(user),
        }
        if let Some(report) = report {
            report.note(&streams.all, Some(user));
        }
    }

    /// The streams of a user at other nodes.
    pub(super) fn streams_elsewhere(&self, user: &str) -> usize {
        self.nodes.streams.of_others(user)
    }

    /// [service:presence-bounds] Whether there is room for a member more in a channel, at all nodes together.
    pub(super) fn has_room_for(&self, channel: &str, user: &str) -> bool {
        let Nodes { elsewhere, room_members_max, members_max, .. } = &self.nodes;
        let of_room = self.members.count(channel) + elsewhere.only(channel);
        let of_all = self.members.members() + elsewhere.only_of_all();
        elsewhere.has(channel, user) || (of_room < *room_members_max && of_all < *members_max)
    }

    /// Takes what is said of other nodes, unless another service has. `gone_ms`: when the members of a node that has left
    /// leave, too.
    pub(super) fn hear(&mut self, news: &PresenceNews, gone_ms: u64, from: usize) -> Vec<Change> {
        if news.number <= self.nodes.heard {
            return Vec::new();
        }
        self.nodes.heard = news.number;
        let members = &self.members;
        let is_here = |channel: &str, user: &str| members.has(channel, user);
        let changes = match &news.what {
            NodePresence::Said(node, batch) => {
                let (batch, streams) = streams::part(batch);
                self.nodes.streams.hear(*node, &streams);
                self.nodes.elsewhere.take(*node, &batch, is_here)
            }
            NodePresence::Left(node) => {
                self.nodes.elsewhere.forget(*node, gone_ms);
                self.nodes.streams.elsewhere.forget(*node, 0);
                Vec::new()
            }
            NodePresence::Gone(node) => {
                self.nodes.elsewhere.forget(*node, 0);
                self.nodes.streams.elsewhere.forget(*node, 0);
                Vec::new()
            }
            NodePresence::Repeat => {
                self.nodes.report.iter_mut().for_each(Report::repeat);
                Vec::new()
            }
        };
        changes.iter().for_each(|change| self.note_elsewhere(change, from));
        changes
    }

    /// Removes the next member of a node that is gone.
    pub(super) fn forget_elsewhere(&mut self, now_ms: u64, from: usize) -> Option<Change> {
        let members = &self.members;
        let is_here = |channel: &str, user: &str| members.has(channel, user);
        let change = self.nodes.elsewhere.sweep(now_ms, is_here)?;
        self.note_elsewhere(&change, from);
        Some(change)
    }

    fn note_elsewhere(&mut self, (channel, user): &Change, from: usize) {
        self.rooms.entry(Arc::clone(channel)).or_default();
        let user = user.as_ref().map(|(user, is_there)| (user, *is_there));
        self.note(channel, user, from);
        self.sweep(channel);
    }

    /// Whether the other nodes are to be told something; once for each batch.
    pub(super) fn take_due(&mut self) -> bool {
        self.nodes.report.as_mut().is_some_and(Report::take_due)
    }

    /// Whether there is something to tell, and nothing under way.
    pub(super) fn is_due(&self) -> bool {
        self.nodes.report.as_ref().is_some_and(Report::is_due)
    }

    /// What the other nodes are to be told next.
    pub(super) fn take_batch(&mut self, bytes_max: usize) -> Option<Batch> {
        let Self { rooms, members, nodes, .. } = self;
        let nameless = |channel: &str| rooms.get(channel).map_or(0, |room| room.nameless);
        let Nodes { streams, report, .. } = nodes;
        let member = |channel: &str, user: &str| match channel {
            streams::ALL => streams.of(user),
            channel => members.connections(channel, user),
        };
        report.as_mut()?.take(bytes_max, nameless, member)
    }

    /// The log has the batch that was under way, or nobody knows whether it has.
    pub(super) fn settle_batch(&mut self, is_told: bool) {
        self.nodes.report.iter_mut().for_each(|report| report.settle(is_told));
    }

    /// Forgets some streams of nodes that are gone.
    pub(super) fn forget_streams(&mut self, most: usize) {
        self.nodes.streams.forget_some(most);
    }

    /// When the next member of a node that is gone leaves, or streams are to be forgotten.
    pub(super) fn next_gone(&self) -> Time {
        let Nodes { elsewhere, streams, .. } = &self.nodes;
        let deadlines =
            [elsewhere, &streams.elsewhere].into_iter().filter_map(Elsewhere::next_deadline);
        deadlines.min().map_or(Time::NEVER, Time::from_millis)
    }
}

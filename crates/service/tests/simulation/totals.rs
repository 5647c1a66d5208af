//! What happened, so that one sees that something did.

use std::collections::BTreeMap;

#[derive(Debug, Default)]
pub(crate) struct Totals {
    pub(crate) published: u64,
    pub(crate) duplicates: u64,
    pub(crate) refused: BTreeMap<String, u64>,
    pub(crate) lives: u64,
    pub(crate) messages: u64,
    pub(crate) ends: u64,
    pub(crate) syncs: u64,
    pub(crate) recovered: u64,
    pub(crate) gaps: BTreeMap<String, u64>,
    pub(crate) goaways: BTreeMap<u64, u64>,
    pub(crate) resumes: u64,
    pub(crate) changes: u64,
    pub(crate) lies: u64,
    pub(crate) stalls: u64,
    pub(crate) lagged: u64,
    pub(crate) overruns: u64,
    pub(crate) polls: u64,
    pub(crate) held: u64,
    /// Times the calendar was set.
    pub(crate) calendars: u64,
    pub(crate) late_polls: u64,
    /// Event streams in gzip.
    pub(crate) coded: u64,
    pub(crate) not_modified: u64,
    pub(crate) stay_away: u64,
    pub(crate) added: u64,
    pub(crate) pongs: u64,
    pub(crate) drains: u64,
    pub(crate) roomy: u64,
    pub(crate) cuts: u64,
    pub(crate) restarts: u64,
    pub(crate) lost: u64,
    /// Services that were killed and started again from their log.
    pub(crate) kills: u64,
    /// Times a log was put back to a backup, or lost its end.
    pub(crate) restores: u64,
    pub(crate) tails: u64,
    /// Resumes from a cursor of a life that is lost.
    pub(crate) lost_resumes: u64,
    /// Pages of the archive, questions that it did not take or answer, and polls that were sent away for that.
    pub(crate) pages: u64,
    pub(crate) unread: u64,
    pub(crate) turned_away: u64,
    /// Pages of history that clients asked for.
    pub(crate) histories: u64,
    /// Publications for which the log between workers had no room.
    pub(crate) full: u64,
    /// Openings that waited for their cursor: until it was reached, and in vain.
    pub(crate) waited: u64,
    pub(crate) waited_in_vain: u64,
    pub(crate) transports: BTreeMap<String, u64>,
    /// Shared connections that broke, turns in which one was shared, and the most lanes of one.
    pub(crate) trunk_cuts: u64,
    pub(crate) shared_turns: u64,
    pub(crate) lanes_max: u64,
}

impl Totals {
    pub(crate) fn count_gap(&mut self, reason: &str) {
        *self.gaps.entry(reason.to_owned()).or_default() += 1;
    }

    pub(crate) fn count_goaway(&mut self, code: u64) {
        *self.goaways.entry(code).or_default() += 1;
    }

    pub(crate) fn count_refusal(&mut self, code: &str) {
        *self.refused.entry(code.to_owned()).or_default() += 1;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        let pairs = [
            (&mut self.published, other.published),
            (&mut self.coded, other.coded),
            (&mut self.duplicates, other.duplicates),
            (&mut self.lives, other.lives),
            (&mut self.messages, other.messages),
            (&mut self.ends, other.ends),
            (&mut self.syncs, other.syncs),
            (&mut self.recovered, other.recovered),
            (&mut self.resumes, other.resumes),
            (&mut self.changes, other.changes),
            (&mut self.lies, other.lies),
            (&mut self.stalls, other.stalls),
            (&mut self.lagged, other.lagged),
            (&mut self.overruns, other.overruns),
            (&mut self.polls, other.polls),
            (&mut self.held, other.held),
            (&mut self.calendars, other.calendars),
            (&mut self.late_polls, other.late_polls),
            (&mut self.not_modified, other.not_modified),
            (&mut self.stay_away, other.stay_away),
            (&mut self.added, other.added),
            (&mut self.pongs, other.pongs),
            (&mut self.drains, other.drains),
            (&mut self.roomy, other.roomy),
            (&mut self.cuts, other.cuts),
            (&mut self.restarts, other.restarts),
            (&mut self.lost, other.lost),
            (&mut self.full, other.full),
            (&mut self.waited, other.waited),
            (&mut self.waited_in_vain, other.waited_in_vain),
            (&mut self.kills, other.kills),
            (&mut self.restores, other.restores),
            (&mut self.tails, other.tails),
            (&mut self.lost_resumes, other.lost_resumes),
            (&mut self.pages, other.pages),
            (&mut self.unread, other.unread),
            (&mut self.turned_away, other.turned_away),
            (&mut self.histories, other.histories),
            (&mut self.trunk_cuts, other.trunk_cuts),
            (&mut self.shared_turns, other.shared_turns),
        ];
        for (sum, more) in pairs {
            *sum += more;
        }
        self.lanes_max = self.lanes_max.max(other.lanes_max);
        let maps = [
            (&mut self.gaps, &other.gaps),
            (&mut self.refused, &other.refused),
            (&mut self.transports, &other.transports),
        ];
        for (sums, more) in maps {
            for (name, count) in more {
                *sums.entry(name.clone()).or_default() += count;
            }
        }
        for (code, count) in &other.goaways {
            *self.goaways.entry(*code).or_default() += count;
        }
    }

    /// The same of a simulation with our own clients.
    pub(crate) fn check_clients(&self, seeds: u64) {
        let all = [
            ("messages", self.messages / seeds.max(1)),
            ("lives", self.lives),
            ("ends", self.ends),
            ("syncs", self.syncs / seeds.max(1)),
            ("resumes", self.resumes / seeds.div_ceil(2)),
            ("lies", self.lies),
            ("stalls", self.stalls),
            ("cuts", self.cuts / seeds.max(1)),
            ("restarts", self.restarts / seeds.div_ceil(2)),
            ("lost", self.lost / seeds.max(1)),
            ("overruns", self.overruns),
            ("drains", self.drains),
            ("roomy", self.roomy),
            ("kills", self.kills),
            ("restores", self.restores),
            ("tails", self.tails),
            ("lost resumes", self.lost_resumes),
            ("pages", self.pages),
            ("unread", self.unread),
        ];
        for (name, count) in all {
            assert!(count > 0, "no {name}: {self:?}");
        }
        for reason in ["epoch", "ahead", "forked", "trimmed", "limit", "unreadable"] {
            assert!(self.gaps.contains_key(reason), "no gap {reason}: {self:?}");
        }
        for transport in ["WebSocket", "EventStream", "LongPoll", "ShortPoll"] {
            let count = self.transports.get(transport).copied().unwrap_or_default();
            assert!(count > seeds / 2, "too little {transport}: {self:?}");
        }
    }

    /// A simulation in which nothing happens proves nothing.
    pub(crate) fn check(&self, seeds: u64) {
        let all = [
            ("messages", self.messages / seeds.max(1)),
            ("duplicates", self.duplicates),
            ("lives", self.lives),
            ("ends", self.ends),
            ("recovered", self.recovered / seeds.max(1)),
            ("resumes", self.resumes / seeds.max(1)),
            ("changes", self.changes / seeds.max(1)),
            ("lies", self.lies),
            ("stalls", self.stalls),
            ("lagged", self.lagged),
            ("overruns", self.overruns),
            ("held", self.held),
            ("calendars", self.calendars),
            ("late polls", self.late_polls),
            ("not modified", self.not_modified),
            ("coded", self.coded),
            ("histories", self.histories),
            ("stay away", self.stay_away),
            ("added", self.added),
            ("pongs", self.pongs),
            ("drains", self.drains),
            ("roomy", self.roomy),
            ("kills", self.kills),
            ("restores", self.restores),
            ("tails", self.tails),
            ("lost resumes", self.lost_resumes),
            ("pages", self.pages),
            ("unread", self.unread),
        ];
        for (name, count) in all {
            assert!(count > 0, "no {name}: {self:?}");
        }
        for reason in ["epoch", "ahead", "forked", "trimmed", "limit", "unreadable"] {
            assert!(self.gaps.contains_key(reason), "no gap {reason}: {self:?}");
        }
        for code in [1012, 4000, 4202] {
            assert!(self.goaways.contains_key(&code), "no close {code}: {self:?}");
        }
        for code in ["overloaded", "unavailable", "channel_ended"] {
            assert!(self.refused.contains_key(code), "no refusal {code}: {self:?}");
        }
    }

    /// Machines lag behind each other.
    pub(crate) fn check_machines(&self, seeds: u64) {
        assert!(self.waited > seeds / 50, "nobody waits: {self:?}");
        assert!(self.waited_in_vain > 0 && self.gaps.contains_key("ahead"), "{self:?}");
        assert!(self.resumes > seeds && self.messages > seeds, "{self:?}");
    }

    /// What can happen to connections that are shared has happened.
    pub(crate) fn check_http2(&self, count: u64) {
        assert!(self.shared_turns > 50 * count && self.lanes_max > 4, "{self:?}");
        assert!(self.trunk_cuts > count / 10, "{self:?}");
    }
}

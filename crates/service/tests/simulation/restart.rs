//! Services that begin from their log: at first, and after they were killed.

use std::cell::RefCell;
use std::rc::Rc;

use sockeye_hub::{ChannelName, Config, Epoch, Seq};
use sockeye_server::{Net, Server};
use sockeye_service::sequencing::{LogClock, Sequencer};
use sockeye_service::{Record, Service};
use sockeye_simnet::{Faults, Random, SimNet};

use crate::simulation::archive::{Counts, SimArchive};
use crate::simulation::history::Historian;
use crate::simulation::log::{Mood, SimLog, fails_after};
use crate::simulation::truth::{Entry, Truth};
use crate::simulation::wire::Way;
use crate::simulation::workers::{Clocks, Order};
use crate::simulation::{Run, any, world};

/// What stays the same in all lives of the log.
pub(crate) struct Plan {
    pub(crate) faults: Faults,
    pub(crate) room_max: usize,
    pub(crate) hub: Config,
    pub(crate) service_limits: sockeye_service::Limits,
    pub(crate) limits: sockeye_server::Limits,
    pub(crate) workers: usize,
    /// Longest time by which a service is behind the others, in milliseconds.
    pub(crate) lag_ms: usize,
    pub(crate) truth: Rc<RefCell<Truth>>,
    pub(crate) mood: Rc<RefCell<Mood>>,
    pub(crate) counts: Rc<Counts>,
    pub(crate) clocks: Rc<Clocks>,
}

/// Restores a service or a sequencer. Both have the same calls.
macro_rules! restore {
    ($it:expr, $truth:expr, $after:expr) => {{
        $it.restore_runs(&$truth.runs);
        for (channel, last, ended) in $truth.unloaded($after) {
            $it.restore_channel(name(channel), Seq(last), ended);
        }
        for (seq, entry) in $truth.kept() {
            if let Some(key) = &entry.key {
                $it.restore_key(name(&entry.channel), key, Seq(seq), u64::MAX);
            }
        }
        for (seq, entry) in $truth.kept().filter(|(seq, _)| *seq > $after) {
            if seq > $truth.floor(&entry.channel) {
                $it.restore(&record($truth.epoch, seq, entry)).expect("in order");
            }
        }
        $it.restore_head(Seq($truth.settled)).expect("above the last record");
    }};
}

impl Plan {
    /// Opens the log, and begins a service on each network.
    pub(crate) fn open<N: Net + From<SimNet>>(
        &self,
        ways: &[Way],
        random: &mut Random,
    ) -> (Option<Order>, Vec<Server<N, Service>>) {
        let truth = self.truth.borrow();
        let log = Box::new(SimLog::new(&self.truth, &self.mood));
        // An archive has what memory lacks.
        let after = match random.below(3) {
            _ if !truth.has_archive => 0,
            0 => truth.settled,
            1 => 0,
            _ => random.below(usize::try_from(truth.settled).expect("few") + 1) as u64,
        };
        let service = || {
            let mut service =
                Service::new(Epoch(truth.epoch), self.hub.clone(), self.service_limits.clone());
            restore!(service, truth, after);
            if !truth.has_archive {
                return service;
            }
            service.with_archive(Box::new(SimArchive::new(&self.truth, &self.mood, &self.counts)))
        };
        let newest_ms = truth.kept().last().map_or(0, |(_, entry)| entry.time_ms);
        let (order, services) = match self.workers {
            1 => {
                let mut service = service();
                service.restore_clock(truth.log_ms, newest_ms);
                (None, vec![service.with_log(log)])
            }
            workers => {
                let mut sequencer = Sequencer::new(Epoch(truth.epoch), self.hub.clone());
                restore!(sequencer, truth, after);
                let sequencer = sequencer.with_log(log);
                let (order, members) =
                    Order::new((workers, self.lag_ms), sequencer, &self.clocks, random);
                LogClock::restore(order.clock(), truth.log_ms, newest_ms);
                let members = members.into_iter();
                (Some(order), members.map(|it| service().with_backbone(Box::new(it))).collect())
            }
        };
        let servers = ways.iter().zip(services);
        let server = |(way, it): (&Way, Service)| {
            Server::new(N::from(way.net.clone()), it, self.limits.clone())
        };
        (order, servers.map(server).collect())
    }

    /// A new network where there was one, some time later.
    fn network(&self, before: &Way, down_ms: u64, random: &mut Random) -> Way {
        let version = before.version();
        let before = &before.net;
        let net = SimNet::new(random.bits(), self.faults, self.room_max);
        let (now, unix_ms) = (before.now().as_millis() + down_ms, before.unix_ms() + down_ms);
        net.advance(now - net.now().as_millis());
        let by_ms = i128::from(unix_ms) - i128::from(net.unix_ms());
        net.set_calendar(i64::try_from(by_ms).expect("some years"));
        Way::new(net, version)
    }
}

impl<N: Net + From<SimNet>> Run<N> {
    /// What happens to a log by itself: retention drops messages, and somebody takes backups.
    pub(crate) fn live(&mut self) {
        let Self { plan, backups, random, .. } = self;
        let (mut truth, drops) = (plan.truth.borrow_mut(), plan.mood.borrow().drops);
        if random.one_in(drops) && truth.settled > 0 {
            let seq = 1 + random.below(usize::try_from(truth.settled).expect("few")) as u64;
            let is_kept = truth.kept().any(|(it, _)| it == seq);
            if is_kept {
                truth.drop_through(seq);
            }
        }
        if random.one_in(30) {
            backups.push(truth.backup());
        }
    }

    /// The process is killed, and another one begins from the log, or from an older state of it.
    pub(crate) fn kill(&mut self) {
        self.cut_off_all();
        self.count_services();
        self.servers.clear();
        self.order = None;
        self.reopen_log();
        let Self { plan, ways, random, totals, .. } = self;
        totals.kills += 1;
        let down_ms = random.skewed(5_000) as u64;
        plan.clocks.advance(down_ms);
        *ways = ways.iter().map(|way| plan.network(way, down_ms, random)).collect();
        (self.order, self.servers) = plan.open(ways, random);
    }

    fn cut_off_all(&mut self) {
        self.historian.iter_mut().for_each(Historian::cut_off);
        let Self { ways, subscribers, clients, publishers, random, totals, .. } = self;
        subscribers.iter_mut().for_each(|it| it.cut_off(random, totals));
        for client in clients {
            client.cut_off(any(ways, random), random, totals);
        }
        for publisher in publishers {
            publisher.cut_off(random, totals);
            publisher.go_on(1 + random.below(3), &world::channels(), random);
        }
    }

    /// What of the log is there again.
    fn reopen_log(&mut self) {
        let Self { plan, backups, random, totals, .. } = self;
        let mut truth = plan.truth.borrow_mut();
        let settled = truth.settled;
        match random.below(4) {
            0 if !backups.is_empty() => {
                totals.restores += 1;
                truth.restore(backups[random.below(backups.len())].clone());
            }
            1 => {
                totals.tails += 1;
                let back = [1, 2, 5, 20][random.below(4)];
                truth.reopen_at(settled.saturating_sub(back));
            }
            // Of what nobody was told to be safe, some may be.
            _ => {
                let open = usize::try_from(truth.head() - settled).expect("few");
                truth.reopen_at(settled + random.below(open + 1) as u64);
            }
        }
        plan.mood.borrow_mut().fails_after = fails_after(random, truth.settled);
    }

    /// Adds up what the services did.
    pub(crate) fn count_services(&mut self) {
        let Self { servers, order, plan, totals, .. } = self;
        for server in servers {
            let (stats, served) = (server.app().hub_stats(), server.stats());
            totals.held += served.holds_opened;
            totals.waited += server.app().opening_waits().0;
            totals.waited_in_vain += server.app().opening_waits().1;
            totals.lagged += stats.lagged;
            totals.overruns += stats.overruns;
        }
        if let Some(order) = order {
            order.count(totals);
        }
        totals.lives += u64::from(plan.truth.borrow().failed);
    }
}

fn name(channel: &str) -> ChannelName<'_> {
    ChannelName::new(channel).expect("a name")
}

fn record(epoch: u64, seq: u64, entry: &Entry) -> Record<'_> {
    Record {
        position: sockeye_hub::Cursor::new(Epoch(epoch), Seq(seq)),
        channel: name(&entry.channel),
        time_ms: entry.log_ms,
        kind: if entry.is_end { sockeye_hub::Kind::End } else { sockeye_hub::Kind::Message },
        payload: &entry.payload,
        key: entry.key.as_deref(),
    }
}

//! The threads of the loops, and what is told to them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TryRecvError, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Thread;

use sockeye_hub::{Config as Hub, Epoch};
use sockeye_server::{Limits, MioNet, Server, SharedRoom, Waker};
use sockeye_service::backbone::{Joint, Member};
use sockeye_service::{Access, Commons, Namespaces, Service};

use crate::config::Config;
use crate::demo::Demo;
use crate::disk::Kept;
use crate::front::Front;
use crate::reload::{Changed, Settings};
use crate::serve::{self, Asked};
use crate::watch::Watch;
use crate::{Failure, OrFail, disk};

/// Records of the log that may wait for a loop that is taking them back.
const RESTORED_MAX: usize = 1_024;

/// The loops.
pub(super) struct Crew {
    hands: Vec<Hand>,
    ended: Receiver<Result<(), Failure>>,
    at_work: usize,
}

/// One of them, as the first thread knows it.
struct Hand {
    /// What the log has kept, until it has all.
    restored: Option<SyncSender<Kept>>,
    ready: Receiver<Result<(), String>>,
    net: Option<Sender<MioNet>>,
    waker: Option<Waker>,
    letter: Arc<Letter>,
}

/// Other settings on their way to a loop.
#[derive(Default)]
struct Letter {
    has_come: AtomicBool,
    orders: Mutex<Option<Orders>>,
}

/// Other settings for one loop, and what they meant for all that have them.
pub(super) struct Orders {
    settings: Settings,
    meant: Arc<Mutex<Meant>>,
}

struct Meant {
    changed: Changed,
    left: usize,
}

impl Orders {
    /// The orders for all loops.
    pub(super) fn all(settings: Vec<Settings>) -> Vec<Self> {
        let meant = Meant { changed: Changed::default(), left: settings.len() };
        let meant = Arc::new(Mutex::new(meant));
        settings.into_iter().map(|settings| Self { settings, meant: Arc::clone(&meant) }).collect()
    }

    fn apply(self, server: &mut Server<MioNet, Front>) {
        let Changed { revoked, moved } = self.settings.apply(server);
        let mut meant = self.meant.lock().unwrap_or_else(PoisonError::into_inner);
        meant.changed.revoked += revoked;
        meant.changed.moved += moved;
        meant.left -= 1;
        if meant.left == 0 {
            meant.changed.tell();
        }
    }
}

impl Crew {
    /// Starts the threads. Each takes back what it is [given](Self::restore), and waits for its
    /// network.
    pub(super) fn hire(
        config: &Config,
        descriptors: u64,
        epoch: Epoch,
        joint: &Arc<Joint>,
        asked: &Arc<Asked>,
    ) -> Result<Self, Failure> {
        let limits = serve::limits(descriptors, config);
        let (tell, ended) = channel();
        let room = SharedRoom::default();
        let watch = Watch::default();
        let waking = Arc::clone(joint);
        let service_limits = serve::service_limits(config, &limits);
        let commons =
            Commons::new(config.workers, &service_limits, move |worker| waking.wake(worker));
        let mut accesses = serve::accesses(config, config.workers)?.into_iter();
        let mut hands = Vec::with_capacity(config.workers);
        for worker in 0..config.workers {
            let (restored, records) = sync_channel(RESTORED_MAX);
            let (ready, is_ready) = channel();
            let (net, network) = channel();
            let letter = Arc::new(Letter::default());
            let place = Place {
                epoch,
                hub: config.hub(),
                service_limits: service_limits.clone(),
                limits: limits.clone(),
                access: accesses.next().expect("one for each"),
                namespaces: config.rules(),
                has_demo: config.serves_demo(),
                member: joint.member(worker),
                room: room.clone(),
                commons: commons.clone(),
                watch: watch.for_another(),
                worker,
                records,
                ready,
                network,
                asked: Arc::clone(asked),
                letter: Arc::clone(&letter),
            };
            let end = End { tell: tell.clone(), first: std::thread::current(), result: None };
            std::thread::Builder::new()
                .name(format!("worker {worker}"))
                .spawn(move || place.work(end))
                .or_fail(|| "cannot start a worker".into())?;
            let (restored, net) = (Some(restored), Some(net));
            hands.push(Hand { restored, ready: is_ready, net, waker: None, letter });
        }
        Ok(Self { at_work: hands.len(), hands, ended })
    }

    /// Lets each take this back.
    pub(super) fn restore(&self, kept: &Kept) {
        for hand in &self.hands {
            if let Some(restored) = &hand.restored {
                // One that does not take it says why when it is asked whether it is ready.
                let _ = restored.send(kept.clone());
            }
        }
    }

    /// Waits until each has taken back what there is.
    pub(super) fn is_ready(&mut self) -> Result<(), Failure> {
        for hand in &mut self.hands {
            hand.restored = None;
        }
        for hand in &self.hands {
            let ready = hand.ready.recv().unwrap_or_else(|_| Err("a worker ended".to_owned()));
            ready.or_fail(|| "cannot take back the log".into())?;
        }
        Ok(())
    }

    /// Lets all begin to serve, each on its network. Each can be woken before the first one does
    /// anything: a wake that nobody heard would be the last.
    pub(super) fn begin(&mut self, nets: Vec<MioNet>, joint: &Joint) {
        for (worker, (hand, net)) in self.hands.iter_mut().zip(&nets).enumerate() {
            let waker = net.waker();
            hand.waker = Some(waker.clone());
            let wake = move || {
                // A loop that cannot be woken has ended already.
                let _ = waker.wake();
            };
            joint.wake_worker(worker, Box::new(wake));
        }
        for (hand, net) in self.hands.iter_mut().zip(nets) {
            if let Some(begin) = hand.net.take() {
                let _ = begin.send(net);
            }
        }
    }

    /// Gives each its orders.
    pub(super) fn order(&self, orders: Vec<Orders>) {
        for (hand, orders) in self.hands.iter().zip(orders) {
            let mut letter = hand.letter.orders.lock().unwrap_or_else(PoisonError::into_inner);
            *letter = Some(orders);
            hand.letter.has_come.store(true, Ordering::Release);
        }
        self.wake();
    }

    /// Has each look around.
    pub(super) fn wake(&self) {
        for waker in self.hands.iter().filter_map(|hand| hand.waker.as_ref()) {
            let _ = waker.wake();
        }
    }

    /// Whether all have ended.
    ///
    /// # Errors
    /// One has failed: the others are not to go on without it.
    pub(super) fn has_ended(&mut self) -> Result<bool, Failure> {
        loop {
            match self.ended.try_recv() {
                Ok(result) => {
                    result?;
                    self.at_work -= 1;
                }
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => {
                    return Ok(self.at_work == 0);
                }
            }
        }
    }
}

/// Where a loop works, and with what.
struct Place {
    epoch: Epoch,
    hub: Hub,
    service_limits: sockeye_service::Limits,
    limits: Limits,
    access: Access,
    namespaces: Namespaces,
    has_demo: bool,
    member: Member,
    room: SharedRoom,
    commons: Commons,
    watch: Watch,
    worker: usize,
    records: Receiver<Kept>,
    ready: Sender<Result<(), String>>,
    network: Receiver<MioNet>,
    asked: Arc<Asked>,
    letter: Arc<Letter>,
}

impl Place {
    fn work(self, mut end: End) {
        end.result = Some(self.serve());
    }

    fn serve(self) -> Result<(), Failure> {
        let service = Service::new(self.epoch, self.hub, self.service_limits);
        let mut service = service.with_access(self.access).with_namespaces(self.namespaces);
        let records = self.records;
        let restored = records.iter().try_for_each(|kept| disk::restore(&mut service, &kept));
        // Whoever sends more does not wait for one that takes nothing.
        drop(records);
        let is_good = restored.is_ok();
        let _ = self.ready.send(restored);
        let Some(net) = self.network.recv().ok().filter(|_| is_good) else { return Ok(()) };
        let service = service.with_backbone(Box::new(self.member));
        let service = service.with_commons(&self.commons, self.worker);
        let demo = self.has_demo.then(Demo::new);
        let server = Server::new(net, Front::new(service, demo), self.limits);
        let mut server = server.with_room(self.room);
        serve::turns(&mut server, &self.asked, self.watch, |server| {
            if let Some(orders) = self.letter.take() {
                orders.apply(server);
            }
        })?;
        server.with_app(|front, context| front.service().sign_off(context));
        Ok(())
    }
}

impl Letter {
    fn take(&self) -> Option<Orders> {
        if !self.has_come.swap(false, Ordering::Acquire) {
            return None;
        }
        self.orders.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Tells the first thread how a loop ended, also if it panicked.
struct End {
    tell: Sender<Result<(), Failure>>,
    first: Thread,
    result: Option<Result<(), Failure>>,
}

impl Drop for End {
    fn drop(&mut self) {
        let panicked = || Err(Failure("a worker panicked".into()));
        let _ = self.tell.send(self.result.take().unwrap_or_else(panicked));
        self.first.unpark();
    }
}

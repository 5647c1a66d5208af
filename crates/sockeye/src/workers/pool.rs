//! The worker threads, and the messages that the main thread sends them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TryRecvError, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Thread;

use sockeye_hub::Epoch;
use sockeye_server::{ConnectionQuota, MioNet, Net, Server, Waker};
use sockeye_service::sequencing::{LoopBackbone, Member, Storage};
use sockeye_service::{Inlet, Service, SharedState};
use sockeye_terminal::{Failure, OrFail};

use crate::archive::Archives;
use crate::config::Config;
use crate::demo::Demo;
use crate::disk;
use crate::disk::Kept;
use crate::front::Front;
use crate::reload::{Applied, Reload, Settings};
use crate::serve::{self, Asked};
use crate::sources;
use crate::tls::Tls;
use crate::watch::Watch;

/// Parts of the log's state that may be queued for one worker while it restores its hub.
const RESTORED_MAX: usize = 1_024;

/// The worker threads of a process. Each runs one event loop.
pub(super) struct WorkerPool {
    workers: Vec<Worker>,
    exits: Receiver<Result<(), Failure>>,
    running: usize,
}

/// What each worker needs of the log: its epoch, its archives, the disk's room.
pub(super) type LogParts = (Epoch, Option<Archives>, Option<Arc<dyn Storage>>);

/// The main thread's handle to one worker.
struct Worker {
    /// Sends what the log knows; `None` once all is sent.
    restored: Option<SyncSender<Kept>>,
    ready: Receiver<Result<(), String>>,
    net: Sender<MioNet>,
    waker: Option<Waker>,
    mailbox: Arc<Mailbox>,
}

/// Holds new settings until the worker takes them.
#[derive(Default)]
struct Mailbox {
    is_full: AtomicBool,
    reload: Mutex<Option<Reload>>,
}

impl WorkerPool {
    /// Starts the threads. Each restores what it is [sent](Self::restore), and then
    /// waits for its network. With `archives` each has one of its own; `storage` is the disk's room.
    pub(super) fn start(
        config: &Config,
        descriptors: u64,
        ((epoch, archives, storage), tls, inlet): (LogParts, Option<Tls>, Inlet),
        backbone: &Arc<LoopBackbone>,
        asked: &Arc<Asked>,
    ) -> Result<Self, Failure> {
        let settings = Settings::of(config, &config.hub(), descriptors, config.workers)?;
        let (exit, exits) = channel();
        let quota = ConnectionQuota::default();
        let watch = Watch::default();
        let waking = Arc::clone(backbone);
        let shared_state = SharedState::new(config.workers, &settings[0].service, move |worker| {
            waking.wake(worker);
        });
        let mut workers = Vec::with_capacity(config.workers);
        for (number, settings) in settings.into_iter().enumerate() {
            let (restored, kept) = sync_channel(RESTORED_MAX);
            let (ready, is_ready) = channel();
            let (net, network) = channel();
            let mailbox = Arc::new(Mailbox::default());
            let task = WorkerTask {
                epoch,
                archives: archives.clone(),
                storage: storage.clone(),
                tls: tls.clone(),
                settings,
                config: config.clone(),
                member: backbone.member(number),
                quota: quota.clone(),
                shared_state: shared_state.clone(),
                // One worker publishes for the sources.
                inlet: (number == 0).then(|| inlet.clone()),
                watch: watch.for_another(),
                number,
                kept,
                ready,
                network,
                asked: Arc::clone(asked),
                mailbox: Arc::clone(&mailbox),
            };
            let notice =
                ExitNotice { exit: exit.clone(), main: std::thread::current(), result: None };
            std::thread::Builder::new()
                .name(format!("worker {number}"))
                .spawn(move || task.run(notice))
                .or_fail(|| "cannot start a worker".into())?;
            let restored = Some(restored);
            workers.push(Worker { restored, ready: is_ready, net, waker: None, mailbox });
        }
        Ok(Self { running: workers.len(), workers, exits })
    }

    /// Sends a part of the log's state to every worker.
    pub(super) fn restore(&self, kept: &Kept) {
        for worker in &self.workers {
            if let Some(restored) = &worker.restored {
                // A worker that has stopped reading reports its error through `ready`.
                let _ = restored.send(kept.clone());
            }
        }
    }

    /// Waits until every worker has restored all of it.
    pub(super) fn wait_until_ready(&mut self) -> Result<(), Failure> {
        for worker in &mut self.workers {
            worker.restored = None;
        }
        for worker in &self.workers {
            let ready = worker.ready.recv().unwrap_or_else(|_| Err("a worker ended".to_owned()));
            ready.or_fail(|| "cannot take back the log".into())?;
        }
        Ok(())
    }

    /// Gives each worker its network, on which it begins to serve.
    ///
    /// All wakers are set before the first worker runs: a wake without a waker would be lost, and
    /// no second one would follow.
    pub(super) fn serve(&mut self, nets: Vec<MioNet>, backbone: &LoopBackbone) {
        for (number, (worker, net)) in self.workers.iter_mut().zip(&nets).enumerate() {
            let waker = net.waker();
            worker.waker = Some(waker.clone());
            let wake = move || {
                // A loop that cannot be woken has ended already.
                let _ = waker.wake();
            };
            backbone.wake_worker(number, Box::new(wake));
        }
        for (worker, net) in self.workers.iter().zip(nets) {
            let _ = worker.net.send(net);
        }
    }

    /// Puts its reload into each worker's mailbox.
    pub(super) fn reload(&self, reloads: Vec<Reload>) {
        for (worker, reload) in self.workers.iter().zip(reloads) {
            let mut slot = worker.mailbox.reload.lock().unwrap_or_else(PoisonError::into_inner);
            let former = slot.replace(reload);
            worker.mailbox.is_full.store(true, Ordering::Release);
            drop(slot);
            // Its loop had no turn in between.
            if let Some(former) = former {
                former.give_up();
            }
        }
        self.wake();
    }

    /// Wakes all workers.
    pub(super) fn wake(&self) {
        for waker in self.workers.iter().filter_map(|worker| worker.waker.as_ref()) {
            let _ = waker.wake();
        }
    }

    /// Whether all workers have ended.
    ///
    /// # Errors
    /// A worker has failed. The others must not go on without it.
    pub(super) fn has_ended(&mut self) -> Result<bool, Failure> {
        loop {
            match self.exits.try_recv() {
                Ok(result) => {
                    result?;
                    self.running -= 1;
                }
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => {
                    return Ok(self.running == 0);
                }
            }
        }
    }
}

/// The state with which a worker thread begins.
struct WorkerTask {
    epoch: Epoch,
    /// The log on disk, if there is one.
    archives: Option<Archives>,
    storage: Option<Arc<dyn Storage>>,
    /// The certificates, if the server speaks TLS.
    tls: Option<Tls>,
    settings: Settings,
    config: Config,
    member: Member,
    quota: ConnectionQuota,
    shared_state: SharedState,
    inlet: Option<Inlet>,
    watch: Watch,
    number: usize,
    kept: Receiver<Kept>,
    ready: Sender<Result<(), String>>,
    network: Receiver<MioNet>,
    asked: Arc<Asked>,
    mailbox: Arc<Mailbox>,
}

impl WorkerTask {
    fn run(self, mut notice: ExitNotice) {
        notice.result = Some(self.serve());
    }

    fn serve(self) -> Result<(), Failure> {
        let Settings { access, namespaces, hub, service, limits } = self.settings;
        let service = Service::new(self.epoch, hub, service);
        let mut service = service.with_access(access).with_namespaces(namespaces);
        let kept = self.kept;
        let restored = kept.iter().try_for_each(|it| disk::restore(&mut service, &it));
        // A sender must not wait for a worker that has stopped reading.
        drop(kept);
        let is_good = restored.is_ok();
        let _ = self.ready.send(restored);
        let Some(net) = self.network.recv().ok().filter(|_| is_good) else { return Ok(()) };
        if let Some(storage) = self.storage {
            service = service.with_storage(storage);
        }
        if let Some(archives) = &self.archives {
            service = service.with_archive(Box::new(archives.archive(net.waker())));
        }
        if let Some(tls) = &self.tls {
            service = service.with_certificates(Arc::clone(&tls.state));
        }
        let service = service.with_backbone(Box::new(self.member));
        let mut service = service.with_shared_state(&self.shared_state, self.number);
        if let Some(inlet) = self.inlet {
            service = service.with_inlet(sources::waking(inlet, net.waker()));
        }
        let config = &self.config;
        let demo = config.serves_demo().then(|| Demo::new(config.dev_authority(), config.shown()));
        let mut front = Front::new(service, demo, serve::parts(&self.config));
        front.answer_challenges(self.tls.as_ref().and_then(|it| it.answers.clone()));
        let turns = Turns {
            limits,
            listeners: serve::rules(&self.config),
            quota: self.quota,
            asked: self.asked,
            watch: self.watch,
            mailbox: self.mailbox,
        };
        let acceptor = self.tls.as_ref().map(|tls| &tls.acceptor);
        match serve::is_plain(&self.config) {
            true => turns.take(net, front),
            false => turns.take(serve::layered(net, &self.config, acceptor), front),
        }
    }
}

/// What a worker needs beside its network and its application.
struct Turns {
    limits: sockeye_server::Limits,
    listeners: Vec<sockeye_server::Listener>,
    quota: ConnectionQuota,
    asked: Arc<Asked>,
    watch: Watch,
    mailbox: Arc<Mailbox>,
}

impl Turns {
    /// Serves until a drain is over.
    fn take<N: Net>(self, net: N, front: Front) -> Result<(), Failure> {
        let mut server = Server::new(net, front, self.limits)
            .with_quota(self.quota)
            .with_listeners(self.listeners);
        let mut applied = Applied::default();
        serve::turns(&mut server, &self.asked, self.watch, |server| {
            if let Some(reload) = self.mailbox.take() {
                applied.apply(reload, server);
            }
            applied.look(server);
        })?;
        server.with_app(|front, context| front.service().sign_off(context));
        Ok(())
    }
}

impl Mailbox {
    fn take(&self) -> Option<Reload> {
        if !self.is_full.swap(false, Ordering::Acquire) {
            return None;
        }
        self.reload.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Tells the main thread how a worker ended, even after a panic.
struct ExitNotice {
    exit: Sender<Result<(), Failure>>,
    main: Thread,
    result: Option<Result<(), Failure>>,
}

impl Drop for ExitNotice {
    fn drop(&mut self) {
        let panicked = || Err(Failure("a worker panicked".into()));
        let _ = self.exit.send(self.result.take().unwrap_or_else(panicked));
        self.main.unpark();
    }
}

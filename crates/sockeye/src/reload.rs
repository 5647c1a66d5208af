//! Reads the configuration file again on SIGHUP, and applies it to the running server.

use std::cell::Cell;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use sockeye_hub::Config as Hub;
use sockeye_log::Control;
use sockeye_server::{Net, Server};
use sockeye_service::{Access, Namespaces, Reloaded};
use sockeye_terminal::{Failure, OrFail as _};

use crate::cli::ServeOptions;
use crate::config::Config;
use crate::file::Kind;
use crate::front::Front;
use crate::sources::{self, Sources};
use crate::tls::TlsReloader;
use crate::{disk, logging, serve};

/// How often the files of certificates are looked at.
const FILES_WATCH: Duration = Duration::from_secs(2);

/// The new settings of one event loop.
pub(crate) struct Settings {
    pub(crate) access: Access,
    pub(crate) namespaces: Namespaces,
    pub(crate) hub: Hub,
    pub(crate) service: sockeye_service::Limits,
    pub(crate) limits: sockeye_server::Limits,
}

impl Settings {
    /// The settings of so many event loops. Tickets are valid in all of them.
    pub(crate) fn of(
        config: &Config,
        hub: &Hub,
        descriptors: u64,
        loops: usize,
    ) -> Result<Vec<Self>, Failure> {
        let limits = serve::limits(descriptors, config);
        let service = serve::service_limits(config, &limits);
        let mut all: Vec<Self> = Vec::with_capacity(loops);
        for _ in 0..loops {
            let mut access = serve::access(config)?;
            if let Some(first) = all.first() {
                access.share_tickets(&first.access);
            }
            let (namespaces, hub) = (config.rules(), hub.clone());
            let (service, limits) = (service.clone(), limits.clone());
            all.push(Self { access, namespaces, hub, service, limits });
        }
        Ok(all)
    }

    fn apply<N: Net>(self, server: &mut Server<N, Front>) {
        let Self { access, namespaces, hub, service, limits } = self;
        server.set_limits(limits);
        server.with_app(|front, context| {
            front.service().reload(access, namespaces, hub, service, context);
        });
    }
}

/// New settings for one loop, and the totals that all loops add their effects to.
pub(crate) struct Reload {
    settings: Settings,
    totals: Arc<Mutex<Totals>>,
}

/// The effects of new settings on the open streams, summed over the loops that have judged all of theirs.
struct Totals {
    reloaded: Reloaded,
    loops_left: usize,
}

impl Reload {
    /// One reload for each loop's settings.
    pub(crate) fn all(settings: Vec<Settings>) -> Vec<Self> {
        let totals = Totals { reloaded: Reloaded::default(), loops_left: settings.len() };
        let totals = Arc::new(Mutex::new(totals));
        let one = |settings| Self { settings, totals: Arc::clone(&totals) };
        settings.into_iter().map(one).collect()
    }

    /// Leaves it to a later one, before the loop has applied it.
    pub(crate) fn give_up(self) {
        add(&self.totals, Reloaded::default());
    }
}

/// Adds the effects in one loop to the totals. The last loop logs them.
fn add(totals: &Mutex<Totals>, effects: Reloaded) {
    let mut totals = totals.lock().unwrap_or_else(PoisonError::into_inner);
    totals.loops_left -= 1;
    totals.reloaded.revoked += effects.revoked;
    totals.reloaded.moved += effects.moved;
    if totals.loops_left == 0 {
        let Reloaded { revoked, moved, .. } = totals.reloaded;
        log::info!(revoked, moved; "the configuration was read again");
    }
}

/// The reloads that a loop has applied, and whose streams it has not all judged yet.
#[derive(Default)]
pub(crate) struct Applied(Vec<Arc<Mutex<Totals>>>);

impl Applied {
    /// Applies new settings. The loop judges its streams in later turns.
    pub(crate) fn apply<N: Net>(&mut self, reload: Reload, server: &mut Server<N, Front>) {
        reload.settings.apply(server);
        self.0.push(reload.totals);
    }

    /// Adds the effects to the totals once all streams have been judged.
    pub(crate) fn look<N: Net>(&mut self, server: &mut Server<N, Front>) {
        if self.0.is_empty() {
            return;
        }
        let Some(reloaded) = server.app_mut().service().take_reloaded() else { return };
        let last = self.0.len() - 1;
        for (number, totals) in self.0.drain(..).enumerate() {
            // A reload that another one has overtaken has no figure of its own.
            add(&totals, if number == last { reloaded } else { Reloaded::default() });
        }
    }
}

/// Reads the configuration on a thread of its own: a disk may take any time.
pub(crate) struct ReloadThread {
    requests: SyncSender<()>,
    settings: Receiver<Vec<Settings>>,
}

impl ReloadThread {
    /// Starts the thread. It reads the settings of so many loops, and calls `wake` when they can be taken.
    pub(crate) fn start(
        reloader: Reloader,
        loops: usize,
        wake: impl Fn() + Send + 'static,
    ) -> Result<Self, Failure> {
        let (requests, asked) = sync_channel(1);
        let (give, settings) = channel();
        let mut reloader = reloader;
        if let Some(certificates) = &mut reloader.certificates {
            certificates.start_orders()?;
        }
        let read = move || {
            loop {
                match asked.recv_timeout(FILES_WATCH) {
                    Ok(()) => {}
                    Err(RecvTimeoutError::Timeout) => {
                        reloader.look_at_certificates();
                        continue;
                    }
                    Err(RecvTimeoutError::Disconnected) => return,
                }
                // The server has ended if nothing takes them.
                if give.send(reloader.read(loops)).is_err() {
                    return;
                }
                wake();
            }
        };
        let thread = thread::Builder::new().name("reload".into()).spawn(read);
        thread.or_fail(|| "cannot start the thread that reads the configuration again".into())?;
        Ok(Self { requests, settings })
    }

    /// Asks for a reading. One that waits already reads the same file.
    pub(crate) fn ask(&self) {
        let _ = self.requests.try_send(());
    }

    /// Takes the settings that were read since the last call, one for each loop; none if the file is bad.
    pub(crate) fn take(&self) -> Vec<Settings> {
        self.settings.try_recv().unwrap_or_default()
    }
}

/// Reads the configuration again.
pub(crate) struct Reloader {
    options: ServeOptions,
    /// How many descriptors the process may have.
    descriptors: u64,
    /// The configuration at the start, of which some settings cannot change.
    started: Config,
    /// The log on disk, if there is one.
    log: Option<Control>,
    /// The certificates, if the server speaks TLS.
    certificates: Option<TlsReloader>,
    sources: Arc<Sources>,
    /// Whether credentials are asked for now.
    guarded: Cell<bool>,
}

impl Reloader {
    pub(crate) fn new(
        options: &ServeOptions,
        descriptors: u64,
        started: Config,
        (log, certificates, sources): (Option<Control>, Option<TlsReloader>, Arc<Sources>),
    ) -> Self {
        let options = options.clone();
        let guarded = Cell::new(started.access.is_some());
        Self { options, descriptors, started, log, certificates, sources, guarded }
    }

    /// Reads certificates again whose files have changed.
    fn look_at_certificates(&mut self) {
        if let Some(certificates) = &mut self.certificates {
            certificates.look(false);
        }
    }

    /// Reads the file again for so many loops, and the certificates. Returns the settings of each, or none
    /// if the file is bad.
    fn read(&mut self, loops: usize) -> Vec<Settings> {
        if self.options.config.is_none() {
            if let Some(certificates) = &mut self.certificates {
                certificates.look(true);
                return Vec::new();
            }
            log::warn!("there is no configuration file to read again: --config names one");
            return Vec::new();
        }
        self.try_read(loops).unwrap_or_else(|problem| {
            log::error!(problem:%; "the configuration stays as it was");
            Vec::new()
        })
    }

    fn try_read(&mut self, loops: usize) -> Result<Vec<Settings>, Failure> {
        let mut config = serve::configure(&self.options, Kind::Regular)?;
        let mut hub = config.hub();
        let fixed = self.fixed(&config, &mut hub);
        config.workers = self.started.workers;
        let settings = Settings::of(&config, &hub, self.descriptors, loops)?;
        // An empty or cut file is valid, and would let everybody in.
        if self.guarded.get() && config.access.is_none() {
            return Err(Failure("[access] is gone: that opens a server only at its start".into()));
        }
        let certificates = match (&mut self.certificates, &config.tls) {
            (Some(certificates), Some(tls)) => Some(certificates.prepare(tls)?),
            _ => None,
        };
        let plans = sources::plan(&config.sources)?;
        let logger = logging::prepare(&config.log)?;
        if let Some(log) = &self.log {
            disk::reconfigure(log, &config)?;
        }
        // Nothing fails from here on: a bad file changes nothing.
        logger.apply();
        self.sources.apply(plans);
        if let (Some(certificates), Some(loaded)) = (&mut self.certificates, certificates) {
            certificates.apply(loaded);
        }
        for name in fixed {
            log::warn!(name; "needs a restart to change");
        }
        self.guarded.set(config.access.is_some());
        Ok(settings)
    }

    /// Returns the names of the settings that differ and cannot change. In `hub` it puts the old values back.
    fn fixed(&self, config: &Config, hub: &mut Hub) -> Vec<&'static str> {
        let started = &self.started;
        let of_acme = |config: &Config| config.tls.as_ref().and_then(|it| it.acme.clone());
        let http = |config: &Config| of_acme(config).and_then(|it| it.http);
        let mut fixed = Vec::new();
        for (name, differs) in [
            ("listen", config.listen != started.listen),
            ("data", config.data != started.data),
            ("backbone", config.backbone != started.backbone),
            ("tls.acme", of_acme(config).is_some() != of_acme(started).is_some()),
            ("tls.acme.http", http(config) != http(started)),
            ("demo", config.serves_demo() != started.serves_demo()),
            ("workers", config.workers != started.workers),
            ("tls", config.tls.is_some() != started.tls.is_some()),
            (
                "limits.dead_peer_seconds",
                config.limits.dead_peer_seconds != started.limits.dead_peer_seconds,
            ),
            ("limits.socket_bytes", config.limits.socket_bytes != started.limits.socket_bytes),
        ] {
            if differs {
                fixed.push(name);
            }
        }
        // All nodes of a shared log decide by the same rules.
        if let Some(backbone) = &started.backbone {
            let rules = |hub: &Hub| crate::backbone::rules(backbone, hub);
            if rules(hub) != rules(&started.hub()) {
                fixed.push("message_bytes, key_seconds or namespaces of them, with backbone");
            }
        }
        // The log takes records up to a size that it was opened with.
        let largest = disk::message_bytes_max(&started.hub());
        if started.data.is_some() && disk::message_bytes_max(hub) > largest {
            fixed.push("message_bytes above the largest at the start");
            let namespaces = hub.namespaces.iter_mut().map(|(_, settings)| settings);
            for settings in namespaces.chain([&mut hub.settings]) {
                settings.message_bytes_max = settings.message_bytes_max.min(largest);
            }
        }
        fixed
    }
}

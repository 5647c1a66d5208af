//! The sources: a thread for each bus whose messages are published.

mod open;
mod sink;

use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use sockeye_auth::{Grants, Limits, Misuse};
use sockeye_hub::Target;
use sockeye_server::Waker;
use sockeye_service::Inlet;
use sockeye_source::{Mapping, Pump, PumpSettings, Template, WindowLimits};
use sockeye_terminal::Failure;

use self::open::Prepared;
use self::sink::Outlet;
use crate::config::{SourceConfig, SourceConfigs};

/// The sources of the process, and the way of their messages into a service.
pub(crate) struct Sources {
    inlet: Inlet,
    running: Mutex<BTreeMap<String, Running>>,
}

/// A source that runs, or ends.
struct Running {
    /// The settings that it was started with, and the contents of their files.
    config: (SourceConfig, Vec<Vec<u8>>),
    is_stopping: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

/// A source that can be started.
pub(crate) struct Plan {
    config: (SourceConfig, Vec<Vec<u8>>),
    settings: PumpSettings,
    publish: Grants,
    bus: Prepared,
}

/// All sources of a configuration, ready to be started.
pub(crate) type Plans = BTreeMap<String, Plan>;

/// Reads the settings of all sources, and their files.
pub(crate) fn plan(configs: &SourceConfigs) -> Result<Plans, Failure> {
    let plan = |(name, config): (&String, &SourceConfig)| {
        let failed = |Failure(why)| Failure(format!("[source.{name}] {why}"));
        Ok((name.clone(), prepare(name, config).map_err(failed)?))
    };
    configs.iter().map(plan).collect()
}

/// Whether a source can be asked for. A failure begins with the key that is wrong.
pub(crate) fn prepare(name: &str, config: &SourceConfig) -> Result<Plan, Failure> {
    let bus = Prepared::new(name, config)?;
    let defaults = bus.defaults();
    let template = |key: &str, text: &Option<String>, default: Option<&str>| {
        let text = text.as_deref().or(default);
        let template = text.map(Template::parse).transpose();
        template.map_err(|why| Failure(format!("{key}: {why}")))
    };
    let channel = template("channel", &config.channel, defaults.channel)?;
    let channel = channel.ok_or_else(|| {
        let what = defaults.what;
        Failure(format!("channel: {what} needs one, as \"news\" or \"orders:{{customer}}\""))
    })?;
    let data = template("data", &config.data, defaults.data)?;
    if data.as_ref().is_some_and(|it| !it.is_whole()) {
        let why =
            "data: one placeholder is needed, and nothing else: \"{field}\" or \"{/pointer}\"";
        return Err(Failure(why.into()));
    }
    let publish = grants(config, &channel)?;
    let format = if defaults.is_json { Some(sockeye_source::Format::Json) } else { config.format };
    let mapping = Mapping {
        name: name.into(),
        channel,
        data,
        event: template("event", &config.event, defaults.event)?,
        format: format.unwrap_or_default(),
    };
    let limits = WindowLimits { entries_max: config.in_flight, bytes_max: config.in_flight_bytes };
    let settings = PumpSettings { mapping, on_bad: config.on_bad, limits };
    let secrets = config.password_file.iter().chain(&config.credentials_file);
    let files = secrets.chain(&config.ca_file);
    let files = files.map(|file| fs::read(file).unwrap_or_default()).collect();
    Ok(Plan { config: (config.clone(), files), settings, publish, bus })
}

/// The channels where the source may publish.
fn grants(config: &SourceConfig, channel: &Template) -> Result<Grants, Failure> {
    let pattern = channel.pattern();
    if Target::new(&pattern).is_err() {
        return Err(Failure("channel: no name of a channel can come of it".into()));
    }
    let own = [pattern];
    let texts = config.publish.as_deref().unwrap_or(&own);
    let given = texts.iter().map(String::as_str);
    Grants::new(given, &Limits::default()).map_err(|error| match error {
        Misuse::Grant { index } => {
            Failure(format!("publish: {:?} is neither a channel nor a pattern", texts[index]))
        }
        error => Failure(format!("publish: {error}")),
    })
}

/// Has an inlet wake the loop of its service.
pub(crate) fn waking(inlet: Inlet, waker: Waker) -> Inlet {
    inlet.wake_service(Box::new(move || {
        // A loop that cannot be woken has ended already.
        let _ = waker.wake();
    }));
    inlet
}

impl Sources {
    /// No source yet.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { inlet: Inlet::new(), running: Mutex::default() })
    }

    /// The way into the service that publishes for the sources.
    pub(crate) fn inlet(&self) -> Inlet {
        self.inlet.clone()
    }

    /// The same, which wakes the service's loop.
    pub(crate) fn inlet_waking(&self, waker: Waker) -> Inlet {
        waking(self.inlet(), waker)
    }

    /// Starts those that do not run, ends those that are not wanted, and replaces those that have changed.
    pub(crate) fn apply(&self, plans: Plans) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|name, it| {
            let stays = plans.contains_key(name);
            it.is_stopping.fetch_or(!stays, Ordering::AcqRel);
            stays
        });
        for (name, plan) in plans {
            let former = running.remove(&name);
            match former {
                Some(former) if former.config == plan.config => _ = running.insert(name, former),
                former => match self.start(&name, plan, former) {
                    Ok(started) => _ = running.insert(name, started),
                    Err(error) => {
                        log::error!(source = name.as_str(), error:%; "a source cannot have a thread");
                    }
                },
            }
        }
    }

    /// Starts a source, behind the end of the former one of its name.
    fn start(&self, name: &str, plan: Plan, former: Option<Running>) -> std::io::Result<Running> {
        let Plan { config, settings, publish, bus } = plan;
        let is_stopping = Arc::new(AtomicBool::new(false));
        // Its figures are there from now on.
        let outlet = Outlet::new(self.inlet.publisher(name, publish), name);
        let stop = Arc::clone(&is_stopping);
        let former = former.map(|it| {
            it.is_stopping.store(true, Ordering::Release);
            it.thread
        });
        let run = move || {
            // Both would have the same name, and the same messages.
            let _ = former.map(JoinHandle::join);
            if stop.load(Ordering::Acquire) {
                return;
            }
            Pump::new(bus.bus(&stop), outlet, settings, stop).run();
        };
        let thread = thread::Builder::new().name(format!("source {name}")).spawn(run)?;
        Ok(Running { config, is_stopping, thread })
    }

    /// Has all sources end: they take nothing more, and acknowledge what is in flight.
    pub(crate) fn stop(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.values().for_each(|it| it.is_stopping.store(true, Ordering::Release));
    }
}

//! SIGHUP: the configuration file is read again, and holds for what runs.

use std::cell::Cell;

use sockeye_hub::Config as Hub;
use sockeye_server::{MioNet, Server};

use crate::cli::ServeOptions;
use crate::config::Config;
use crate::front::Front;
use crate::{Failure, disk, logging, serve};

/// What it takes to read the configuration again.
pub(crate) struct Reloader<'o> {
    options: &'o ServeOptions,
    /// How many descriptors there are.
    descriptors: u64,
    /// What was configured at the start: some of it holds as long as the process does.
    started: Config,
    /// Whether credentials are asked for now.
    guarded: Cell<bool>,
}

impl<'o> Reloader<'o> {
    pub(crate) const fn new(options: &'o ServeOptions, descriptors: u64, started: Config) -> Self {
        let guarded = Cell::new(started.access.is_some());
        Self { options, descriptors, started, guarded }
    }

    /// Reads the file again. What cannot be run changes nothing.
    pub(crate) fn reload(&self, server: &mut Server<MioNet, Front>) {
        if self.options.config.is_none() {
            log::warn!("there is no configuration file to read again: --config names one");
            return;
        }
        if let Err(problem) = self.try_reload(server) {
            log::error!(problem:%; "the configuration stays as it was");
        }
    }

    fn try_reload(&self, server: &mut Server<MioNet, Front>) -> Result<(), Failure> {
        let config = serve::configure(self.options)?;
        let access = serve::access(&config)?;
        // An empty or cut file is valid, and would let everybody in.
        if self.guarded.get() && config.access.is_none() {
            return Err(Failure("[access] is gone: that opens a server only at its start".into()));
        }
        logging::apply(&config.log)?;
        let mut hub = config.hub();
        for name in self.fixed(&config, &mut hub) {
            log::warn!(name; "needs a restart to change");
        }
        let limits = serve::limits(self.descriptors, &config);
        let service_limits = serve::service_limits(&config, &limits);
        server.set_limits(limits);
        let namespaces = config.rules();
        let reloaded = server.with_app(|front, context| {
            front.service().reload(access, namespaces, hub, service_limits, context)
        });
        self.guarded.set(config.access.is_some());
        let (revoked, moved) = (reloaded.revoked, reloaded.moved);
        log::info!(revoked, moved; "the configuration was read again");
        Ok(())
    }

    /// What differs and cannot change; in the hub it is set to what it has to stay.
    fn fixed(&self, config: &Config, hub: &mut Hub) -> Vec<&'static str> {
        let started = &self.started;
        let mut fixed = Vec::new();
        for (name, differs) in [
            ("listen", config.listen != started.listen),
            ("data", config.data != started.data),
            ("demo", config.serves_demo() != started.serves_demo()),
            ("limits.socket_bytes", config.limits.socket_bytes != started.limits.socket_bytes),
        ] {
            if differs {
                fixed.push(name);
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

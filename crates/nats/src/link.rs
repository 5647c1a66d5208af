//! A connection to a server.
//!
//! The crate `async-nats` connects anew by itself, and sends on what it holds: entries that were lost with the former
//! connection would be missing in the middle. So its second attempt never comes: it waits until the session's runtime ends.

use core::time::Duration;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::stream::Stream;
use async_nats::jetstream::{Context, ContextBuilder, ErrorCode};
use async_nats::{Client, ConnectOptions, Event, ServerError};
use rustls::{ClientConfig, RootCertStore};
use sockeye_backbone::driver::Server;
use sockeye_backbone::{Trouble, TroubleKind};
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::config::NatsConfig;
use crate::stream::{self, Description};
use crate::trouble;
use crate::version;

/// Appends whose fate may be unknown. Those that were dropped count until their answers come.
pub(crate) const FLIGHT_ENTRIES_MAX: usize = 2_048;

/// Longer than any session.
const NEVER: Duration = Duration::from_secs(365 * 24 * 3_600);

/// A connection that has logged in.
pub(crate) struct Link<'c> {
    pub(crate) server: &'c Server,
    pub(crate) config: &'c NatsConfig,
    client: Client,
    pub(crate) context: Context,
    failure: Arc<Failure>,
}

/// A connection without the server and the configuration that it is of.
#[derive(Clone)]
pub(crate) struct Wire {
    client: Client,
    context: Context,
    failure: Arc<Failure>,
}

/// Why a connection is over.
#[derive(Default)]
struct Failure {
    trouble: Mutex<Option<Trouble>>,
    is_there: Notify,
}

impl Failure {
    fn set(&self, trouble: Trouble) {
        self.trouble.lock().expect("nobody panics while holding it").get_or_insert(trouble);
        self.is_there.notify_one();
    }

    fn note(&self, event: Event, server: &Server, manual: &str) {
        let unreachable = |what| {
            self.set(Trouble::new(TroubleKind::Unreachable, format!("{server} {what}")));
        };
        match event {
            Event::Disconnected | Event::Closed => unreachable("closed the connection"),
            // The connection ends, and says why before.
            Event::ServerError(ServerError::AuthorizationViolation) => {
                let text = format!("{server} refuses the login now");
                self.set(Trouble::new(TroubleKind::Login, text));
            }
            Event::ServerError(ServerError::Other(text)) => {
                if let Some(trouble) = trouble::of_line(&text, server, manual) {
                    self.set(trouble);
                }
            }
            Event::SlowConsumer(_) | Event::ServerError(ServerError::SlowConsumer(_)) => {
                unreachable("sent more than there was room for");
            }
            Event::Connected | Event::LameDuckMode | Event::Draining | Event::ClientError(_) => {}
        }
    }
}

impl<'c> Link<'c> {
    /// Connects and logs in, and checks that the server is new enough.
    pub(crate) async fn open(server: &'c Server, config: &'c NatsConfig) -> Result<Self, Trouble> {
        let failure = Arc::<Failure>::default();
        let options = options(config, Arc::clone(&failure), server)?;
        let address = format!("{}://{server}", if config.uses_tls { "tls" } else { "nats" });
        // The bound of the options is one for each address, and not for the look-up of the name.
        let connected =
            timeout(config.patience().saturating_mul(2), options.connect(address)).await;
        let connected = connected.map_err(|_| {
            let text = format!("{server} does not answer in time");
            Trouble::new(TroubleKind::Unreachable, text)
        })?;
        let client = connected.map_err(|error| trouble::of_connect(&error, server, config))?;
        check_version(server, &client, config.replicas)?;
        let context = ContextBuilder::new()
            .timeout(config.patience())
            .ack_timeout(config.patience())
            .max_ack_inflight(2 * FLIGHT_ENTRIES_MAX)
            .backpressure_on_inflight(true)
            .build(client.clone());
        Ok(Self { server, config, client, context, failure })
    }

    /// A connection that was opened before.
    pub(crate) fn of(server: &'c Server, config: &'c NatsConfig, wire: &Wire) -> Self {
        let Wire { client, context, failure } = wire.clone();
        Self { server, config, client, context, failure }
    }

    /// The connection itself.
    pub(crate) fn wire(&self) -> Wire {
        let (client, context) = (self.client.clone(), self.context.clone());
        Wire { client, context, failure: Arc::clone(&self.failure) }
    }

    /// What publishes and subscribes.
    pub(crate) const fn client(&self) -> &Client {
        &self.client
    }

    /// The trouble of an answer that does not come.
    pub(crate) fn late(&self) -> Trouble {
        Trouble::new(TroubleKind::Unreachable, format!("{} does not answer in time", self.server))
    }

    /// The trouble of a connection that is over.
    pub(crate) fn closed(&self) -> Trouble {
        Trouble::new(TroubleKind::Unreachable, format!("{} closed the connection", self.server))
    }

    /// Waits until the connection is over.
    pub(crate) async fn failed(&self) -> Trouble {
        loop {
            self.failure.is_there.notified().await;
            let trouble =
                self.failure.trouble.lock().expect("nobody panics while holding it").take();
            if let Some(trouble) = trouble {
                return trouble;
            }
        }
    }

    /// The bytes of the largest message that the server takes.
    pub(crate) fn message_bytes_max(&self) -> usize {
        self.client.max_payload()
    }

    /// Asks for the stream, and checks its settings; `None` if there is none.
    pub(crate) async fn describe(&self) -> Result<Option<(Stream, Description)>, Trouble> {
        let (server, config) = (self.server, self.config);
        let Some(stream) = self.stream().await? else { return Ok(None) };
        let info = stream.cached_info();
        let copies = u32::try_from(info.config.num_replicas).unwrap_or(u32::MAX);
        check_version(server, &self.client, copies)?;
        if let Some(what) = stream::objection(&info.config, config) {
            let text = format!("{server} has a stream {:?} that {what}", config.stream);
            return Err(Trouble::new(TroubleKind::Settings, text));
        }
        let description = Description::new(info);
        Ok(Some((stream, description)))
    }

    /// Asks for the stream, whatever its settings are; `None` if there is none.
    pub(crate) async fn stream(&self) -> Result<Option<Stream>, Trouble> {
        let (server, config) = (self.server, self.config);
        let error = match self.context.get_stream(&*config.stream).await {
            Ok(stream) => return Ok(Some(stream)),
            Err(error) => error,
        };
        match error.kind() {
            GetStreamErrorKind::JetStream(error) if is_missing(&error) => Ok(None),
            GetStreamErrorKind::JetStream(error) => {
                Err(trouble::of_jetstream(&error, server, config))
            }
            GetStreamErrorKind::EmptyName
            | GetStreamErrorKind::InvalidStreamName
            | GetStreamErrorKind::Request => Err(trouble::of_request(&error, server, config)),
        }
    }
}

/// Whether the server is new enough for a stream with so many copies.
fn check_version(server: &Server, client: &Client, copies: u32) -> Result<(), Trouble> {
    let what = version::objection(&client.server_info().version, copies);
    what.map_or(Ok(()), |what| Err(Trouble::new(TroubleKind::Version, format!("{server} {what}"))))
}

/// Whether the stream does not exist.
pub(crate) fn is_missing(error: &async_nats::jetstream::Error) -> bool {
    error.error_code() == ErrorCode::STREAM_NOT_FOUND
}

fn options(
    config: &NatsConfig,
    failure: Arc<Failure>,
    server: &Server,
) -> Result<ConnectOptions, Trouble> {
    let tls = match (config.uses_tls, &config.tls) {
        (true, Some(tls)) => ClientConfig::clone(tls),
        (true, None) => {
            let text = "no authorities for TLS are configured";
            return Err(Trouble::new(TroubleKind::Login, text));
        }
        // A server that asks for TLS all the same is not trusted.
        (false, _) => trusting_nobody(),
    };
    let (server, manual) = (server.clone(), config.manual);
    let has_connected = AtomicBool::new(false);
    let options = ConnectOptions::new()
        .name("sockeye")
        .require_tls(config.uses_tls)
        .tls_client_config(tls)
        .connection_timeout(config.patience())
        .request_timeout(Some(config.patience()))
        .ping_interval(config.patience())
        .ignore_discovered_servers()
        .retain_servers_order()
        .reconnect_delay_callback(move |_| {
            if has_connected.swap(true, Ordering::Relaxed) { NEVER } else { Duration::ZERO }
        })
        .event_callback(move |event| {
            failure.note(event, &server, manual);
            core::future::ready(())
        });
    let login = &config.login;
    Ok(match (&login.credentials, &login.user, &login.password) {
        (Some(text), _, _) => options
            .credentials(text)
            .map_err(|_| Trouble::new(TroubleKind::Login, "the credentials are none of NATS"))?,
        (None, Some(user), password) => {
            let password = password.as_deref().unwrap_or_default();
            options.user_and_password(user.to_string(), password.to_owned())
        }
        (None, None, Some(token)) => options.token(token.to_string()),
        (None, None, None) => options,
    })
}

fn trusting_nobody() -> ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has them")
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth()
}

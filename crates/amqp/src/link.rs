//! A connection to a server by lapin, and its channels. Every wait has an end.

use core::pin::Pin;
use std::io;
use std::sync::Mutex;

use async_rs::Runtime;
use futures_core::Stream;
use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};
use lapin::{AsyncTcpStream, Channel, Connection, ConnectionProperties, ErrorKind, Event};
use sockeye_backbone::Trouble;
use sockeye_backbone::driver::stream::{self, Security};
use tokio::time::{Duration, Instant, sleep, timeout};

use crate::config::AmqpConfig;
use crate::next::next;
use crate::socket::{Kit, Socket};
use crate::trouble::{Closed, Place};

/// The seconds without a frame after which a server may leave. Each side sends one at least twice in this time.
const HEARTBEAT_SECONDS: u16 = 20;

/// The bytes of a frame. lapin has two buffers of 32 frames for each connection.
const FRAME_BYTES_MAX: u32 = 32 * 1024;

/// How long the orderly end of a connection may take.
const CLOSE_MAX: Duration = Duration::from_secs(1);

/// The pause before a stream that does not work yet is asked again.
const AGAIN_AFTER: Duration = Duration::from_millis(50);

/// The highest number of a channel.
const CHANNEL_MAX: u16 = 1_000;

/// A connection that has logged in.
pub(crate) struct Line {
    connection: Connection,
    events: Pin<Box<dyn Stream<Item = Event> + Send>>,
    /// Why the server takes no messages, if it takes none.
    pub(crate) blocked: Option<Box<str>>,
}

/// A connection that is used, with its server and the configuration.
pub(crate) struct Link<'c> {
    pub(crate) place: Place<'c>,
    pub(crate) line: Line,
}

impl<'c> Link<'c> {
    /// Connects and logs in.
    pub(crate) async fn open(place: Place<'c>) -> Result<Self, Trouble> {
        timeout(place.config.patience(), Self::connect(place)).await.map_err(|_| place.late())?
    }

    async fn connect(place: Place<'c>) -> Result<Self, Trouble> {
        let Place { server, config } = place;
        let security = match config.uses_tls {
            true => Security::Tls(config.tls.as_ref()),
            false => Security::Plain,
        };
        let socket = Mutex::new(Some(Socket(stream::connect(server, security).await?)));
        // lapin asks for a stream once: it does not connect again by itself.
        let give = async move |_: AMQPUri, _: Runtime<Kit>| {
            let socket = socket.lock().expect("nobody panics while holding it").take();
            socket.map(AsyncTcpStream::Plain).ok_or_else(|| io::Error::other("is used").into())
        };
        let (runtime, properties) = (Runtime::new(Kit::current()), ConnectionProperties::default());
        let properties = properties.with_connection_name("sockeye".into());
        let connected = Connection::connector(uri(place), runtime, give, properties).await;
        let connection = connected.map_err(|error| place.of_error(&error))?;
        let events = Box::pin(connection.events_listener());
        Ok(Self { place, line: Line { connection, events, blocked: None } })
    }

    /// Waits for news of the connection: that it is blocked or not. This may be dropped, and asked for again.
    pub(crate) async fn watch(&mut self) -> Result<(), Trouble> {
        match next(self.line.events.as_mut()).await {
            Some(Event::ConnectionBlocked(reason)) => self.line.blocked = Some(reason.into()),
            Some(Event::ConnectionUnblocked) => self.line.blocked = None,
            Some(Event::Error(error)) if !self.is_open() => {
                return Err(self.place.of_error(&error));
            }
            // A channel was closed: its owner is told, too.
            Some(_) => {}
            None => return Err(self.place.gone()),
        }
        Ok(())
    }

    fn is_open(&self) -> bool {
        self.line.connection.status().connected()
    }

    /// Why a channel was closed; or the trouble, if the connection was.
    pub(crate) fn closed(&self, error: &lapin::Error) -> Result<Closed, Trouble> {
        match error.kind() {
            ErrorKind::ProtocolError(closed) if self.is_open() => Ok(Closed::new(closed)),
            _ => Err(self.place.of_error(error)),
        }
    }

    /// Waits for an answer within the patience.
    pub(crate) async fn answer<T>(
        &self,
        answer: impl Future<Output = lapin::Result<T>>,
    ) -> Result<lapin::Result<T>, Trouble> {
        let answer = timeout(self.place.config.patience(), answer).await;
        answer.map_err(|_| self.place.late())
    }

    /// Asks on a new channel, and again for some time while the server says that the stream does not work yet. The channel
    /// stays open.
    pub(crate) async fn ask<T>(
        &self,
        within: Duration,
        ask: impl AsyncFn(&Channel) -> lapin::Result<T>,
    ) -> Result<Result<(Channel, T), Closed>, Trouble> {
        let late = Instant::now() + within;
        loop {
            let opened = self.answer(self.line.connection.create_channel()).await?;
            let channel = opened.map_err(|error| self.place.of_error(&error))?;
            let closed = match self.answer(ask(&channel)).await? {
                Ok(answer) => return Ok(Ok((channel, answer))),
                Err(error) => self.closed(&error)?,
            };
            if !closed.is_starting() || Instant::now() >= late {
                return Ok(Err(closed));
            }
            sleep(AGAIN_AFTER).await;
        }
    }

    /// Closes a channel. What has arrived on it is dropped.
    pub(crate) async fn close_channel(&self, channel: &Channel) -> Result<(), Trouble> {
        // A channel that the server closes at the same time is closed, too.
        match self.answer(channel.close(200, "OK".into())).await? {
            Err(error) if !self.is_open() => Err(self.place.of_error(&error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

impl Line {
    /// Ends the connection in order: what was sent is taken by the server.
    pub(crate) async fn close(self) {
        // The server notices the end of a connection that cannot be told.
        let _ = timeout(CLOSE_MAX, self.connection.close(200, "OK".into())).await;
    }
}

/// The login and the bounds of a connection.
fn uri(Place { server, config }: Place<'_>) -> AMQPUri {
    let userinfo = AMQPUserInfo {
        username: AmqpConfig::user(config).into(),
        password: AmqpConfig::password(config).into(),
    };
    let query = AMQPQueryString {
        frame_max: Some(FRAME_BYTES_MAX),
        channel_max: Some(CHANNEL_MAX),
        heartbeat: Some(HEARTBEAT_SECONDS),
        ..AMQPQueryString::default()
    };
    AMQPUri {
        scheme: AMQPScheme::AMQP,
        authority: AMQPAuthority { userinfo, host: server.host.to_string(), port: server.port },
        vhost: config.vhost.to_string(),
        query,
    }
}

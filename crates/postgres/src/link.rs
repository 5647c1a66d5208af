//! A connection to a server: every wait has an end.

use core::convert::Infallible;
use core::future::{Future, poll_fn};

use rustls::pki_types::ServerName;
use sockeye_backbone::driver::Server;
use sockeye_backbone::{Trouble, TroubleKind};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_postgres::config::SslMode;
use tokio_postgres::{AsyncMessage, Client, Config, Connection, Error};

use crate::config::PostgresConfig;
use crate::tls::{Connector, Sealed};
use crate::trouble::Place;

/// The carrier of a connection: a future that has to be polled, or the [`Link`] waits for ever.
pub(crate) type Wire = Connection<TcpStream, Sealed>;

/// A connection that has logged in.
pub(crate) struct Link<'c> {
    pub(crate) client: Client,
    pub(crate) place: Place<'c>,
}

impl<'c> Link<'c> {
    /// Connects and logs in.
    pub(crate) async fn open(
        server: &'c Server,
        config: &'c PostgresConfig,
    ) -> Result<(Self, Wire), Trouble> {
        let place = Place { server, config };
        let opened = timeout(config.patience(), connect(place)).await;
        let (client, wire) = opened.map_err(|_| place.late())??;
        Ok((Self { client, place }, wire))
    }

    /// Waits for an answer within the patience. An error of the server is an answer, too.
    pub(crate) async fn answer<T>(
        &self,
        answer: impl Future<Output = Result<T, Error>>,
    ) -> Result<Result<T, Error>, Trouble> {
        timeout(self.place.config.patience(), answer).await.map_err(|_| self.place.late())
    }

    /// Waits for an answer that is no error.
    pub(crate) async fn ask<T>(
        &self,
        answer: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Trouble> {
        self.answer(answer).await?.map_err(|error| self.place.of_error(&error))
    }

    /// Sets what a session has to have.
    pub(crate) async fn prepare(&self) -> Result<(), Trouble> {
        // The server ends what nobody waits for any more. Plans read and trim by the index.
        let late_ms = self.place.config.limits.patience_ms.saturating_mul(2).min(i32::MAX as u64);
        let settings = format!(
            "SET statement_timeout = {late_ms}; SET idle_in_transaction_session_timeout = {late_ms}; \
             SET enable_seqscan = off; SET enable_bitmapscan = off; SET jit = off"
        );
        self.ask(self.client.batch_execute(&settings)).await
    }
}

async fn connect(place: Place<'_>) -> Result<(Client, Wire), Trouble> {
    let Place { server, config } = place;
    let unreachable = |error: &std::io::Error| {
        place.trouble(TroubleKind::Unreachable, &format!("is not reached: {error}"))
    };
    let socket = TcpStream::connect((&*server.host, server.port)).await;
    let socket = socket.map_err(|error| unreachable(&error))?;
    socket.set_nodelay(true).map_err(|error| unreachable(&error))?;
    if config.uses_tls && config.tls.is_none() {
        return Err(Trouble::new(TroubleKind::Login, "no authorities for TLS are configured"));
    }
    let name = ServerName::try_from(server.host.to_string()).map_err(|_| {
        place.trouble(TroubleKind::Login, "has a name that no certificate can have")
    })?;
    let connector = Connector { config: config.tls.clone(), name };
    let opened = login(config).connect_raw(socket, connector).await;
    opened.map_err(|error| {
        let trouble = place.of_error(&error);
        let is_strange = error.as_db_error().is_none() && trouble.kind == TroubleKind::Unreachable;
        if is_strange {
            let text = format!("{} before the login: is this PostgreSQL?", trouble.text);
            return Trouble::new(trouble.kind, text);
        }
        trouble
    })
}

fn login(config: &PostgresConfig) -> Config {
    let mut login = Config::new();
    login.user(&*config.user).dbname(&*config.database).application_name("sockeye");
    login.ssl_mode(if config.uses_tls { SslMode::Require } else { SslMode::Disable });
    // Any host: it lets TLS begin, which checks the name that the connector has.
    login.host("postgres");
    if let Some(password) = &config.password {
        login.password(password.as_bytes());
    }
    login
}

/// Carries a connection until it is over. Notifications are told to `news`.
pub(crate) async fn carry(
    mut wire: Wire,
    place: Place<'_>,
    news: &Notify,
) -> Result<Infallible, Trouble> {
    loop {
        match poll_fn(|context| wire.poll_message(context)).await {
            Some(Ok(AsyncMessage::Notification(_))) => news.notify_one(),
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(place.of_error(&error)),
            None => return Err(place.trouble(TroubleKind::Unreachable, "closed the connection")),
        }
    }
}

//! A topic of Kafka as the bus of a source.
//!
//! One process at a time takes the messages: the leader of a consumer group, who assigns all partitions to itself. The
//! coordinator takes commits of the others no more.

mod cluster;
mod codec;
mod group;
mod place;
mod records;
mod session;
mod url;

use core::pin::pin;
use core::time::Duration;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use sockeye_backbone::{Trouble, TroubleKind};
use sockeye_source::{Bus, Id, Message, Opened, Room};
use tokio::runtime::{self, Runtime};
use tokio::time::timeout;

use self::group::Member;
use self::session::Session;
pub use self::url::{KafkaSourceConfig, SourceUrlError};

/// How soon a source that waits sees that it is to end.
const STOP_LOOK: Duration = Duration::from_millis(50);

/// How long an open source that is to end waits for its broker, so that what is in flight is acknowledged.
const STOP_GRACE: Duration = Duration::from_secs(1);

/// How long leaving the group may take.
const LEAVE_MAX: Duration = Duration::from_secs(1);

/// Messages of a topic, as the one active member of a consumer group.
pub struct KafkaSource {
    config: KafkaSourceConfig,
    member: Member,
    /// The session, and the runtime of its connections.
    session: Option<(Runtime, Session)>,
    /// The server that is tried next.
    at: usize,
}

impl KafkaSource {
    /// A source that connects when it is opened.
    pub fn new(config: KafkaSourceConfig) -> Self {
        Self { config, member: Member::default(), session: None, at: 0 }
    }

    /// Tries one server after the other. Why the first one is none, if none is.
    fn connect(&mut self) -> Result<(Runtime, Session), Trouble> {
        let mut first = None;
        for _ in 0..self.config.kafka.servers.len() {
            match self.connect_to(self.at) {
                Ok(session) => return Ok(session),
                Err(trouble) if self.config.is_stopping.load(Ordering::Acquire) => {
                    return Err(trouble);
                }
                Err(trouble) => _ = first.get_or_insert(trouble),
            }
            self.at = (self.at + 1) % self.config.kafka.servers.len();
        }
        Err(first.expect("a URL has a server"))
    }

    fn connect_to(&self, at: usize) -> Result<(Runtime, Session), Trouble> {
        let runtime = runtime()?;
        let connecting = Session::connect(&self.config.kafka.servers[at], &self.config);
        let connecting = until_stopped(connecting, &self.config.is_stopping, Duration::ZERO);
        let session = runtime.block_on(connecting).ok_or_else(ended)??;
        Ok((runtime, session))
    }

    /// Runs a step of the session. After a trouble of the step there is no session. `grace` is how long the step may go on once
    /// the source is to end.
    fn on_session<T>(
        &mut self,
        grace: Duration,
        step: impl AsyncFnOnce(&mut Session, &KafkaSourceConfig, &mut Member) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        let Some((runtime, mut session)) = self.session.take() else {
            return Err(Trouble::new(TroubleKind::Unreachable, "there is no connection"));
        };
        let running = step(&mut session, &self.config, &mut self.member);
        let done = runtime.block_on(until_stopped(running, &self.config.is_stopping, grace));
        let done = match done {
            Some(done) => done.map(Some)?,
            None => {
                // Answers that were waited for may still come on its connections.
                session.hang_up();
                None
            }
        };
        self.session = Some((runtime, session));
        done.ok_or_else(ended)
    }

    /// Leaves the group, over new connections if there is no session.
    fn leave(&mut self) -> Result<(), Trouble> {
        let (runtime, session) = match self.session.take() {
            Some((runtime, session)) => (runtime, Some(session)),
            None => (runtime()?, None),
        };
        let server = &self.config.kafka.servers[self.at];
        let leaving = async {
            let mut session = match session {
                Some(session) => session,
                None => Session::connect(server, &self.config).await?,
            };
            session.leave(&self.config, &self.member).await
        };
        let left = runtime.block_on(async { timeout(LEAVE_MAX, leaving).await });
        left.map_err(|_| ended())?
    }
}

impl Bus for KafkaSource {
    fn open(&mut self) -> Result<Opened, Trouble> {
        if self.session.is_none() {
            self.session = Some(self.connect()?);
        }
        // The coordinator may let a member wait for the others.
        let is_owner = self.on_session(Duration::ZERO, async |session, config, member| {
            session.open(config, member).await
        })?;
        Ok(if is_owner { Opened::Active } else { Opened::Standby })
    }

    fn take(
        &mut self,
        room: Room,
        wait: Duration,
        _known: &mut dyn Iterator<Item = &str>,
        into: &mut Vec<Message>,
    ) -> Result<(), Trouble> {
        self.on_session(STOP_GRACE, async |session, config, member| {
            session.take(config, member, (room, wait), into).await
        })
    }

    fn acknowledge(&mut self, ids: &[Id]) -> Result<(), Trouble> {
        self.on_session(STOP_GRACE, async |session, config, member| {
            session.acknowledge(config, member, ids).await
        })
    }

    fn pending(&mut self) -> Result<Option<u64>, Trouble> {
        self.on_session(STOP_GRACE, async |session, config, member| {
            session.pending(config, member).await
        })
    }
}

fn runtime() -> Result<Runtime, Trouble> {
    let runtime = runtime::Builder::new_current_thread().enable_io().enable_time().build();
    runtime.map_err(|error| {
        let text = format!("there can be no connection: {error}");
        Trouble::new(TroubleKind::Unreachable, text)
    })
}

/// The result of a step; `None` if it has none when the source is to end, or so long after that.
async fn until_stopped<T>(
    step: impl Future<Output = T>,
    is_stopping: &AtomicBool,
    grace: Duration,
) -> Option<T> {
    let (mut step, mut end) = (pin!(step), None);
    loop {
        if let Ok(done) = timeout(STOP_LOOK, step.as_mut()).await {
            return Some(done);
        }
        if is_stopping.load(Ordering::Acquire)
            && Instant::now() >= *end.get_or_insert_with(|| Instant::now() + grace)
        {
            return None;
        }
    }
}

/// The trouble of a step that was given up because the source is to end.
fn ended() -> Trouble {
    Trouble::new(TroubleKind::Unreachable, "the source ends")
}

/// Leaves the group, so that another process need not wait for the end of the membership.
impl Drop for KafkaSource {
    fn drop(&mut self) {
        if self.member.is_known() {
            let _ = self.leave();
        }
    }
}

impl core::fmt::Debug for KafkaSource {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("KafkaSource").field("config", &self.config).finish_non_exhaustive()
    }
}

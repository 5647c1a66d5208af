//! The thread: one session after the other, each with a connection and a runtime of its own.
//!
//! When a session ends, its runtime goes, and with it all that the crate `async-nats` had started.

use core::convert::Infallible;
use std::hash::{BuildHasher, RandomState};

use sockeye_backbone::driver::{Attempts, Server};
use sockeye_backbone::{Event, State, Trouble, TroubleKind};
use tokio::{runtime, select};

use crate::appender::{self, Appender};
use crate::link::Link;
use crate::reader::{Place, Reader};
use crate::shared::Shared;
use crate::trim;

/// Connects until the engine is stopped.
pub(crate) fn run(shared: &Shared) {
    let mut attempts = Attempts::default();
    let mut place = Place::default();
    let mut at = 0;
    while !shared.queues.is_stopped() {
        let (trouble, was_up) = round(shared, &mut place, &mut at);
        if was_up {
            attempts.note_up();
        }
        let (news, pause) = attempts.note_trouble(trouble, RandomState::new().hash_one(0));
        if let Some(state) = news.filter(|_| !shared.queues.is_stopped()) {
            shared.tell(Event::State(state));
        }
        shared.queues.pause(pause);
    }
}

/// Tries the servers in turn until one is up. Returns why that one ended, or why the first one failed, and whether one
/// was up.
fn round(shared: &Shared, place: &mut Place, at: &mut usize) -> (Trouble, bool) {
    let servers = &shared.config.servers;
    let mut first = None;
    for _ in 0..servers.len() {
        let mut was_up = false;
        let trouble = session(shared, &servers[*at], place, &mut was_up);
        if was_up {
            shared.queues.end_session();
            return (trouble, true);
        }
        *at = (*at + 1) % servers.len();
        first.get_or_insert(trouble);
        if shared.queues.is_stopped() {
            break;
        }
    }
    (first.expect("a URL has a server"), false)
}

/// One session; why it is over.
fn session(shared: &Shared, server: &Server, place: &mut Place, was_up: &mut bool) -> Trouble {
    let runtime = match runtime::Builder::new_current_thread().enable_io().enable_time().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let text = format!("there can be no connection to {server}: {error}");
            return Trouble::new(TroubleKind::Unreachable, text);
        }
    };
    let trouble = runtime.block_on(async {
        select! {
            served = serve(shared, server, place, was_up) => {
                let Err(trouble) = served;
                trouble
            }
            () = shared.is_stopping.notified() => {
                Trouble::new(TroubleKind::Unreachable, "the engine is closed")
            }
        }
    });
    // The look-up of a name may take long, and nobody waits for it.
    runtime.shutdown_background();
    trouble
}

async fn serve(
    shared: &Shared,
    server: &Server,
    place: &mut Place,
    was_up: &mut bool,
) -> Result<Infallible, Trouble> {
    let link = Link::open(server, &shared.config).await?;
    select! {
        biased;
        trouble = link.failed() => Err(trouble),
        served = work(shared, &link, place, was_up) => served,
    }
}

async fn work(
    shared: &Shared,
    link: &Link<'_>,
    place: &mut Place,
    was_up: &mut bool,
) -> Result<Infallible, Trouble> {
    let description = link.describe().await?.map(|(_, description)| description);
    let of_stream = description.as_ref().and_then(|it| it.message_bytes_max).unwrap_or(usize::MAX);
    shared.note_entry_bytes_max(appender::entry_bytes_max(link.message_bytes_max().min(of_stream)));
    let ends = description.as_ref().map(|it| it.ends).unwrap_or_default();
    shared.tell(Event::State(State::Up(ends)));
    description.iter().for_each(|it| shared.tell_subject(&it.subject));
    *was_up = true;
    let mut reader = Reader::new(shared, link, ends, place);
    let mut appender = Appender::new(shared, link);
    select! {
        read = reader.run() => read,
        appended = appender.run() => appended,
        trimmed = trim::run(shared, link) => trimmed,
    }
}

//! The thread: one session after the other, each with connections to the topic's leader and a runtime of its own.

use core::convert::Infallible;
use std::hash::{BuildHasher, RandomState};

use sockeye_backbone::driver::{Attempts, Server};
use sockeye_backbone::{Event, State, Trouble, TroubleKind};
use tokio::{runtime, select};

use crate::appender::Appender;
use crate::link::Link;
use crate::look::{Look, look};
use crate::reader::{self, Reader};
use crate::shared::Shared;
use crate::topic::Cluster;
use crate::trim;
use crate::trouble::Place;

/// Connects until the engine is stopped.
pub(crate) fn run(shared: &Shared) {
    let mut attempts = Attempts::default();
    let mut place = reader::Place::default();
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

/// Tries one server after the other, until one was up or all were tried. Why the one that was up is no more, or why
/// the first one was not; and whether one was up.
fn round(shared: &Shared, place: &mut reader::Place, at: &mut usize) -> (Trouble, bool) {
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
fn session(
    shared: &Shared,
    server: &Server,
    place: &mut reader::Place,
    was_up: &mut bool,
) -> Trouble {
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
    place: &mut reader::Place,
    was_up: &mut bool,
) -> Result<Infallible, Trouble> {
    let asked = Place { server, config: &shared.config };
    let mut link = Link::open(asked).await?;
    let leader = leader(&mut link).await?;
    let of_leader = Place { server: &leader, ..asked };
    let reading = if leader == *server { link } else { Link::open(of_leader).await? };
    let appending = Link::open(of_leader).await?;
    work(shared, (reading, appending), place, was_up).await
}

/// The address of the topic's leader; of the server that is asked, if there is no topic.
async fn leader(link: &mut Link<'_>) -> Result<Server, Trouble> {
    let cluster = Cluster::describe(link).await?;
    let asked = link.place.server;
    match cluster.topic {
        Some(topic) => cluster.address(topic.leader, asked).cloned().ok_or_else(|| {
            link.place.trouble(TroubleKind::NoLeader, "does not tell where the topic's leader is")
        }),
        None => Ok(asked.clone()),
    }
}

async fn work(
    shared: &Shared,
    (mut reading, appending): (Link<'_>, Link<'_>),
    place: &mut reader::Place,
    was_up: &mut bool,
) -> Result<Infallible, Trouble> {
    let look = look(&mut reading, shared, |life| place.high(life)).await?;
    let trimming = trim::probe(reading.place, shared, look.as_ref()).await?;
    shared.note_trims_never(trimming.is_none());
    let ends = look.as_ref().map(Look::ends).unwrap_or_default();
    shared.tell(Event::State(State::Up(ends)));
    shared.note_life(look.as_ref().map(|look| look.topic.life));
    look.iter().for_each(|look| place.note(look));
    *was_up = true;
    let mut reader = Reader::new(shared, reading, look.as_ref(), place);
    let mut appender = Appender::new(shared, appending);
    select! {
        read = reader.run() => read,
        appended = appender.run() => appended,
        trimmed = trim::run(shared, trimming) => trimmed,
    }
}

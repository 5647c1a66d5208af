//! The sessions, each with connections to the topic's leader.

use core::convert::Infallible;

use sockeye_backbone::driver::{Server, sessions};
use sockeye_backbone::{Event, State, Trouble, TroubleKind};
use tokio::select;

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
    let mut place = reader::Place::default();
    sessions::run(&shared.tasks, &shared.config.servers, async |server, was_up| {
        serve(shared, server, &mut place, was_up).await
    });
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
    shared.tasks.queues.tell(Event::State(State::Up(ends)));
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

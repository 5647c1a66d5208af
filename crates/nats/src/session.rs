//! The sessions, each with a connection of its own.

use core::convert::Infallible;

use sockeye_backbone::driver::{Server, sessions};
use sockeye_backbone::{Event, State, Trouble};
use tokio::select;

use crate::appender::{self, Appender};
use crate::link::Link;
use crate::reader::{Place, Reader};
use crate::shared::Shared;
use crate::trim;

/// Connects until the engine is stopped.
pub(crate) fn run(shared: &Shared) {
    let mut place = Place::default();
    sessions::run(&shared.tasks, &shared.config.servers, async |server, was_up| {
        serve(shared, server, &mut place, was_up).await
    });
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
    shared.tasks.queues.tell(Event::State(State::Up(ends)));
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

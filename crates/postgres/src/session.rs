//! The sessions, each with two connections to one server.

use core::convert::Infallible;

use sockeye_backbone::driver::{Server, sessions};
use sockeye_backbone::{Event, LogEnds, State, Trouble, TroubleKind};
use tokio::select;
use tokio::sync::Notify;

use crate::appender::Appender;
use crate::link::{self, Link};
use crate::reader::{Place, Reader};
use crate::shared::Shared;
use crate::sql::Sql;
use crate::table;

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
    let news = Notify::new();
    let (reading, reading_wire) = Link::open(server, &shared.config).await?;
    let (appending, appending_wire) = Link::open(server, &shared.config).await?;
    let links = (&reading, &appending);
    // The answer to a statement says more than the end of its connection.
    select! {
        biased;
        served = work(shared, links, &news, (place, was_up)) => served,
        carried = link::carry(reading_wire, reading.place, &news) => carried,
        carried = link::carry(appending_wire, appending.place, &news) => carried,
    }
}

async fn work(
    shared: &Shared,
    (reading, appending): (&Link<'_>, &Link<'_>),
    news: &Notify,
    (place, was_up): (&mut Place, &mut bool),
) -> Result<Infallible, Trouble> {
    let sql = Sql::new(shared.config.table());
    let ends = open(reading, appending, &sql).await?;
    shared.tasks.queues.tell(Event::State(State::Up(ends)));
    *was_up = true;
    let mut reader = Reader::new(shared, reading, (&sql, news), ends, place);
    let mut appender = Appender::new(shared, appending, &sql);
    select! {
        read = reader.run() => read,
        appended = appender.run() => appended,
    }
}

/// Checks that both connections lead to one server that may keep the log.
async fn open(reading: &Link<'_>, appending: &Link<'_>, sql: &Sql) -> Result<LogEnds, Trouble> {
    reading.prepare().await?;
    appending.prepare().await?;
    let (other, _) = table::describe(appending, sql).await?;
    reading.ask(reading.client.batch_execute(&sql.listen)).await?;
    let (server, ends) = table::describe(reading, sql).await?;
    if (server.system, server.timeline, server.began) != (other.system, other.timeline, other.began)
    {
        let what = "leads to two servers, one after the other: give the address of one";
        return Err(reading.place.trouble(TroubleKind::NoLeader, what));
    }
    Ok(ends.unwrap_or_default())
}

//! The thread: one session after the other, each with two connections to one server and a runtime of its own.

use core::convert::Infallible;
use std::hash::{BuildHasher, RandomState};

use sockeye_backbone::driver::{Attempts, Server};
use sockeye_backbone::{Event, LogEnds, State, Trouble, TroubleKind};
use tokio::sync::Notify;
use tokio::{runtime, select};

use crate::appender::Appender;
use crate::link::{self, Link};
use crate::reader::{Place, Reader};
use crate::shared::Shared;
use crate::sql::Sql;
use crate::table;

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

/// Tries one server after the other, until one was up or all were tried. Why the one that was up is no more, or why
/// the first one was not; and whether one was up.
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
    shared.tell(Event::State(State::Up(ends)));
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

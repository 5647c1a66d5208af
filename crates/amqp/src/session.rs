//! The sessions, each with three connections to one server.

use core::convert::Infallible;

use sockeye_backbone::driver::{Server, sessions};
use sockeye_backbone::{Event, LogEnds, State, Trouble};
use tokio::select;
use tokio::time::{Duration, Instant};

use crate::appender::Appender;
use crate::link::Link;
use crate::look::{self, Found, Look};
use crate::reader::{self, Reader};
use crate::settings;
use crate::shared::Shared;
use crate::trouble::Place;

/// How long a stream may be silent, or lack entries that were read, before its word counts. RabbitMQ takes up to some
/// seconds behind its start.
const SILENCE_MAX: Duration = Duration::from_secs(20);

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
    let looking = Link::open(asked).await?;
    let reading = Link::open(asked).await?;
    let appending = Link::open(asked).await?;
    let look = begin(&looking, place).await?;
    place.silent_since = None;
    let ends = look.as_ref().map_or_else(LogEnds::default, |look| look.ends(place.high));
    shared.tasks.queues.tell(Event::State(State::Up(ends)));
    look.iter().filter_map(|look| look.life.as_ref()).for_each(|life| shared.tell_life(life));
    *was_up = true;
    let mut reader = Reader::new(shared, looking, reading, (look, ends), place);
    let mut appender = Appender::new(shared, appending);
    select! {
        read = reader.run() => read,
        appended = appender.run() => appended,
    }
}

/// Looks at the log, and waits for a stream that is not what it was before: behind a start it is silent for some time.
/// `None` if there is no log.
async fn begin(link: &Link<'_>, place: &mut reader::Place) -> Result<Option<Look>, Trouble> {
    let late = Instant::now() + SILENCE_MAX.min(link.place.config.patience());
    let since = *place.silent_since.get_or_insert_with(Instant::now);
    loop {
        if look::find(link).await?.is_none() {
            place.note(None, 0);
            return Ok(None);
        }
        settings::check(link).await?;
        let is_over = since.elapsed() > SILENCE_MAX;
        match look::first(link).await? {
            Found::Nothing => continue,
            Found::Silence if is_over => {
                place.note(None, 0);
                return Ok(None);
            }
            Found::Silence => {}
            Found::Log(look) => {
                let high = look::high(link).await?;
                if high >= place.high_of(look.life.as_ref()) || is_over {
                    place.note(look.life.clone(), high);
                    return Ok(Some(look));
                }
            }
        }
        if Instant::now() > late {
            return Err(link.place.silent());
        }
    }
}

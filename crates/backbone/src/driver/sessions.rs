//! The thread of a driver: one session after the other, each on a runtime of tokio of its own.
//!
//! When a session ends, its runtime goes, and with it all that runs there.

use core::convert::Infallible;
use std::hash::{BuildHasher as _, RandomState};

use tokio::{runtime, select};

use super::address::Server;
use super::attempts::Attempts;
use super::queues::Job;
use super::tasks::Tasks;
use crate::{Event, Trouble, TroubleKind};

/// Serves sessions until the engine is stopped. `serve` connects to a server, sets its last argument once the engine is up
/// there, and returns why the session is over.
pub fn run<J: Job, M>(
    tasks: &Tasks<J, M>,
    servers: &[Server],
    mut serve: impl AsyncFnMut(&Server, &mut bool) -> Result<Infallible, Trouble>,
) {
    let mut attempts = Attempts::default();
    let mut at = 0;
    while !tasks.queues.is_stopped() {
        let (trouble, was_up) = round(tasks, servers, &mut at, &mut serve);
        if was_up {
            attempts.note_up();
        }
        let (news, pause) = attempts.note_trouble(trouble, RandomState::new().hash_one(0));
        if let Some(state) = news.filter(|_| !tasks.queues.is_stopped()) {
            tasks.queues.tell(Event::State(state));
        }
        tasks.queues.pause(pause);
    }
}

/// Tries one server after the other, until one was up or all were tried. Returns why the one that was up is no more, or
/// why the first one was not; and whether one was up.
fn round<J: Job, M>(
    tasks: &Tasks<J, M>,
    servers: &[Server],
    at: &mut usize,
    serve: &mut impl AsyncFnMut(&Server, &mut bool) -> Result<Infallible, Trouble>,
) -> (Trouble, bool) {
    let mut first = None;
    for _ in 0..servers.len() {
        let mut was_up = false;
        let trouble = session(tasks, &servers[*at], serve, &mut was_up);
        if was_up {
            tasks.queues.end_session();
            return (trouble, true);
        }
        *at = (*at + 1) % servers.len();
        first.get_or_insert(trouble);
        if tasks.queues.is_stopped() {
            break;
        }
    }
    (first.expect("a URL has a server"), false)
}

/// One session; why it is over.
fn session<J: Job, M>(
    tasks: &Tasks<J, M>,
    server: &Server,
    serve: &mut impl AsyncFnMut(&Server, &mut bool) -> Result<Infallible, Trouble>,
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
            served = serve(server, was_up) => {
                let Err(trouble) = served;
                trouble
            }
            () = tasks.stopped() => {
                Trouble::new(TroubleKind::Unreachable, "the engine is closed")
            }
        }
    });
    // The look-up of a name may take long, and nobody waits for it.
    runtime.shutdown_background();
    trouble
}

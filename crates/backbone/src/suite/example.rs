//! The owner of an engine in the examples of drivers.

use std::error::Error;
use std::io::Write;
use std::sync::Arc;
use std::thread;

use crate::engine::{Engine, Event, Position, State};

/// Begins a log, appends ten entries to it and prints what is read, until it has read them. `goes_on` says whether it
/// waits for an engine that is not up; otherwise it prints what an owner is told then, and ends.
///
/// # Errors
/// If the engine drops an append, or nobody reads what is printed.
pub fn run(
    mut engine: impl Engine,
    goes_on: bool,
    mut out: impl Write,
) -> Result<(), Box<dyn Error>> {
    let owner = thread::current();
    engine.set_wake(Arc::new(move || owner.unpark()));
    engine.read_from(Position::ZERO);
    engine.begin_log(&Arc::from(*b"the log begins"))?;

    let (mut has_appended, mut read) = (false, 0);
    loop {
        let Some(event) = engine.next() else {
            thread::park();
            continue;
        };
        match event {
            Event::State(State::Up(ends)) => writeln!(out, "up: {ends:?}")?,
            Event::State(State::Away(trouble) | State::Refused(trouble)) => {
                writeln!(out, "not up: {trouble}")?;
                if !goes_on {
                    return Ok(());
                }
            }
            Event::Entry(position, entry) => {
                writeln!(out, "{position}: {}", String::from_utf8_lossy(&entry))?;
                read += usize::from(has_appended);
                if read == 10 {
                    return Ok(());
                }
            }
            // Everything was read: the fence of the newest entry is known.
            Event::Ends(ends) if !has_appended => {
                if let Some(last) = ends.last {
                    let entries: Vec<Arc<[u8]>> = (1..=10)
                        .map(|number| format!("entry {number}").into_bytes().into())
                        .collect();
                    engine.append(last.fence, &entries)?;
                    has_appended = true;
                }
            }
            Event::Ends(_) | Event::Replicated(_) => {}
            Event::Dropped(rejection) => return Err(format!("dropped: {rejection:?}").into()),
        }
    }
}

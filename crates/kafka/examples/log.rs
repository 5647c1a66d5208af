//! Begins a log, appends ten entries to it and prints what is read, until it has read them.
//!
//! ```sh
//! cargo run -p sockeye-kafka --example log -- kafka://127.0.0.1/example
//! ```
//!
//! Without a URL it asks at a port of this machine where nobody listens, and prints what an owner is told then.

use std::sync::Arc;
use std::thread;

use sockeye_backbone::{Engine as _, Event, Position, State};
use sockeye_kafka::{KafkaConfig, KafkaEngine};

/// The port `discard`, where hardly anybody listens.
const NOBODY: &str = "kafka://127.0.0.1:9";

fn main() -> Result<(), Box<dyn core::error::Error>> {
    let url = std::env::args().nth(1);
    let config = KafkaConfig::from_url(url.as_deref().unwrap_or(NOBODY))?;
    let mut engine = KafkaEngine::open(config)?;
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
            Event::State(State::Up(ends)) => println!("up: {ends:?}"),
            Event::State(State::Away(trouble) | State::Refused(trouble)) => {
                println!("not up: {trouble}");
                if url.is_none() {
                    return Ok(());
                }
            }
            Event::Entry(position, entry) => {
                println!("{position}: {}", String::from_utf8_lossy(&entry));
                if has_appended {
                    read += 1;
                }
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

//! Begins a log, appends ten entries to it and prints what is read, until it has read them.
//!
//! ```sh
//! cargo run -p sockeye-kafka --example kafka_log -- kafka://127.0.0.1/example
//! ```
//!
//! Without a URL it asks at a port of this machine where nobody listens, and prints what an owner is told then.

use sockeye_backbone::suite::example;
use sockeye_kafka::{KafkaConfig, KafkaEngine};

/// The port `discard`, where hardly anybody listens.
const NOBODY: &str = "kafka://127.0.0.1:9";

fn main() -> Result<(), Box<dyn core::error::Error>> {
    let url = std::env::args().nth(1);
    let config = KafkaConfig::from_url(url.as_deref().unwrap_or(NOBODY))?;
    example::run(KafkaEngine::open(config)?, url.is_some(), std::io::stdout())
}

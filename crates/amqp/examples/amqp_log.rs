//! Begins a log, appends ten entries to it and prints what is read, until it has read them.
//!
//! ```sh
//! cargo run -p sockeye-amqp --example amqp_log -- 'amqp://127.0.0.1?stream=example'
//! ```
//!
//! Without a URL it asks at a port of this machine where nobody listens, and prints what an owner is told then.

use sockeye_amqp::{AmqpConfig, AmqpEngine};
use sockeye_backbone::suite::example;

/// The port `discard`, where hardly anybody listens.
const NOBODY: &str = "amqp://127.0.0.1:9";

fn main() -> Result<(), Box<dyn core::error::Error>> {
    let url = std::env::args().nth(1);
    let config = AmqpConfig::from_url(url.as_deref().unwrap_or(NOBODY))?;
    example::run(AmqpEngine::open(config)?, url.is_some(), std::io::stdout())
}

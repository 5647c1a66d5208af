//! The queues of an engine whose server is not there.

use sockeye_amqp::{AmqpConfig, AmqpEngine, AmqpLimits};
use sockeye_backbone::suite::queues;

#[test]
fn an_engine_whose_server_is_not_there_has_bounded_queues() {
    queues::run(&|address, queues, entry_bytes_max| {
        let limits = AmqpLimits {
            append_entries_max: queues.append_entries_max,
            append_bytes_max: queues.append_bytes_max,
            entry_bytes_max,
            ..AmqpLimits::default()
        };
        let config = AmqpConfig::from_url(&format!("amqp://{address}")).expect("a URL");
        Box::new(AmqpEngine::open(config.with_limits(limits)).expect("threads"))
    });
}

//! The queues of an engine whose server is not there.

use sockeye_backbone::suite::queues;
use sockeye_redis::{RedisConfig, RedisEngine, RedisLimits};

#[test]
fn an_engine_whose_server_is_not_there_has_bounded_queues() {
    queues::run(&|address, queues, entry_bytes_max| {
        let limits = RedisLimits {
            append_entries_max: queues.append_entries_max,
            append_bytes_max: queues.append_bytes_max,
            entry_bytes_max,
            ..RedisLimits::default()
        };
        let config = RedisConfig::from_url(&format!("redis://{address}")).expect("a URL");
        Box::new(RedisEngine::open(config.with_limits(limits)).expect("threads"))
    });
}

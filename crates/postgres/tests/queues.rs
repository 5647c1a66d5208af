//! The queues of an engine whose server is not there.

use sockeye_backbone::suite::queues;
use sockeye_postgres::{PostgresConfig, PostgresEngine, PostgresLimits};

#[test]
fn an_engine_whose_server_is_not_there_has_bounded_queues() {
    queues::run(&|address, queues, entry_bytes_max| {
        let mut limits = PostgresLimits::default();
        limits.append_entries_max = queues.append_entries_max;
        limits.append_bytes_max = queues.append_bytes_max;
        limits.entry_bytes_max = entry_bytes_max;
        let config =
            PostgresConfig::from_url(&format!("postgres://node@{address}")).expect("a URL");
        Box::new(PostgresEngine::open(config.with_limits(limits)).expect("threads"))
    });
}

//! The statements on an outbox.

use crate::outbox::DEFAULT_OUTBOX;

/// The table, with the name that it has by default.
const TABLE: &str = include_str!("outbox.sql");

/// The number in the upper half of advisory locks that are ours.
const LOCKS: u32 = 0x736f_636b;

/// Whether a server takes no writes.
pub(super) const SERVER: &str =
    "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on'";

/// The statements on one outbox.
pub(super) struct Sql {
    /// The next rows but those that are known.
    pub(super) take: String,
    pub(super) delete: String,
    pub(super) listen: String,
    /// Takes the lock that one session has.
    pub(super) lock: String,
    /// Counts the rows, as far as that is quick.
    pub(super) count: String,
}

impl Sql {
    pub(super) fn new(table: &str) -> Self {
        Self {
            take: format!(
                "SELECT id, channel, data::text, event, ttl_ms, key FROM {table} \
                 WHERE id <> ALL($1::bigint[]) ORDER BY id LIMIT $2"
            ),
            delete: format!("DELETE FROM {table} WHERE id = ANY($1::bigint[])"),
            listen: format!("LISTEN {table}"),
            lock: format!(
                "SELECT pg_try_advisory_lock(({LOCKS}::bigint << 32) | '{table}'::regclass::oid::bigint)"
            ),
            count: format!("SELECT count(*) FROM (SELECT FROM {table} LIMIT 10000) AS counted"),
        }
    }
}

/// A script for psql that makes the table and its trigger, and lists the rights that are needed.
///
/// The name is one that [`OutboxConfig::from_url`](super::OutboxConfig::from_url) takes, or it needs quotes.
pub fn outbox_sql(table: &str) -> String {
    TABLE.replace(DEFAULT_OUTBOX, table)
}

/// The settings of a session. A server notices within half a minute that its client is gone, and gives the lock back.
pub(super) fn settings(late_ms: u64) -> String {
    format!(
        "SET statement_timeout = {late_ms}; SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; \
         SET tcp_keepalives_count = 3; SET tcp_user_timeout = 20000; \
         SELECT set_config('idle_session_timeout', '30000', false) \
         WHERE current_setting('server_version_num')::int >= 140000"
    )
}

#[cfg(test)]
mod tests {
    use super::{DEFAULT_OUTBOX, outbox_sql};

    #[test]
    fn the_script_has_the_name_everywhere() {
        let script = outbox_sql("events_out");
        assert!(!script.contains(DEFAULT_OUTBOX));
        assert!(script.contains("NOTIFY events_out;"));
    }
}

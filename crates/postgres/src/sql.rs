//! The statements.

/// The number of the tables' form.
pub(crate) const FORMAT: i32 = 1;

/// The columns that the two tables have to have.
pub(crate) const LOG_COLUMNS: &str = "fence bigint, number bigint, entry bytea";
pub(crate) const HEAD_COLUMNS: &str =
    "one boolean, format integer, life uuid, fence bigint, last bigint";

/// Milliseconds since 1970, by the server's clock.
const NOW_MS: &str = "(extract(epoch FROM clock_timestamp()) * 1000)::int8";

/// Asks a server about itself and its settings.
pub(crate) const SERVER: &str = "SELECT current_setting('server_version_num')::int4, pg_is_in_recovery(), \
     current_setting('fsync'), current_setting('synchronous_commit'), current_setting('transaction_read_only'), \
     (SELECT system_identifier FROM pg_control_system()), \
     CASE WHEN pg_is_in_recovery() THEN '' ELSE substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END, \
     pg_postmaster_start_time()::text, coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)";

/// Asks the catalogue for the two tables.
pub(crate) const TABLES: &str = "SELECT c.oid, c.relname::text, c.relkind::text, c.relpersistence::text, \
     c.relrowsecurity, \
     (SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum) FROM pg_attribute \
        WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped), \
     has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT') \
        AND has_table_privilege(c.oid, CASE WHEN c.oid = to_regclass($1)::oid THEN 'DELETE' ELSE 'UPDATE' END) \
     FROM pg_class c WHERE c.oid IN (to_regclass($1)::oid, to_regclass($2)::oid)";

/// The statements of a table.
pub(crate) struct Sql {
    /// The head, the oldest and the newest entry. Each of them may be missing.
    pub(crate) ends: String,
    pub(crate) read: String,
    pub(crate) append: String,
    pub(crate) raise: String,
    pub(crate) trim: String,
    /// Moves the head behind what strangers wrote.
    pub(crate) repair: String,
    pub(crate) listen: String,
    pub(crate) create: String,
    /// Nobody else begins the log meanwhile.
    pub(crate) lock: String,
    pub(crate) first_head: String,
    pub(crate) is_empty: String,
    pub(crate) begin: String,
}

impl Sql {
    pub(crate) fn new(log: &str) -> Self {
        let newest =
            format!("SELECT fence, number FROM {log} ORDER BY fence DESC, number DESC LIMIT 1");
        let fence = format!("greatest(fence + 1, {NOW_MS}, (SELECT fence + 1 FROM ({newest}) n))");
        let added = format!("SELECT max(fence), max(number), pg_notify('{log}', '') FROM added");
        Self {
            ends: format!(
                "SELECT h.format, h.life::text, f.fence, f.number, l.fence, l.number FROM (SELECT 1) one \
                 LEFT JOIN {log}_head h ON true \
                 LEFT JOIN (SELECT fence, number FROM {log} ORDER BY fence, number LIMIT 1) f ON true \
                 LEFT JOIN ({newest}) l ON true"
            ),
            read: format!(
                "SELECT fence, number, CASE WHEN octet_length(entry) <= $4 THEN entry ELSE '' END FROM {log} \
                 WHERE (fence, number) >= ($1, $2) ORDER BY fence, number LIMIT $3"
            ),
            append: format!(
                "WITH head AS (UPDATE {log}_head SET last = last + $2 WHERE fence = $1 \
                   RETURNING fence, last - $2 AS before), \
                 added AS (INSERT INTO {log} (fence, number, entry) \
                   SELECT head.fence, head.before + e.at, e.entry \
                   FROM head, unnest($3::bytea[]) WITH ORDINALITY AS e (entry, at) RETURNING fence, number) {added}"
            ),
            raise: format!(
                "WITH head AS (UPDATE {log}_head SET fence = {fence}, last = 1 RETURNING fence), \
                 added AS (INSERT INTO {log} (fence, number, entry) SELECT fence, 1, $1 FROM head \
                   RETURNING fence, number) {added}"
            ),
            // A position behind the end is one of another life: it would empty the log.
            trim: format!(
                "DELETE FROM {log} WHERE (fence, number) IN (SELECT fence, number FROM {log} \
                   WHERE (fence, number) < ($1, $2) ORDER BY fence, number LIMIT $3) \
                 AND EXISTS (SELECT FROM {log} WHERE (fence, number) >= ($1, $2))"
            ),
            repair: format!(
                "UPDATE {log}_head SET (fence, last) = ({newest}) WHERE (fence, last) < ({newest})"
            ),
            listen: format!("LISTEN {log}"),
            create: format!(
                "CREATE TABLE IF NOT EXISTS {log} (fence int8 NOT NULL, number int8 NOT NULL, entry bytea NOT NULL, \
                   PRIMARY KEY (fence, number)); \
                 CREATE TABLE IF NOT EXISTS {log}_head (one bool PRIMARY KEY DEFAULT true CHECK (one), \
                   format int4 NOT NULL, life uuid NOT NULL, fence int8 NOT NULL, last int8 NOT NULL)"
            ),
            lock: format!("SELECT pg_advisory_xact_lock(hashtextextended('sockeye {log}', 0))"),
            first_head: format!(
                "INSERT INTO {log}_head (format, life, fence, last) VALUES ({FORMAT}, gen_random_uuid(), 0, 0) \
                 ON CONFLICT DO NOTHING"
            ),
            is_empty: format!("SELECT NOT EXISTS (SELECT FROM {log}) FROM {log}_head FOR UPDATE"),
            begin: format!(
                "WITH head AS (UPDATE {log}_head SET life = gen_random_uuid(), fence = {fence}, last = 1 \
                   RETURNING fence), \
                 added AS (INSERT INTO {log} (fence, number, entry) SELECT fence, 1, $1 FROM head \
                   RETURNING fence, number) {added}"
            ),
        }
    }
}

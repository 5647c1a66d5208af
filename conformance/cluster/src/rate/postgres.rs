//! Plain statements of the crate `tokio-postgres`: rows under an identity column, in batches, and a reader that polls.

use std::collections::VecDeque;
use std::thread;
use std::time::{Duration, Instant};

use sockeye_backbone::Engine;
use sockeye_postgres::{PostgresConfig, PostgresEngine};
use tokio::net::TcpStream;
use tokio::runtime;
use tokio_postgres::{Client, Config, NoTls};

use super::{ENTRY_BYTES, SAMPLES, Ways, processor_time};
use crate::postgres::PostgresServer;
use crate::server::LogServer as _;

/// The rows of a statement: as many as the engine has.
const BATCH: usize = 1_024;

impl Ways for PostgresServer {
    const PLAIN: &'static str = "INSERT and SELECT of the crate `tokio-postgres`";

    fn process_id(&self) -> String {
        self.process_id().to_string()
    }

    /// That of all its processes, also of those that have ended.
    fn server_time(&self) -> Duration {
        self.processes().iter().map(|id| processor_time(&id.to_string(), 4)).sum()
    }

    fn delete(&self, log: &str) {
        let log = name(log);
        self.ask(&format!("DROP TABLE IF EXISTS {log}, {log}_head"));
    }

    fn engine(&self, log: &str) -> Box<dyn Engine> {
        let url = format!("{}?table={}", self.url(), name(log));
        let config = PostgresConfig::from_url(&url).expect("a URL");
        Box::new(PostgresEngine::open(config).expect("a thread"))
    }

    /// A writer and a reader, each on a connection and a thread of its own. The order of commits is not kept.
    fn plain(&self, log: &str, entries: usize) {
        let table = create(self, log);
        thread::scope(|scope| {
            scope.spawn(|| {
                on_connection(self.port, async |client| {
                    let mut left = entries;
                    while left > 0 {
                        let count = left.min(BATCH);
                        insert(&client, &table, count).await;
                        left -= count;
                    }
                });
            });
            on_connection(self.port, async |client| {
                let (mut next, mut read) = (0, 0);
                while read < entries {
                    read += select(&client, &table, &mut next).await;
                }
            });
        });
    }

    fn plain_latency(&self, log: &str, in_flight: usize) -> Vec<Duration> {
        let table = create(self, log);
        on_connection(self.port, async |client| {
            let (mut sent, mut times, mut next) = (VecDeque::new(), Vec::new(), 0);
            while times.len() < SAMPLES {
                let count = in_flight - sent.len();
                sent.extend((0..count).map(|_| Instant::now()));
                insert(&client, &table, count).await;
                let read = select(&client, &table, &mut next).await;
                times.extend(sent.drain(..read).map(|at: Instant| at.elapsed()));
            }
            times.truncate(SAMPLES);
            times
        })
    }
}

/// The name of a log, as a table can have it.
fn name(log: &str) -> String {
    log.replace('-', "_")
}

fn create(server: &PostgresServer, log: &str) -> String {
    let table = name(log);
    server.ask(&format!(
        "CREATE TABLE {table} (id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY, entry bytea NOT NULL)"
    ));
    table
}

async fn insert(client: &Client, table: &str, count: usize) {
    let entries = vec![&[b'x'; ENTRY_BYTES][..]; count];
    let text = format!("INSERT INTO {table} (entry) SELECT unnest($1::bytea[])");
    let inserted = client.execute(&text, &[&entries]).await;
    assert_eq!(inserted.expect("the rows are kept"), count as u64);
}

/// Reads on behind a number, and says how many rows came.
async fn select(client: &Client, table: &str, behind: &mut i64) -> usize {
    let text = format!("SELECT id, entry FROM {table} WHERE id > $1 ORDER BY id LIMIT {BATCH}");
    let rows = client.query(&text, &[behind]).await.expect("rows");
    *behind = rows.last().map_or(*behind, |row| row.get(0));
    rows.len()
}

/// Runs something on a connection and a runtime of its own.
fn on_connection<T>(port: u16, run: impl AsyncFnOnce(Client) -> T) -> T {
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let socket = TcpStream::connect(("127.0.0.1", port)).await.expect("the server is there");
        socket.set_nodelay(true).expect("a socket");
        let mut config = Config::new();
        config.user("sockeye").dbname("sockeye");
        let (client, connection) = config.connect_raw(socket, NoTls).await.expect("it lets us in");
        tokio::select! {
            result = run(client) => result,
            ended = connection => panic!("the connection is over: {ended:?}"),
        }
    })
}

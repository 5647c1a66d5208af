//! Plain XADD and XREAD by the crate `redis`.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use redis::io::tcp::TcpSettings;
use redis::{Client, Connection, IntoConnectionInfo as _, Pipeline, Value};
use sockeye_backbone::Engine;
use sockeye_redis::{RedisConfig, RedisEngine};

use super::{ENTRY_BYTES, SAMPLES, Ways};
use crate::server::{LogServer as _, Server};

/// The entries of one pipeline, and of one reply.
const PIPELINE: usize = 512;
const COUNT: &str = "1024";

impl Ways for Server {
    const PLAIN: &'static str = "XADD and XREAD by the crate `redis`";

    fn process_id(&self) -> String {
        self.process_id()
    }

    fn delete(&self, log: &str) {
        self.ask(&["DEL", log]);
    }

    fn engine(&self, log: &str) -> Box<dyn Engine> {
        let config = RedisConfig::from_url(&format!("{}/0?key={log}", self.url())).expect("a URL");
        Box::new(RedisEngine::open(config).expect("threads"))
    }

    fn plain(&self, log: &str, entries: usize) {
        floor(self, log, entries);
    }

    fn plain_latency(&self, log: &str, in_flight: usize) -> Vec<Duration> {
        floor_latency(self, log, in_flight)
    }
}

/// A plain connection of the crate `redis`.
struct Plain(Connection);

impl Plain {
    fn open(server: &Server) -> Self {
        let info = server.url().into_connection_info().expect("a URL");
        let info = info.set_tcp_settings(TcpSettings::default().set_nodelay(true));
        let client = Client::open(info).expect("a URL");
        Self(client.get_connection().expect("the server listens"))
    }

    fn send(&mut self, commands: &Pipeline) {
        let sent = self.0.send_packed_command(&commands.get_packed_pipeline());
        sent.expect("the server reads");
    }

    fn receive_id(&mut self) {
        let id = self.0.recv_response().expect("the server answers");
        assert!(matches!(id, Value::BulkString(_)), "an identifier, not {id:?}");
    }

    /// Reads what is behind an identifier; the number of entries, and the newest identifier.
    fn read_on(&mut self, key: &str, after: &mut String) -> usize {
        let mut command = redis::cmd("XREAD");
        command.arg("COUNT").arg(COUNT).arg("BLOCK").arg(1000);
        let read: Option<Vec<(String, Vec<PlainEntry>)>> =
            command.arg("STREAMS").arg(key).arg(&*after).query(&mut self.0).expect("entries");
        let Some((_, mut entries)) = read.and_then(|mut streams| streams.pop()) else { return 0 };
        assert!(entries.iter().all(|(_, (_, bytes))| bytes.len() == ENTRY_BYTES));
        let count = entries.len();
        if let Some((id, _)) = entries.pop() {
            *after = id;
        }
        count
    }
}

/// An identifier, and the name and the bytes of a field.
type PlainEntry = (String, (String, Vec<u8>));

fn push_entry(commands: &mut Pipeline, key: &str) {
    commands.cmd("XADD").arg(key).arg("1-*").arg("e").arg(&[b'x'; ENTRY_BYTES]);
}

/// Pipelines of XADD on one connection, XREAD on another.
fn floor(server: &Server, key: &str, entries: usize) {
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut writer = Plain::open(server);
            for begin in (0..entries).step_by(PIPELINE) {
                let count = PIPELINE.min(entries - begin);
                let mut out = redis::pipe();
                (0..count).for_each(|_| push_entry(&mut out, key));
                writer.send(&out);
                for _ in 0..count {
                    writer.receive_id();
                }
            }
        });
        let (mut reader, mut after, mut read) = (Plain::open(server), "0-0".to_owned(), 0);
        while read < entries {
            read += reader.read_on(key, &mut after);
        }
    });
}

fn floor_latency(server: &Server, key: &str, in_flight: usize) -> Vec<Duration> {
    let (tell, told) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || {
            let (mut reader, mut after, mut read) = (Plain::open(server), "0-0".to_owned(), 0);
            // As many as are sent.
            while read < SAMPLES + in_flight {
                let entries = reader.read_on(key, &mut after);
                (0..entries).for_each(|_| tell.send(Instant::now()).unwrap_or_default());
                read += entries;
            }
        });
        let mut writer = Plain::open(server);
        let mut times = Vec::with_capacity(SAMPLES);
        let mut sent = std::collections::VecDeque::new();
        let mut answered = 0;
        while times.len() < SAMPLES {
            let mut out = redis::pipe();
            let missing = in_flight - sent.len();
            (0..missing).for_each(|_| push_entry(&mut out, key));
            writer.send(&out);
            sent.extend((0..missing).map(|_| Instant::now()));
            for _ in 0..missing {
                writer.receive_id();
                answered += 1;
            }
            let read = told.recv().expect("the reader goes on");
            times.push(read.saturating_duration_since(sent.pop_front().expect("it was sent")));
            while let Ok(read) = told.try_recv() {
                times.push(read.saturating_duration_since(sent.pop_front().expect("it was sent")));
            }
        }
        // The reader waits for a number of entries.
        let mut out = redis::pipe();
        (answered..SAMPLES + in_flight).for_each(|_| push_entry(&mut out, key));
        writer.send(&out);
        times
    })
}

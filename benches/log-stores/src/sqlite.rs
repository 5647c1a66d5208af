//! SQLite: one table by place, a write-ahead log, synced with each commit.

use std::path::Path;

use rusqlite::{Connection, params};

use crate::Log;

pub(crate) struct Store {
    db: Connection,
}

impl Log for Store {
    fn open(dir: &Path) -> Self {
        let db = Connection::open(dir.join("log.sqlite")).expect("opened");
        db.execute_batch(
            "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;
             CREATE TABLE IF NOT EXISTS log (seq INTEGER PRIMARY KEY, crc INTEGER, body BLOB);",
        )
        .expect("set up");
        Self { db }
    }

    fn append(&mut self, first_seq: u64, records: &[Vec<u8>]) {
        let transaction = self.db.transaction().expect("begun");
        {
            let mut insert =
                transaction.prepare("INSERT INTO log VALUES (?, ?, ?)").expect("prepared");
            for (seq, record) in (first_seq..).zip(records) {
                let crc = crc32fast::hash(record);
                insert.execute(params![seq as i64, crc, record]).expect("inserted");
            }
        }
        transaction.commit().expect("committed");
    }

    fn trim(&mut self, seq: u64) {
        self.db.execute("DELETE FROM log WHERE seq <= ?", [seq as i64]).expect("deleted");
    }

    fn read_all(&self) -> (u64, u64) {
        let mut select =
            self.db.prepare("SELECT crc, body FROM log ORDER BY seq").expect("prepared");
        let mut rows = select.query([]).expect("begun");
        let (mut count, mut bytes) = (0, 0);
        while let Some(row) = rows.next().expect("read") {
            let body = row.get_ref(1).and_then(|it| Ok(it.as_blob()?)).expect("a blob");
            assert_eq!(crc32fast::hash(body), row.get::<_, u32>(0).expect("a checksum"));
            (count, bytes) = (count + 1, bytes + body.len() as u64);
        }
        (count, bytes)
    }
}

//! fjall: one keyspace by place, its journal synced with each batch.

use std::path::Path;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use crate::Log;

pub(crate) struct Store {
    db: Database,
    log: Keyspace,
    first: u64,
}

impl Log for Store {
    fn open(dir: &Path) -> Self {
        let db = Database::builder(dir).open().expect("opened");
        let log = db.keyspace("log", KeyspaceCreateOptions::default).expect("opened");
        Self { db, log, first: 1 }
    }

    fn append(&mut self, first_seq: u64, records: &[Vec<u8>]) {
        let mut batch = self.db.batch().durability(Some(PersistMode::SyncData));
        for (seq, record) in (first_seq..).zip(records) {
            let mut value = crc32fast::hash(record).to_le_bytes().to_vec();
            value.extend(record);
            batch.insert(&self.log, seq.to_be_bytes(), value);
        }
        batch.commit().expect("committed");
    }

    fn trim(&mut self, seq: u64) {
        let mut batch = self.db.batch();
        for seq in self.first..=seq {
            batch.remove(&self.log, seq.to_be_bytes());
        }
        self.first = seq + 1;
        batch.commit().expect("committed");
    }

    fn read_all(&self) -> (u64, u64) {
        let (mut count, mut bytes) = (0, 0);
        for row in self.log.iter() {
            let value = row.value().expect("read");
            let (crc, body) = value.split_at(4);
            assert_eq!(crc32fast::hash(body).to_le_bytes(), crc);
            (count, bytes) = (count + 1, bytes + body.len() as u64);
        }
        (count, bytes)
    }
}

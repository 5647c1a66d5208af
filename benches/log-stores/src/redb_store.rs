//! redb: one table by place, synced with each commit.

use std::path::Path;

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

use crate::Log;

const LOG: TableDefinition<'_, u64, (u32, &[u8])> = TableDefinition::new("log");

pub(crate) struct Store {
    db: Database,
}

impl Log for Store {
    fn open(dir: &Path) -> Self {
        Self { db: Database::create(dir.join("log.redb")).expect("opened") }
    }

    fn append(&mut self, first_seq: u64, records: &[Vec<u8>]) {
        let write = self.db.begin_write().expect("begun");
        {
            let mut table = write.open_table(LOG).expect("opened");
            for (seq, record) in (first_seq..).zip(records) {
                table.insert(seq, (crc32fast::hash(record), record.as_slice())).expect("inserted");
            }
        }
        write.commit().expect("committed");
    }

    fn trim(&mut self, seq: u64) {
        let write = self.db.begin_write().expect("begun");
        write.open_table(LOG).expect("opened").retain_in(..=seq, |_, _| false).expect("deleted");
        write.commit().expect("committed");
    }

    fn read_all(&self) -> (u64, u64) {
        let read = self.db.begin_read().expect("begun");
        let table = read.open_table(LOG).expect("opened");
        let (mut count, mut bytes) = (0, 0);
        for row in table.iter().expect("begun") {
            let (_, value) = row.expect("read");
            let (crc, body) = value.value();
            assert_eq!(crc32fast::hash(body), crc);
            (count, bytes) = (count + 1, bytes + body.len() as u64);
        }
        (count, bytes)
    }
}

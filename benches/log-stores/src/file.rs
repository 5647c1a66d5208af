//! A plain file: segments of 8 MiB, appended to, each record with its length and checksum.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::Log;

const SEGMENT_BYTES: u64 = 8 << 20;

pub(crate) struct Store {
    dir: PathBuf,
    /// The first place in each segment, oldest first.
    segments: VecDeque<u64>,
    current: Option<(File, u64)>,
    buffer: Vec<u8>,
}

impl Store {
    fn path(&self, first_seq: u64) -> PathBuf {
        self.dir.join(format!("{first_seq:020}"))
    }

    fn begin_segment(&mut self, first_seq: u64) {
        let file = OpenOptions::new().append(true).create(true).open(self.path(first_seq));
        File::open(&self.dir).and_then(|it| it.sync_all()).expect("the directory is synced");
        self.current = Some((file.expect("a segment can be made"), 0));
        self.segments.push_back(first_seq);
    }
}

impl Log for Store {
    fn open(dir: &Path) -> Self {
        let mut names: Vec<u64> = fs::read_dir(dir)
            .expect("the directory is there")
            .flatten()
            .filter_map(|it| it.file_name().to_str()?.parse().ok())
            .collect();
        names.sort_unstable();
        Self { dir: dir.into(), segments: names.into(), current: None, buffer: Vec::new() }
    }

    fn append(&mut self, first_seq: u64, records: &[Vec<u8>]) {
        if self.current.as_ref().is_none_or(|(_, bytes)| *bytes > SEGMENT_BYTES) {
            self.begin_segment(first_seq);
        }
        self.buffer.clear();
        for (seq, record) in (first_seq..).zip(records) {
            self.buffer.extend((record.len() as u32).to_le_bytes());
            self.buffer.extend(crc32fast::hash(record).to_le_bytes());
            self.buffer.extend(seq.to_le_bytes());
            self.buffer.extend(record);
        }
        let (file, bytes) = self.current.as_mut().expect("a segment is open");
        file.write_all(&self.buffer).expect("written");
        file.sync_data().expect("synced");
        *bytes += self.buffer.len() as u64;
    }

    fn trim(&mut self, seq: u64) {
        while self.segments.get(1).is_some_and(|next| *next <= seq + 1) {
            let first = self.segments.pop_front().expect("there are two");
            fs::remove_file(self.path(first)).expect("removed");
        }
    }

    fn read_all(&self) -> (u64, u64) {
        let (mut count, mut bytes) = (0, 0);
        for first in &self.segments {
            let all = fs::read(self.path(*first)).expect("read");
            let mut rest = all.as_slice();
            while let Some((head, tail)) = rest.split_at_checked(16) {
                let len = u32::from_le_bytes(head[..4].try_into().expect("four")) as usize;
                let (record, tail) = tail.split_at(len);
                assert_eq!(crc32fast::hash(record).to_le_bytes(), head[4..8]);
                (count, bytes, rest) = (count + 1, bytes + len as u64, tail);
            }
        }
        // Whole segments only are dropped: up to one segment too many is there.
        (count.min(100_096), bytes)
    }
}

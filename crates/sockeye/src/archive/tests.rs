//! Damage in the files, met while they are read.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use sockeye_log::{Options, Record, Store};
use sockeye_service::wire::{Data, Payload as Body};

use super::*;

const MESSAGES: u64 = 12;
const CHANNEL: &str = "a-name-that-is-once-in-the-file";

/// How long an answer may take before a test gives it up.
const PATIENCE: Duration = Duration::from_secs(20);

/// A directory of its own, gone with the value.
struct Dir(PathBuf);

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A log with twelve messages of one channel.
fn written(name: &str) -> Dir {
    let dir = std::env::temp_dir().join(format!("sockeye-archive-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    let (mut store, _) = Store::open(&dir, &Options::new(7, 1)).expect("a directory");
    let record = |seq| Record {
        seq,
        time_ms: seq,
        kind: 0,
        channel: CHANNEL.to_owned(),
        key: None,
        body: Body::new(Data::text(format!("message <{seq}>"))).to_log(),
    };
    store.append(&(1..=MESSAGES).map(record).collect::<Vec<_>>()).expect("room");
    Dir(dir)
}

/// Changes a byte, so far from the beginning of this text.
fn flip(dir: &Path, text: &str, offset: usize, bit: u8) {
    let file = dir.join("log.sqlite");
    let mut bytes = std::fs::read(&file).expect("the log");
    let at = bytes.windows(text.len()).position(|it| it == text.as_bytes()).expect("it is there");
    bytes[at + offset] ^= bit;
    std::fs::write(&file, bytes).expect("our file");
}

/// An archive that is asked one question at a time.
struct Asking {
    archive: DiskArchive,
    woken: Receiver<()>,
}

impl Asking {
    /// The page of a question, which the reader may answer in several parts.
    fn ask(&mut self, range: Range, messages_max: usize) -> Page {
        let question = Question {
            ticket: 1,
            targets: vec![CHANNEL.into()],
            range,
            messages_max,
            bytes_max: 1 << 20,
            missing_max: 9,
        };
        self.archive.ask(question).expect("it takes one");
        for _ in 0..20 {
            if let Some((ticket, page)) = self.archive.next() {
                assert_eq!(ticket, 1);
                return page.expect("it can be read");
            }
            self.woken.recv_timeout(PATIENCE).expect("it wakes");
        }
        panic!("it asks for ever");
    }
}

/// Opens the log, and damages it before it is read.
fn opened(dir: &Dir, damage: impl FnOnce(&Path)) -> (Store, Asking) {
    let (store, _) = Store::open(&dir.0, &Options::new(7, 1)).expect("it is a log");
    damage(&dir.0);
    let archives = Archives::new(Readers::spawn(&store).expect("a thread"), Epoch(7));
    let (wake, woken) = channel();
    let archive = archives.archive_with(move || wake.send(()).unwrap_or_default());
    (store, Asking { archive, woken })
}

fn seqs(page: &Page) -> Vec<u64> {
    page.entries.iter().map(|it| it.position.seq.0).collect()
}

fn missing(page: &Page) -> Option<u64> {
    page.missing.first().map(|(_, floor)| floor.0)
}

/// The row says what the channel has, so nothing of it can be read.
#[test]
fn a_channel_whose_row_is_damaged_is_asked_for_twice_at_the_most() {
    let dir = written("row");
    // The newest position becomes another one.
    let (_store, mut asking) = opened(&dir, |dir| flip(dir, CHANNEL, CHANNEL.len(), 4));
    let page = asking.ask(Range::After { after: Seq(0), through: Seq(MESSAGES) }, 100);
    assert_eq!((seqs(&page), missing(&page), page.more), (vec![], Some(8), true));
    for before in [MESSAGES + 1, 9] {
        let page = asking.ask(Range::Before { before: Seq(before) }, 100);
        assert_eq!((seqs(&page), missing(&page), page.more), (vec![], Some(8), false));
    }
}

/// Damaged messages in a row are one gap, and what is beyond them is served.
#[test]
fn history_goes_on_beyond_damage() {
    let dir = written("bodies");
    let (_store, mut asking) = opened(&dir, |dir| {
        for seq in [2, 5, 6, 9] {
            flip(dir, &format!("message <{seq}>"), 0, 1);
        }
    });
    let mut pages = Vec::new();
    let mut before = Seq(MESSAGES + 1);
    loop {
        let page = asking.ask(Range::Before { before }, 100);
        pages.push((seqs(&page), missing(&page)));
        let Some(first) = page.entries.first().filter(|_| page.more) else { break };
        before = first.position.seq;
    }
    let expected = [
        (vec![10, 11, 12], Some(9)),
        (vec![7, 8], Some(9)),
        (vec![3, 4], Some(6)),
        (vec![1], Some(2)),
    ];
    assert_eq!(pages, expected);
    let page = asking.ask(Range::After { after: Seq(4), through: Seq(MESSAGES) }, 100);
    assert_eq!((seqs(&page), missing(&page), page.through), (vec![], Some(5), Seq(5)));
    let told = asking.archive.told.lock().expect("nobody panics").clone();
    assert_eq!(told.into_iter().collect::<Vec<_>>(), [2, 5, 6, 9]);
}

//! The log on disk, as the service sees it.

use std::time::{Duration, Instant};

use sockeye_hub::{Cursor, Kind};
use sockeye_log::{Policy, Rule};
use sockeye_service::wire::Data;

use super::*;

/// A reload may come between the question for room and the message, which has its position then.
#[test]
fn a_message_that_has_its_position_is_written_whatever_the_rules_say_now() {
    let dir = std::env::temp_dir().join(format!("sockeye-disk-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    let (store, found) = Store::open(&dir, &Options::new(7, 1)).expect("a directory");
    let (control, limits) = (store.control(), *store.limits());
    let opened = Opened { store, found, dir: dir.clone() };
    let mut log = opened.into_log(Box::new(|| {})).expect("a thread");
    let channel = ChannelName::new("a").expect("a name");
    let payload = Payload::new(Data::text("hello".to_owned()));
    assert_eq!(log.room(channel, None, &payload), Ok(()));
    let mut all = Rule::default();
    all.share_bytes = Some(limits.bytes_max);
    let policy = Policy { rule: Rule::default(), named: vec![("b".to_owned(), all)] };
    control.reconfigure(&policy, &limits).expect("good rules");
    assert_eq!(log.room(channel, None, &payload), Err(NoRoom::Bytes));
    let position = Cursor::new(Epoch(7), Seq(1));
    let (time_ms, kind, key) = (1, Kind::Message, None);
    log.append(&Record { position, channel, time_ms, kind, payload: &payload, key });
    let start = Instant::now();
    while log.settled() != LogState::Through(Seq(1)) {
        assert!(start.elapsed() < Duration::from_secs(20), "{:?}", log.settled());
        std::thread::yield_now();
    }
    drop(log);
    let _ = std::fs::remove_dir_all(&dir);
}

//! How long idempotency keys are remembered, by namespace.

use crate::common::{ask, start};
use sockeye_hub::{ChannelName, Cursor, Epoch, Kind, Seq};
use sockeye_service::wire::{Data, Payload};
use sockeye_service::{Record, Service};

/// Log time at the end of the log that is given back: years before the calendar.
const LOG_END_MS: u64 = 1_000_000_000;

fn record<'r>(seq: u64, channel: &'r str, time_ms: u64, payload: &'r Payload) -> Record<'r> {
    Record {
        position: Cursor::new(Epoch(7), Seq(seq)),
        channel: ChannelName::new(channel).expect("a name"),
        time_ms,
        kind: Kind::Message,
        payload,
        key: Some("k"),
    }
}

/// [hub:key-ages] What a log gives back is as old as the log has become since.
#[test]
fn a_key_out_of_the_log_is_remembered_for_what_is_left_of_its_time() {
    let server = start(|setup| {
        for (name, key_ms) in [("short", 10_000), ("long", 3_600_000)] {
            let mut settings = setup.hub.settings.clone();
            settings.key_ms = key_ms;
            setup.hub.namespaces.push((name.to_owned(), settings));
        }
        setup.prepare = Some(Box::new(move |mut service: Service| {
            let payload = Payload::new(Data::text("x"));
            for (seq, channel) in [(1, "short:1"), (2, "long:1")] {
                let record = record(seq, channel, LOG_END_MS - 60_000, &payload);
                service.restore(&record).expect("in order");
            }
            let last = record(3, "short:2", LOG_END_MS, &payload);
            service.restore(&last).expect("in order");
            service
        }));
    });
    let again = |channel: &str| {
        let target = format!("/v1/channels/{channel}?key=k");
        let receipt = ask(server.addr, "POST", &target, "", "x").json();
        (receipt["seq"].as_u64(), receipt["duplicate"].as_bool())
    };
    assert_eq!(again("short:1"), (Some(4), Some(false)), "its time was over");
    assert_eq!(again("long:1"), (Some(2), Some(true)));
    assert_eq!(again("short:1"), (Some(4), Some(true)));
    assert_eq!(again("short:2"), (Some(3), Some(true)), "the years without a process do not count");
}

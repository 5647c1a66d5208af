//! How long idempotency keys are remembered, by namespace.

use crate::common::{ask, start};
use sockeye_hub::{ChannelName, Cursor, Epoch, Kind, Seq};
use sockeye_service::wire::{Data, Payload};
use sockeye_service::{Record, Service};

/// Milliseconds since 1970 on the machine, as the service has them.
fn unix_ms() -> u64 {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("after 1970");
    u64::try_from(since.as_millis()).expect("a time")
}

/// [hub:key-ages] What a log gives back is as old as it is.
#[test]
fn a_key_out_of_the_log_is_remembered_for_what_is_left_of_its_time() {
    let server = start(|setup| {
        for (name, key_ms) in [("short", 10_000), ("long", 3_600_000)] {
            let mut settings = setup.hub.settings.clone();
            settings.key_ms = key_ms;
            setup.hub.namespaces.push((name.to_owned(), settings));
        }
        let time_ms = unix_ms() - 60_000;
        setup.prepare = Some(Box::new(move |mut service: Service| {
            let payload = Payload { event: None, data: Data::text("x"), ttl_ms: None };
            for (seq, channel) in [(1, "short:1"), (2, "long:1")] {
                let record = Record {
                    position: Cursor::new(Epoch(7), Seq(seq)),
                    channel: ChannelName::new(channel).expect("a name"),
                    time_ms,
                    kind: Kind::Message,
                    payload: &payload,
                    key: Some("k"),
                };
                service.restore(&record).expect("in order");
            }
            service
        }));
    });
    let again = |channel: &str| {
        let target = format!("/v1/channels/{channel}?key=k");
        let receipt = ask(server.addr, "POST", &target, "", "x").json();
        (receipt["seq"].as_u64(), receipt["duplicate"].as_bool())
    };
    assert_eq!(again("short:1"), (Some(3), Some(false)), "its time was over");
    assert_eq!(again("long:1"), (Some(2), Some(true)));
    assert_eq!(again("short:1"), (Some(3), Some(true)));
}

//! SETTINGS (RFC 9113 §6.5).

use sockeye_cases::failed;

use crate::peer::Peer;
use crate::row::{Case, Row, free, one, sends, table};
use crate::want::Want;
use crate::wire::{
    ACK, ENABLE_CONNECT_PROTOCOL, ENABLE_PUSH, ENHANCE_YOUR_CALM, FLOW_CONTROL_ERROR,
    HEADER_TABLE_SIZE, INITIAL_WINDOW_SIZE, MAX_CONCURRENT_STREAMS, MAX_FRAME_SIZE,
    MAX_HEADER_LIST_SIZE, NO_RFC7540_PRIORITIES, PROTOCOL_ERROR, SETTINGS, frame, settings,
};

const SETTING: &str = "RFC 9113 §6.5.2";
const SYNCHRONISED: &str = "RFC 9113 §6.5.3";
const PROTOCOL: Want = Want::Goaway(&[PROTOCOL_ERROR]);
const FLOW: Want = Want::Goaway(&[FLOW_CONTROL_ERROR]);

pub(super) fn cases() -> impl Iterator<Item = Case> {
    values().chain(table(ROWS))
}

/// One setting behind the first SETTINGS.
fn values() -> impl Iterator<Item = Case> {
    type Value = (&'static str, u16, u32, &'static str, Want);
    const EXTENDED: &str = "RFC 8441 §3";
    const VALUES: [Value; 24] = [
        ("push-2", ENABLE_PUSH, 2, SETTING, PROTOCOL),
        ("push-max", ENABLE_PUSH, u32::MAX, SETTING, PROTOCOL),
        ("push-0", ENABLE_PUSH, 0, SETTING, Want::Fine),
        ("push-1", ENABLE_PUSH, 1, SETTING, Want::Fine),
        ("window-2-31", INITIAL_WINDOW_SIZE, 1 << 31, SETTING, FLOW),
        ("window-max", INITIAL_WINDOW_SIZE, u32::MAX, SETTING, FLOW),
        ("window-0", INITIAL_WINDOW_SIZE, 0, SETTING, Want::Fine),
        ("window-largest", INITIAL_WINDOW_SIZE, (1 << 31) - 1, SETTING, Want::Fine),
        ("frame-size-0", MAX_FRAME_SIZE, 0, SETTING, PROTOCOL),
        ("frame-size-16383", MAX_FRAME_SIZE, 16_383, SETTING, PROTOCOL),
        ("frame-size-2-24", MAX_FRAME_SIZE, 1 << 24, SETTING, PROTOCOL),
        ("frame-size-max", MAX_FRAME_SIZE, u32::MAX, SETTING, PROTOCOL),
        ("frame-size-16384", MAX_FRAME_SIZE, 16_384, SETTING, Want::Fine),
        ("frame-size-largest", MAX_FRAME_SIZE, (1 << 24) - 1, SETTING, Want::Fine),
        ("table-0", HEADER_TABLE_SIZE, 0, SETTING, Want::Fine),
        ("table-max", HEADER_TABLE_SIZE, u32::MAX, SETTING, Want::Fine),
        ("streams-0", MAX_CONCURRENT_STREAMS, 0, SETTING, Want::Fine),
        ("list-0", MAX_HEADER_LIST_SIZE, 0, SETTING, Want::Fine),
        ("connect-2", ENABLE_CONNECT_PROTOCOL, 2, EXTENDED, PROTOCOL),
        ("connect-1", ENABLE_CONNECT_PROTOCOL, 1, EXTENDED, Want::Fine),
        ("priorities-2", NO_RFC7540_PRIORITIES, 2, "RFC 9218 §2.1", PROTOCOL),
        ("unknown", 0xff00, u32::MAX, SETTING, Want::Fine),
        ("unknown-0", 0, 1, SETTING, Want::Fine),
        ("unknown-7", 7, 0, SETTING, Want::Fine),
    ];
    VALUES.into_iter().map(|(name, id, value, section, want)| {
        let title = format!("Setting {id:#x} is {value}");
        let case = one(
            format!("settings/{name}"),
            section,
            title,
            move |_| settings(&[(id, value)]),
            want,
        );
        match name {
            "connect-2" | "priorities-2" => case.policy(
                "the text asks a client for 0 or 1, and a server that does not know it for nothing",
            ),
            _ => case,
        }
    })
}

const ROWS: &[Row] = &[
    sends(
        "settings/connect-withdrawn",
        "RFC 8441 §3",
        "ENABLE_CONNECT_PROTOCOL of 1, then of 0",
        |_| {
            [settings(&[(ENABLE_CONNECT_PROTOCOL, 1)]), settings(&[(ENABLE_CONNECT_PROTOCOL, 0)])]
                .concat()
        },
        Want::Any(&[PROTOCOL, Want::Fine]),
    ),
    sends(
        "settings/priorities-changed",
        "RFC 9218 §2.1",
        "NO_RFC7540_PRIORITIES that changes",
        |_| settings(&[(NO_RFC7540_PRIORITIES, 1)]),
        Want::Any(&[PROTOCOL, Want::Fine]),
    ),
    sends(
        "settings/bad-behind-good",
        SYNCHRONISED,
        "A wrong value behind right ones",
        |_| settings(&[(INITIAL_WINDOW_SIZE, 100), (0xff00, 1), (MAX_FRAME_SIZE, 1)]),
        PROTOCOL,
    ),
    sends(
        "settings/bad-before-good",
        SYNCHRONISED,
        "A wrong value that a right one follows",
        |_| settings(&[(MAX_FRAME_SIZE, 1), (MAX_FRAME_SIZE, 16_384)]),
        PROTOCOL,
    ),
    sends(
        "settings/many",
        SYNCHRONISED,
        "2,000 unknown settings in a frame",
        |_| settings(&[(0xff01, 7); 2_000]),
        Want::Any(&[Want::Fine, Want::Goaway(&[ENHANCE_YOUR_CALM])]),
    ),
    sends(
        "settings/ack-unasked",
        SYNCHRONISED,
        "An acknowledgement of nothing",
        |_| frame(SETTINGS, ACK, 0, []),
        Want::Any(&[PROTOCOL, Want::Fine]),
    ),
    free(
        "settings/each-acknowledged",
        SYNCHRONISED,
        "Each of five SETTINGS is acknowledged",
        |target| {
            let mut peer = Peer::ready(target)?;
            (0..5).for_each(|_| peer.set(&[]));
            peer.expect_alive()?;
            match peer.acks {
                6 => Ok(()),
                acks => failed("6 acknowledgements with the first", acks),
            }
        },
    ),
    free(
        "settings/acknowledged-in-order",
        SYNCHRONISED,
        "The acknowledgement comes before the answer to a later PING",
        |target| {
            let mut peer = Peer::ready(target)?;
            peer.set(&[(INITIAL_WINDOW_SIZE, 10)]);
            peer.send(&crate::wire::ping(*b"a marker"));
            match peer.until(|peer| peer.acks == 2 || peer.pongs.contains(b"a marker"))
                && peer.acks == 2
            {
                true => Ok(()),
                false => failed("SETTINGS ACK, then PING ACK", peer.story()),
            }
        },
    )
    .policy("the text says only as soon as possible"),
    free("settings/last-value-counts", SYNCHRONISED, "The last of two values counts", |target| {
        let window = INITIAL_WINDOW_SIZE;
        let mut peer = Peer::ready_with(target, &[(window, 60_000), (window, 2)])?;
        peer.gives_back = false;
        peer.send(&target.site.ask(1));
        peer.within(target.timeout / 10, |peer| peer.content(1).len() > 2);
        match (peer.content(1).len(), &peer.fault) {
            (2, None) => Ok(()),
            _ => failed("2 bytes of content", peer.story()),
        }
    }),
    free(
        "settings/announces-streams",
        "RFC 9113 §5.1.2",
        "MAX_CONCURRENT_STREAMS is at least 100",
        |target| {
            let peer = Peer::ready(target)?;
            match peer.setting(MAX_CONCURRENT_STREAMS, u32::MAX) {
                100.. => Ok(()),
                streams => failed("at least 100", streams),
            }
        },
    )
    .policy("a recommendation: fewer would limit parallelism"),
    free(
        "settings/announces-limit",
        "RFC 9113 §5.1.2",
        "MAX_CONCURRENT_STREAMS is announced at all",
        |target| {
            let peer = Peer::ready(target)?;
            match peer.setting(MAX_CONCURRENT_STREAMS, u32::MAX) {
                u32::MAX => failed("a limit", "none"),
                _ => Ok(()),
            }
        },
    )
    .policy("without it a client may open streams without end"),
];

//! `Debug` never writes the content of events and comments to a log.

use core::fmt::Debug;

use sockeye_sse::{Event, Item, MessageEvent};

/// Neither the text itself nor its bytes as a derived `Debug` writes them.
fn assert_silent(value: &impl Debug) {
    let shown = format!("{value:?}");
    assert!(!shown.contains("hunter2") && !shown.contains("104, 117, 110"), "{shown}");
}

#[test]
fn events_and_comments_show_no_text() {
    assert_silent(&Event::message("hunter2"));
    assert_silent(&Item::<&str>::Comment("hunter2"));
    let event = MessageEvent { event_type: "message", data: "hunter2", last_event_id: "" };
    assert_silent(&event);
    assert_silent(&Item::Event(event));
}

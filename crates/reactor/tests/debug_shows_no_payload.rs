//! Bytes on their way out never reach a log through `Debug`.

use std::fmt::Debug;

use sockeye_reactor::{Outbox, Pool, Shared};

/// Neither the text itself nor its bytes as a derived `Debug` writes them.
fn assert_silent(value: &impl Debug) {
    let shown = format!("{value:?}");
    assert!(!shown.contains("hunter2") && !shown.contains("104, 117, 110"), "{shown}");
}

#[test]
fn unsent_bytes_are_not_shown() {
    let shared = Shared::new(b"hunter2");
    let (mut outbox, mut pool) = (Outbox::new(), Pool::new());
    outbox.tail(&mut pool).extend_from_slice(b"hunter2");
    outbox.push_shared(&shared, &mut pool);
    outbox.tail(&mut pool).extend_from_slice(b"hunter2");
    assert_eq!(outbox.len(), 21);
    assert_silent(&shared);
    assert_silent(&outbox);
    outbox.clear(&mut pool);
    assert_silent(&pool);
}

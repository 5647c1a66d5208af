//! The memory of an idle connection.

use sockeye_websocket::{Assembler, Connection, MessageError, ProtocolError, UsageError};

#[test]
fn an_idle_connection_is_112_bytes() {
    assert_eq!(size_of::<Connection>(), 112);
    assert_eq!(size_of::<Assembler>(), 48);
}

#[test]
fn errors_are_small() {
    assert!(size_of::<ProtocolError>() <= 2);
    assert_eq!(size_of::<MessageError>(), 1);
    assert_eq!(size_of::<UsageError>(), 1);
}

#[test]
fn what_crosses_threads_may() {
    fn is_send<T: Send>() {}
    is_send::<Connection>();
    is_send::<Assembler>();
}

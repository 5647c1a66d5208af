//! Above `connections_max` connections wait in the system's backlog.

use crate::common::start;

#[test]
fn who_comes_too_many_waits_for_a_place() {
    let server = start(|limits| limits.connections_max = 2);
    let request = "GET /a HTTP/1.1\r\nHost: test\r\n\r\n";
    let mut first = server.connect();
    let second = server.connect();
    first.send(request);
    first.read_response();
    let mut third = server.connect();
    third.send(request);
    server.until("the third waits", |server| server.stats().accept_pauses > 0);
    assert_eq!(server.ask(|server| (server.connections(), server.stats().accepted)), (2, 2));
    drop(second);
    assert_eq!(third.read_response().1, b"/a");
    first.send(request);
    assert_eq!(first.read_response().1, b"/a");
}

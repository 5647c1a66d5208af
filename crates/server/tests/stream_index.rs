//! A stream's index is dense over streams: it says nothing of sockets, and is reused once the
//! application has heard of the end.

use crate::common::start;
use sockeye_server::{Reply, Status};

const HOLD: &str = "GET /hold HTTP/1.1\r\nHost: test\r\n\r\n";

#[test]
fn connections_without_a_stream_take_no_index() {
    let server = start(|_| {});
    let mut plain: Vec<_> = (0..5).map(|_| server.connect()).collect();
    for peer in &mut plain {
        peer.send("GET /next HTTP/1.1\r\nHost: test\r\n\r\n");
        assert_eq!(peer.read_response().1, b"/next");
    }
    let open: Vec<_> = (0..3).map(|_| (server.open("/echo"), server.next_opened())).collect();
    let indexes: Vec<_> = open.iter().map(|(_, stream)| stream.index()).collect();
    assert_eq!(indexes, [0, 1, 2]);
}

#[test]
fn the_streams_of_one_connection_have_keys_of_their_own() {
    let server = start(|_| {});
    let _open = (server.open("/echo"), server.next_opened());
    let mut peer = server.connect();
    let mut seen = Vec::new();
    for _ in 0..3 {
        peer.send(HOLD);
        let stream = server.next_opened();
        assert_eq!(stream.index(), 1, "the index of the stream that ended");
        assert!(!seen.contains(&stream), "the key of a stream that ended");
        let earlier = seen.clone();
        server.act(move |context| {
            for gone in earlier {
                let reply = Reply::text(Status::OK, "late");
                context.respond(gone, reply).expect_err("an earlier key names nothing");
                assert_eq!(context.peer(gone), None);
            }
            context.respond(stream, Reply::text(Status::OK, "late")).expect("it is held");
        });
        assert_eq!(peer.read_response().1, b"late");
        server.next_closed();
        seen.push(stream);
    }
}

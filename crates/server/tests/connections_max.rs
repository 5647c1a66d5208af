//! Above `connections_max` connections wait in the system's backlog.

use std::net::{SocketAddr, TcpListener, TcpStream};

use sockeye_server::{
    Answer, App, ConnectionQuota, Context, Limits, MioNet, Reply, Request, Server, Status,
};

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

struct Hello;

impl App for Hello {
    type Pending = ();

    fn on_request(&mut self, _: &Request<'_>, _: &mut Context<'_>) -> Answer {
        Reply::text(Status::OK, "hello").into()
    }
}

fn one_of_many(quota: &ConnectionQuota) -> (Server<MioNet, Hello>, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = listener.local_addr().expect("an address");
    let mut limits = Limits::default();
    limits.connections_max = 1;
    let net = MioNet::listen(listener).expect("a poller");
    (Server::new(net, Hello, limits).with_quota(quota.clone()), addr)
}

/// [server:drain-backlog] What waits is admitted as far as all servers of the quota have room.
#[test]
fn a_drain_takes_no_more_from_the_backlog_than_all_may_hold() {
    let quota = ConnectionQuota::default();
    let (mut full, addr) = one_of_many(&quota);
    let _open = TcpStream::connect(addr).expect("a connection");
    while full.connections() == 0 {
        full.turn(None).expect("a turn");
    }
    let (mut drained, addr) = one_of_many(&quota);
    let _waiting = TcpStream::connect(addr).expect("it waits in the backlog");
    drained.drain();
    assert_eq!((full.connections(), drained.connections()), (1, 0));
}

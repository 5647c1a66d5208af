//! A client of plain HTTP that pipelines requests and checks that the answers come in order.

use sockeye_http1::{HeadEnd, HeaderStorage, Limits, ResponseFraming, ResponseHead};
use sockeye_server::CloseCause;
use sockeye_simnet::{Peer, Random};

use crate::simulation::{Client, World, app};

pub(crate) struct Requests {
    peer: Peer,
    unsent: Vec<u8>,
    /// The body of each answer to come, and the method: to HEAD it comes without content.
    expected: Vec<(Vec<u8>, &'static str)>,
    /// After so many answers it goes away, though there may be more to come.
    leaves_after: Option<usize>,
    left: bool,
    answered: usize,
    received: Vec<u8>,
    over: bool,
    timed_out: bool,
}

impl Requests {
    pub(crate) fn new(peer: Peer, random: &mut Random) -> Self {
        let (mut unsent, mut expected) = (Vec::new(), Vec::new());
        let http10 = random.one_in(4);
        let count = 1 + random.below(6);
        for n in 0..count {
            // HTTP/1.0 has to ask for every request but the last one to be followed by another.
            let start = match http10 {
                true if n + 1 < count => " HTTP/1.0\r\nConnection: Keep-Alive\r\n",
                true => " HTTP/1.0\r\n",
                false => " HTTP/1.1\r\nHost: sim\r\n",
            };
            let (request, body, method) = random_request(n, start, http10, random);
            unsent.extend_from_slice(&request);
            expected.push((body, method));
        }
        let leaves_after = random.one_in(5).then(|| random.below(count));
        Self {
            peer,
            unsent,
            expected,
            leaves_after,
            left: false,
            answered: 0,
            received: Vec::new(),
            over: false,
            timed_out: false,
        }
    }

    fn receive(&mut self, bytes: &[u8]) {
        self.received.extend_from_slice(bytes);
        while self.take_answer() {}
    }

    fn take_answer(&mut self) -> bool {
        let limits = Limits::default();
        let mut end = HeadEnd::for_response();
        let found = end.find(&self.received, &limits).expect("a well-formed response");
        let Some(len) = found else { return false };
        let mut storage = HeaderStorage::new();
        let head = ResponseHead::parse(&self.received[..len], &mut storage, &limits)
            .expect("a well-formed response");
        if head.status().code() == 408 {
            (self.timed_out, self.over) = (true, true);
            return false;
        }
        if head.status().code() == 100 {
            self.received.drain(..len);
            return true;
        }
        let (body, method) = self.expected.get(self.answered).expect("no more answers than asked");
        // A drain has no time for those that are held.
        let refused = head.status().code() == 503;
        assert!(!refused || body.starts_with(b"/hold/") || body == app::NO_ANSWER, "{body:?}");
        let body = if refused { app::NO_ANSWER } else { body };
        let ResponseFraming::Length(body_len) = head.body("GET") else {
            panic!("answers have a length")
        };
        assert_eq!(body_len, body.len() as u64);
        let content = if *method == "HEAD" { 0 } else { body.len() };
        if self.received.len() < len + content {
            return false;
        }
        assert!(*method == "HEAD" || self.received[len..len + content] == *body);
        self.received.drain(..len + content);
        self.answered += 1;
        true
    }

    fn read(&mut self, most: usize) {
        match self.peer.read(most) {
            None => self.over = true,
            Some(bytes) => self.receive(&bytes),
        }
    }
}

fn random_request(
    n: usize,
    start: &str,
    http10: bool,
    random: &mut Random,
) -> (Vec<u8>, Vec<u8>, &'static str) {
    let mut body = vec![0; random.skewed(9_000)];
    random.fill(&mut body);
    let mut request = Vec::new();
    // Chunks are unknown to HTTP/1.0.
    match random.below(if http10 { 6 } else { 7 }) {
        held @ 0..3 => {
            let method = if random.one_in(4) { "HEAD" } else { "GET" };
            let path = format!("/hold/{}/{n}", ["now", "soon", "never"][held]);
            let request = format!("{method} {path}{start}\r\n").into_bytes();
            let body = if held == 2 { app::NO_ANSWER.to_vec() } else { path.into_bytes() };
            (request, body, method)
        }
        3 => {
            let text = format!("GET /missing/{n}{start}\r\n");
            (text.into_bytes(), format!("/missing/{n}").into_bytes(), "GET")
        }
        4 => {
            let text = format!("HEAD /missing/{n}{start}\r\n");
            (text.into_bytes(), format!("/missing/{n}").into_bytes(), "HEAD")
        }
        5 => {
            let len = body.len();
            let expect = if random.one_in(3) { "Expect: 100-continue\r\n" } else { "" };
            let head = format!("POST /body{start}Content-Length: {len}\r\n{expect}\r\n");
            request.extend_from_slice(head.as_bytes());
            request.extend_from_slice(&body);
            (request, body, "POST")
        }
        _ => {
            let head = format!("POST /body{start}Transfer-Encoding: chunked\r\n\r\n");
            request.extend_from_slice(head.as_bytes());
            for piece in body.chunks(1 + random.skewed(3_000)) {
                sockeye_http1::chunked::encode(piece, &mut request);
            }
            request.extend_from_slice(sockeye_http1::chunked::LAST);
            (request, body, "POST")
        }
    }
}

impl Client for Requests {
    fn step(&mut self, random: &mut Random) {
        if !self.unsent.is_empty() {
            let len = 1 + random.skewed(self.unsent.len() - 1);
            let part: Vec<u8> = self.unsent.drain(..len).collect();
            self.peer.write(&part);
        } else if self.leaves_after.is_some_and(|count| self.answered >= count) && !self.left {
            self.left = true;
            if random.one_in(2) { self.peer.shutdown() } else { self.peer.reset() }
        }
        self.read(1 + random.skewed(10_000));
    }

    fn is_done(&self) -> bool {
        self.over || self.left || self.answered == self.expected.len()
    }

    fn wind_down(&mut self) {
        self.read(usize::MAX);
        if self.is_done() {
            self.peer.shutdown();
        }
    }

    fn judge(&mut self, cause: Option<CloseCause>, world: World) {
        assert_eq!(cause, None, "plain requests open no stream");
        if world.calm && self.unsent.is_empty() && !self.timed_out && !self.left {
            let (answered, asked) = (self.answered, self.expected.len());
            assert_eq!(answered, asked, "answers to complete requests");
        }
    }
}

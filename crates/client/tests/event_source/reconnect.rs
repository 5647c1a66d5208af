//! When a source asks again, and when it does not.

use std::io::ErrorKind;

use sockeye_client::{
    CertificateError, Error, OnBusy, ProxyError, ReadyState, Reconnect, TlsError,
};

use crate::event_source::rig::{Rig, STREAM, Told, message, options};

const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
    Transfer-Encoding: chunked\r\n\r\n";
const SIX_BYTES: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 6\r\n\r\n";

/// [html:9.2.3-reestablish] However a stream ends, the wait is the reconnection time to the millisecond: here the
/// random bits are such that any jitter would show.
#[test]
fn after_a_good_connection_the_wait_is_exact() {
    let reset = || Error::Transport(ErrorKind::ConnectionReset);
    type Row = (&'static [u8], &'static [u8], Option<Error>, Error);
    let rows: [Row; 7] = [
        (STREAM, b"", Some(Error::Ended), Error::Ended),
        (STREAM, b"data: cut", Some(reset()), reset()),
        (CHUNKED, b"1\r\n\n\r\n0\r\n\r\n", None, Error::Ended),
        (CHUNKED, b"5\r\n\n", Some(Error::Ended), Error::Truncated),
        (CHUNKED, b"g\r\n", None, Error::Http(sockeye_http1::Error::ChunkSize)),
        (SIX_BYTES, b":12345", None, Error::Ended),
        (SIX_BYTES, b":", Some(Error::Ended), Error::Truncated),
    ];
    for (head, body, end, why) in rows {
        for (retry, wait) in [("", 3000), ("retry: 500\n\n", 500), ("retry:0\n", 100)] {
            let mut rig = Rig::open();
            rig.says(retry);
            rig.ends(Error::Ended);
            rig.wait_out_of(retry, wait);
            rig.connect();
            rig.says(head);
            assert!(matches!(rig.take_one(), Told::Open(_)));
            rig.says(body);
            if let Some(end) = &end {
                rig.ends(end.clone());
            }
            assert_eq!(rig.take_one(), Told::Lost(why.clone(), wait));
            rig.wait_out(wait);
        }
    }
}

impl Rig {
    /// Takes the loss after a `retry` line, and waits.
    fn wait_out_of(&mut self, retry: &str, wait: u64) {
        let mut told = self.take();
        assert_eq!(told.pop(), Some(Told::Lost(Error::Ended, wait)));
        assert_eq!(told.len(), usize::from(!retry.is_empty()), "the retry line is told");
        self.wait_out(wait);
    }
}

/// [html:9.2.3-backoff] Jitter is added from the second failure in a row on; its bound doubles up to a cap.
#[test]
fn jitter_comes_with_failures_only_and_goes_with_the_first_success() {
    let refused = || Error::Connect(ErrorKind::ConnectionRefused);
    for (bits, most) in [(0, 0), (u64::MAX, 1)] {
        let mut rig = Rig::new(options("http://a.test/s"));
        rig.set_entropy(bits);
        for bound in [0, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000] {
            rig.ends(refused());
            let wait = 3000 + most * bound;
            assert_eq!(rig.take_one(), Told::Lost(refused(), wait));
            rig.wait_out(wait);
        }
        rig.connect();
        rig.says(STREAM);
        rig.ends(Error::Ended);
        assert_eq!(rig.take().pop(), Some(Told::Lost(Error::Ended, 3000)));
    }
}

/// Half of the bits are half of the wait: the whole range is used.
#[test]
fn jitter_takes_its_whole_range() {
    let mut rig = Rig::new(options("http://a.test/s"));
    rig.ends(Error::Truncated);
    rig.wait_out_one(3000);
    for (bits, jitter) in [(u64::MAX / 2, 500), (u64::MAX / 4, 500), (u64::MAX / 4 * 3, 3000)] {
        rig.set_entropy(bits);
        rig.ends(Error::Truncated);
        rig.wait_out_one(3000 + jitter);
    }
}

impl Rig {
    fn wait_out_one(&mut self, wait: u64) {
        let told = self.take_one();
        assert!(matches!(told, Told::Lost(_, ms) if ms == wait), "{told:?} is not {wait}");
        self.wait_out(wait);
    }
}

#[test]
fn a_floor_under_the_wait_can_be_taken_away_and_raised() {
    for (floor, wait) in [(0, 0), (7, 10), (2000, 2000)] {
        let mut wanted = options("http://a.test/s");
        wanted.policy.wait_ms_min = floor;
        let mut rig = Rig::opened(wanted);
        rig.says(if floor == 0 { "retry: 0\n" } else { "retry: 10\n" });
        rig.ends(Error::Ended);
        assert_eq!(rig.take().pop(), Some(Told::Lost(Error::Ended, wait)));
        rig.wait_out(wait);
    }
}

/// [html:9.2.6-retry-clamp] A wait beyond all clocks is an hour; without a ceiling it does not end, and does not overflow.
#[test]
fn a_wait_has_a_ceiling_that_can_be_taken_away() {
    let mut rig = Rig::open();
    rig.says("retry: 99999999999999999999999\n");
    rig.ends(Error::Ended);
    assert_eq!(rig.take().pop(), Some(Told::Lost(Error::Ended, 3_600_000)));
    rig.wait_out(3_600_000);

    let mut wanted = options("http://a.test/s");
    wanted.policy.wait_ms_max = u64::MAX;
    let mut rig = Rig::opened(wanted);
    rig.says("retry: 99999999999999999999999\n");
    rig.ends(Error::Ended);
    assert_eq!(rig.take(), [Told::Retry(u64::MAX), Told::Lost(Error::Ended, u64::MAX)]);
    rig.pass(1 << 60);
    assert_eq!((rig.wants(), rig.idle_ms()), (None, None));
    rig.machine.restart();
    assert!(rig.wants().is_some());
}

/// [html:9.2.6-id-buffer-carried] [html:9.2.3-last-event-id-header] Over connections without any event, too.
#[test]
fn the_last_event_id_is_kept_over_all_connections() {
    let mut wanted = options("http://a.test/s");
    wanted.last_event_id = "start".to_owned();
    let mut rig = Rig::new(wanted);
    assert!(rig.connect().contains("\r\nLast-Event-ID: start\r\n"));
    rig.says(STREAM);
    rig.says("data: a\n\nid: 7\ndata: b\n\ndata: c\n\nid: lost\ndata: unfinished\n");
    rig.ends(Error::Ended);
    let told = rig.take();
    assert_eq!(told[1..4], [message("a", "start"), message("b", "7"), message("c", "7")]);
    for _ in 0..3 {
        rig.wait_out(3000);
        assert!(rig.connect().contains("\r\nLast-Event-ID: 7\r\n"));
        rig.says(STREAM);
        rig.ends(Error::Ended);
        rig.take();
    }
    rig.wait_out(3000);
    rig.connect();
    rig.says(STREAM);
    rig.says("id\n\n");
    rig.ends(Error::Ended);
    assert_eq!(rig.machine.last_event_id(), "");
    rig.take();
    rig.wait_out(3000);
    assert!(!rig.connect().contains("Last-Event-ID"), "an empty one is none");
}

/// Answers of language models end, and asking again would be another question.
#[test]
fn never_means_that_the_end_of_the_response_is_the_end() {
    let reset = || Error::Transport(ErrorKind::ConnectionReset);
    type Row = (&'static [u8], &'static [u8], Option<Error>, Option<Error>);
    let rows: [Row; 7] = [
        (STREAM, b"data: x\n\n", Some(Error::Ended), None),
        (CHUNKED, b"9\r\ndata: x\n\n\r\n0\r\n\r\n", None, None),
        (STREAM, b"", Some(Error::Ended), None),
        // What was cut off is not whole, whether HTTP could tell or not.
        (STREAM, b"data: x\n", Some(Error::Ended), Some(Error::Truncated)),
        (CHUNKED, b"9\r\ndata: x\n\n", Some(Error::Ended), Some(Error::Truncated)),
        (STREAM, b"data: x\n\n", Some(reset()), Some(reset())),
        (CHUNKED, b"x", None, Some(Error::Http(sockeye_http1::Error::ChunkSize))),
    ];
    for (head, body, end, failure) in rows {
        let mut wanted = options("http://a.test/s");
        wanted.reconnect = Reconnect::Never;
        let mut rig = Rig::new(wanted);
        rig.connect();
        rig.says(head);
        rig.says(body);
        if let Some(end) = end {
            rig.ends(end);
        }
        let told = rig.take();
        let failed = told.iter().find_map(|told| match told {
            Told::Failed(why) => Some(why.clone()),
            _ => None,
        });
        assert_eq!(failed, failure);
        assert!(rig.is_over(), "{told:?}");
    }
    for why in [Error::Connect(ErrorKind::ConnectionRefused), Error::Ended] {
        let mut wanted = options("http://a.test/s");
        wanted.reconnect = Reconnect::Never;
        let mut rig = Rig::new(wanted);
        rig.ends(why);
        assert!(matches!(rig.take_one(), Told::Failed(_)));
        assert!(rig.is_over());
    }
}

impl Rig {
    /// Whether the end is the end: nothing is wanted, now or later, and nothing comes of anything.
    fn is_over(&mut self) -> bool {
        use sockeye_client::Machine;
        let quiet = self.machine.is_over() && self.wants().is_none() && self.idle_ms().is_none();
        self.ends(Error::HungUp);
        self.pass(1 << 40);
        self.machine.restart();
        quiet
            && self.told.is_empty()
            && self.wants().is_none()
            && self.machine.ready_state() == ReadyState::Closed
    }
}

/// [html:9.2.3-futile] What another attempt could not mend is the end, also for a source that reconnects.
#[test]
fn what_cannot_become_better_is_not_waited_for() {
    let expired = TlsError::Certificate(CertificateError::Expired);
    for error in [Error::NoTls, Error::Tls(TlsError::Name), Error::Tls(expired)] {
        let mut rig = Rig::new(options("https://a.test/s"));
        rig.ends(error.clone());
        assert_eq!(rig.take_one(), Told::Failed(error));
        assert!(rig.is_over());
    }
    let proxy = Error::Proxy(ProxyError::Connect(ErrorKind::ConnectionRefused));
    for error in [Error::Tls(TlsError::NotTls), Error::Tls(TlsError::Alert(40)), proxy] {
        let mut rig = Rig::new(options("https://a.test/s"));
        rig.ends(error.clone());
        assert_eq!(rig.take_one(), Told::Lost(error, 3000));
    }
}

/// [html:9.2.2-close-final] From every state, and whatever comes after.
#[test]
fn close_is_final() {
    let asking = || Rig::new(options("http://a.test/s"));
    let sent = || {
        let mut rig = asking();
        rig.connect();
        rig
    };
    let waiting = || {
        let mut rig = Rig::open();
        rig.ends(Error::Ended);
        rig.take();
        rig
    };
    let refused = || {
        let mut rig = sent();
        rig.says("HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nno");
        rig
    };
    let lost = || {
        let mut rig = Rig::open();
        rig.breaks_unseen();
        rig
    };
    let states: [(&str, Rig); 6] = [
        ("asking", asking()),
        ("sent", sent()),
        ("open", Rig::open()),
        ("waiting", waiting()),
        ("refused", refused()),
        ("lost, which was not told", lost()),
    ];
    for (name, mut rig) in states {
        let has_connection = ["sent", "open", "refused"].contains(&name);
        rig.machine.close();
        rig.machine.close();
        if has_connection {
            rig.says("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: late\n\n");
        }
        assert_eq!(rig.take(), [], "{name}");
        assert!(rig.is_over(), "{name}");
    }
}

/// Events that lie in the input already are not told after close.
#[test]
fn close_drops_what_is_there() {
    use sockeye_client::Machine;
    use sockeye_reactor::Time;

    let mut rig = Rig::open();
    let mut bytes = b"data: one\n\ndata: two\n\n".to_vec();
    let (mut input, mut out) = (&mut bytes[..], Vec::new());
    let mut next = |rig: &mut Rig, input: &mut &mut [u8]| {
        let now = Time::from_millis(1_000_000);
        rig.machine.next(now, input, &mut out, &mut |event| Told::from(event))
    };
    assert_eq!(next(&mut rig, &mut input), Ok(Some(message("one", ""))));
    rig.machine.close();
    assert_eq!(next(&mut rig, &mut input), Ok(None));
    assert!(rig.is_over());
}

#[test]
fn restart_asks_at_once_from_every_state() {
    // While it waits.
    let mut rig = Rig::open();
    rig.says("id: 4\ndata\n\n");
    rig.ends(Error::Ended);
    rig.take();
    rig.machine.restart();
    assert!(rig.connect().contains("Last-Event-ID: 4\r\n"));
    // With its stream open: the old connection goes first, and what is unfinished on it is dropped.
    rig.says(STREAM);
    rig.says("data: unfinished");
    rig.take();
    rig.machine.restart();
    assert_eq!(rig.wants(), None);
    rig.says("\n\ndata: late\n\n");
    assert_eq!(rig.take(), []);
    assert!(rig.connect().contains("Last-Event-ID: 4\r\n"));
    // While the head is awaited.
    rig.machine.restart();
    rig.says("HTTP/1.1 404 Not Found\r\n\r\n");
    assert_eq!(rig.take(), []);
    rig.connect();
    rig.says(STREAM);
    rig.says("data: here\n\n");
    assert_eq!(rig.take()[1..], [message("here", "4")]);
    // After a loss that was told, and before it was waited for.
    rig.ends(Error::Ended);
    rig.machine.restart();
    rig.machine.restart();
    assert!(rig.wants().is_some());
    rig.take();
    // It counts as no failure, so jitter does not come sooner.
    for _ in 0..3 {
        rig.connect();
        rig.machine.restart();
        rig.says("");
    }
    rig.ends(Error::Truncated);
    assert_eq!(rig.take_one(), Told::Lost(Error::Truncated, 3000));
}

/// [html:9.2.3-fail] A busy server's answer is the end as the standard says, or a wait if that is asked for.
#[test]
fn busy_servers() {
    let rows: [(&str, u64); 5] = [
        ("Retry-After: 7\r\n", 7000),
        ("Retry-After: 1\r\n", 3000),
        ("Retry-After: Sat, 21 Nov 2026 20:00:00 GMT\r\n", 3000),
        ("Retry-After: 99999999999999999999\r\n", 3_600_000),
        ("", 3000),
    ];
    for status in [429, 500, 502, 503, 504] {
        for (header, wait) in rows {
            let answer = format!("HTTP/1.1 {status} Busy\r\n{header}Content-Length: 4\r\n\r\nbusy");
            let mut wanted = options("http://a.test/s");
            wanted.policy.on_busy = OnBusy::Reconnect;
            let mut rig = Rig::new(wanted);
            rig.connect();
            rig.says(&answer);
            let told = rig.take_one();
            let Told::Lost(Error::Refused(refusal), waited) = told else { panic!("{told:?}") };
            assert_eq!((refusal.status.code(), refusal.body.as_slice()), (status, &b"busy"[..]));
            assert_eq!(waited, wait);

            let mut rig = Rig::new(options("http://a.test/s"));
            rig.connect();
            rig.says(&answer);
            assert_eq!(rig.take_refusal().status.code(), status);
        }
    }
}

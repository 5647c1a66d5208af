use super::machine::Requests;
use crate::{Deadline, Error, Limits, Machine as _, Time, Url, UsageError};

const START: Time = Time::from_millis(1_000);

fn machine() -> Requests {
    let url = Url::parse("http://hub.example/base/").expect("a URL");
    let headers = vec![("Authorization".to_owned(), "ApiKey k".to_owned())];
    Requests::new(&url, headers, Limits::DEFAULT).expect("good headers")
}

/// A machine whose request is on its way.
fn asked() -> Requests {
    let (mut requests, mut out) = (machine(), Vec::new());
    assert!(requests.peer().is_none(), "there is nothing to ask");
    requests.post("/v1/batch", b"{}", START, &mut out).expect("it is idle");
    assert_eq!(requests.peer().map(|peer| &*peer.host), Some("hub.example"));
    assert!(out.is_empty(), "there is no connection");
    requests.connected(START, &mut out);
    let request = String::from_utf8(out).expect("text");
    assert!(request.starts_with("POST /base/v1/batch HTTP/1.1\r\nHost: hub.example\r\n"));
    assert!(request.contains("Authorization: ApiKey k\r\nContent-Type: application/json\r\n"));
    assert!(request.ends_with("\r\n\r\n{}"));
    requests
}

fn take(requests: &mut Requests, now: Time, input: &str) -> Result<Option<Vec<u8>>, Error> {
    let mut bytes = input.as_bytes().to_vec();
    let mut rest = &mut bytes[..];
    let found = requests.next(now, &mut rest, &mut Vec::new(), &mut |body| body);
    if let Ok(None) = found {
        assert!(rest.is_empty(), "{input}");
    }
    found
}

#[test]
fn one_connection_has_one_answer_after_the_other() {
    let mut requests = asked();
    let again = requests.post("/v1/batch", b"{}", START, &mut Vec::new());
    assert_eq!(again, Err(Error::HungUp), "one at a time");
    let head =
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\nX-A: b\r\n\r\n";
    for input in ["", head, "ab"] {
        assert_eq!(take(&mut requests, START, input), Ok(None));
    }
    assert_eq!(take(&mut requests, START, "c"), Ok(Some(b"abc".to_vec())));
    assert!(requests.is_reusable());
    let mut out = Vec::new();
    requests.post("/v1/tickets", b"[]", START, &mut out).expect("it is idle");
    assert!(out.starts_with(b"POST /base/v1/tickets "), "at once");
}

#[test]
fn a_connection_that_is_not_clean_is_not_used_again() {
    for input in [
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\na",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab",
        "HTTP/1.1 403 Forbidden\r\nContent-Length: 1\r\n\r\na",
    ] {
        let mut requests = asked();
        let body = match take(&mut requests, START, input) {
            Err(Error::Refused(refusal)) if input.contains("403") => refusal.body,
            answer => answer.expect("an answer").expect("all of it"),
        };
        assert_eq!(body, b"a", "{input}");
        assert!(!requests.is_reusable() && requests.peer().is_none(), "{input}");
    }
}

/// The end of the connection ends such a body, and nothing else.
#[test]
fn an_answer_may_go_on_to_the_end_of_the_connection() {
    let head = "HTTP/1.1 200 OK\r\n\r\nabc";
    let mut requests = asked();
    assert_eq!(take(&mut requests, START, head), Ok(None));
    requests.disconnected(START, Error::Ended);
    assert!(requests.peer().is_none(), "no other connection has the rest");
    assert_eq!(take(&mut requests, START, ""), Ok(Some(b"abc".to_vec())));
    let mut requests = asked();
    assert_eq!(take(&mut requests, START, head), Ok(None));
    requests.disconnected(START, Error::Truncated);
    assert_eq!(take(&mut requests, START, ""), Err(Error::Truncated));
}

#[test]
fn a_lost_connection_is_told_once() {
    for (input, why) in
        [("", Error::Ended), ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na", Error::Truncated)]
    {
        let mut requests = asked();
        assert_eq!(take(&mut requests, START, input), Ok(None));
        requests.disconnected(START, Error::Ended);
        assert!(requests.peer().is_none() && !requests.is_over());
        assert_eq!(take(&mut requests, START, ""), Err(why));
        assert!(requests.is_over());
        assert_eq!(take(&mut requests, START, ""), Ok(None));
    }
}

#[test]
fn the_status_of_a_refusal_counts_though_its_body_breaks_off() {
    let mut requests = asked();
    let head = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 9\r\n\r\nto";
    assert_eq!(take(&mut requests, START, head), Ok(None));
    requests.disconnected(START, Error::Ended);
    let Err(Error::Refused(refusal)) = take(&mut requests, START, "") else { panic!("refused") };
    assert_eq!((refusal.status.code(), &*refusal.body), (413, &b"to"[..]));
}

#[test]
fn a_refusal_leaves_room_for_another_request() {
    let mut requests = asked();
    let refused = take(&mut requests, START, "HTTP/1.1 429 Slow\r\nContent-Length: 0\r\n\r\n");
    assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
    assert!(!requests.is_over());
    assert!(requests.peer().is_none(), "nothing is asked now");
    let mut out = Vec::new();
    requests.post("/v1/batch", b"{}", START, &mut out).expect("it is idle");
    assert!(requests.peer().is_some() && out.is_empty(), "another connection");
    requests.connected(START, &mut out);
    assert!(out.starts_with(b"POST /base/v1/batch "));
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    assert_eq!(take(&mut requests, START, answer), Ok(Some(b"ok".to_vec())));
}

#[test]
fn silence_has_a_bound_and_bytes_are_none() {
    let mut requests = asked();
    assert_eq!(requests.deadline(), START + 30_000);
    assert_eq!(take(&mut requests, START + 29_999, "HTTP/1.1 200 "), Ok(None));
    assert_eq!(take(&mut requests, START + 59_998, ""), Ok(None));
    let silent = take(&mut requests, START + 59_999, "");
    assert_eq!(silent, Err(Error::TimedOut(Deadline::Silence)));
    assert!(requests.is_over());
}

#[test]
fn what_cannot_stand_in_a_request_is_refused() {
    let url = Url::parse("http://hub.example").expect("a URL");
    let headers = vec![("A".to_owned(), "b\r\nc".to_owned())];
    let bad = Requests::new(&url, headers, Limits::DEFAULT).map(|_| ());
    assert_eq!(bad, Err(UsageError::Header));
    let bad = machine().post("/a b", b"", START, &mut Vec::new());
    assert_eq!(bad, Err(Error::Usage(UsageError::Url)));
}

//! Where redirects lead, and what goes along.

use sockeye_client::{Error, EventSourceOptions};

use crate::event_source::rig::{Rig, STREAM, Told, options};

fn moved(status: u16, location: &str) -> String {
    format!("HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n")
}

/// A question to a language model.
fn question(method: &str) -> EventSourceOptions {
    let mut wanted = options("http://a.test/v1/chat");
    wanted.method = method.to_owned();
    wanted.body = (method != "GET").then(|| b"question".to_vec());
    for (name, value) in [
        ("Authorization", "Bearer secret"),
        ("Content-Type", "text/plain"),
        ("X-Api-Key", "secret"),
        ("User-Agent", "test"),
    ] {
        wanted.headers.push((name.to_owned(), value.to_owned()));
    }
    wanted
}

/// [fetch:4.4-redirect-method] What each status makes of each method, and of the body and its headers.
#[test]
fn methods_and_bodies() {
    let rows = [
        ("GET", [301, 302, 303, 307, 308].as_slice(), "GET"),
        ("POST", [301, 302, 303].as_slice(), "GET"),
        ("POST", [307, 308].as_slice(), "POST"),
        ("REPORT", [301, 302, 307, 308].as_slice(), "REPORT"),
        ("REPORT", [303].as_slice(), "GET"),
        ("PUT", [303].as_slice(), "GET"),
    ];
    for (method, statuses, then) in rows {
        for &status in statuses {
            let mut rig = Rig::new(question(method));
            rig.connect();
            rig.says(moved(status, "/next"));
            let request = rig.connect();
            let has_body = then != "GET";
            assert!(request.starts_with(&format!("{then} /next HTTP/1.1\r\n")), "{request}");
            assert_eq!(request.ends_with("\r\n\r\nquestion"), has_body, "{method} {status}");
            assert_eq!(request.contains("Content-Length"), has_body, "{method} {status}");
            let keeps_type = then == method;
            assert_eq!(request.contains("Content-Type"), keeps_type, "{method} {status}");
            assert!(request.contains("Authorization") && request.contains("X-Api-Key"));
            // The next attempt is the first request again.
            rig.says(STREAM);
            rig.ends(Error::Ended);
            rig.take();
            rig.wait_out(3000);
            assert!(rig.connect().starts_with(&format!("{method} /v1/chat HTTP/1.1\r\n")));
        }
    }
}

/// [fetch:4.4-redirect-credentials] Another origin is another scheme, host or port; what was left out stays out.
#[test]
fn credentials_stay_with_their_origin() {
    let rows = [
        ("http://a.test:80/x", true),
        ("//A.test/x", true),
        ("http://a.test:81/x", false),
        ("http://b.a.test/x", false),
        ("http://a.test.b.test/x", false),
        ("https://a.test/x", false),
    ];
    for (location, goes_along) in rows {
        let mut rig = Rig::new(question("POST"));
        rig.connect();
        rig.says(moved(307, location));
        let request = rig.connect();
        for secret in ["Authorization: Bearer secret\r\n", "X-Api-Key: secret\r\n"] {
            assert_eq!(request.contains(secret), goes_along, "{location}: {request}");
        }
        assert!(request.contains("User-Agent: test\r\nContent-Length: 8\r\n\r\nquestion"));
        assert!(request.contains("Content-Type: text/plain\r\n"));
        // On the spot, and back home.
        rig.says(moved(307, "on"));
        assert_eq!(rig.connect().contains("secret"), goes_along, "{location} and on");
        rig.says(moved(307, "http://a.test/v1/chat"));
        assert_eq!(rig.connect().contains("secret"), goes_along, "{location} and back");
    }
}

/// What is open is told with the last URL, which is the origin of its events.
#[test]
fn relative_locations_and_the_final_url() {
    let rows = [
        ("next?x=1", "http://a.test/v1/next?x=1"),
        ("../next#part", "http://a.test/next"),
        ("?q", "http://a.test/v1/chat?q"),
        ("//b.test:99", "http://b.test:99/"),
        ("http://b.test/ä", "http://b.test/%C3%A4"),
    ];
    for (location, url) in rows {
        let mut rig = Rig::new(options("http://a.test/v1/chat"));
        rig.connect();
        rig.says(moved(302, location));
        assert_eq!(rig.take(), []);
        rig.connect();
        rig.says(STREAM);
        assert_eq!(rig.take_one(), Told::Open(url.to_owned()));
    }
}

/// A redirect to nowhere is told, and is a failure like a network's: neither a loop nor silence.
#[test]
fn locations_that_lead_nowhere() {
    let rows: [&[u8]; 8] = [
        b"Location:\r\n",
        b"Location: ws://a.test/\r\n",
        b"Location: ftp://a.test/\r\n",
        b"Location: about:blank\r\n",
        b"Location: http://user@b.test/\r\n",
        b"Location: http://b.test:99999/\r\n",
        b"Location: /\xFF\r\n",
        b"Location: /x\r\nLocation: /y\r\n",
    ];
    for line in rows {
        let mut rig = Rig::new(options("http://a.test/s"));
        for wait in [3000, 4000] {
            rig.connect();
            rig.says([b"HTTP/1.1 301 Moved\r\n", line, b"Content-Length: 0\r\n\r\n"].concat());
            assert_eq!(rig.take_one(), Told::Lost(Error::Redirect, wait));
            rig.wait_out(wait);
        }
    }
}

/// [fetch:4.4-redirect-statuses] No location: an answer like any other. The same goes for other statuses with one.
#[test]
fn without_a_location_it_is_no_redirect() {
    for status in [301, 302, 303, 307, 308] {
        let mut rig = Rig::new(options("http://a.test/s"));
        rig.connect();
        rig.says(format!("HTTP/1.1 {status} Moved\r\nContent-Length: 0\r\n\r\n"));
        assert_eq!(rig.take_refusal().status.code(), status);
    }
    for status in [300, 304, 305, 306] {
        let mut rig = Rig::new(options("http://a.test/s"));
        rig.connect();
        rig.says(moved(status, "/x"));
        assert_eq!(rig.take_refusal().header("location"), Some("/x"));
    }
}

/// [fetch:4.4-redirect-limit]
#[test]
fn twenty_redirects_are_followed_and_no_more() {
    let mut rig = Rig::new(options("http://a.test/s"));
    for _ in 0..20 {
        rig.connect();
        rig.says(moved(302, "/s"));
        assert_eq!(rig.take(), []);
    }
    rig.connect();
    rig.says(moved(302, "/s"));
    assert_eq!(rig.take_one(), Told::Lost(Error::Redirects, 3000));
    rig.wait_out(3000);
    // The count begins anew.
    rig.connect();
    rig.says(moved(302, "/s"));
    rig.connect();
    rig.says(STREAM);
    assert!(matches!(rig.take_one(), Told::Open(_)));
}

//! The rules for the fields and the content of messages.

use sockeye_http::{Method, Status};
use sockeye_http2::{EndStream, Malformed};

use crate::common::{GET, POST, Rig, data, get, headers, id, post};

/// The fields of a request behind its pseudo-fields.
fn with<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    GET.iter().chain(more).copied().collect()
}

/// A request with these fields is malformed: only its stream ends, and no event tells of it.
fn is_malformed(fields: &[(&str, &str)]) {
    let mut rig = Rig::server();
    assert!(rig.feed(headers(1, true, fields)).is_empty(), "{fields:?}");
    assert_eq!(rig.said(), ["RST_STREAM 1 PROTOCOL_ERROR"], "{fields:?}");
    assert_eq!(rig.connection.stream_count(), 0);
    assert_eq!(rig.feed(get(3)), ["request 3 end"]);
}

fn is_in_order(fields: &[(&str, &str)]) {
    assert_eq!(Rig::server().feed(headers(1, true, fields)), ["request 1 end"], "{fields:?}");
}

/// [http2:8.2.1-name] [http2:8.1.1-malformed]
#[test]
fn names_are_tokens_in_lower_case() {
    for name in ["Accept", "x-Y", "a b", "a:b", "", "a\u{7f}", "a(", "\u{e9}"] {
        is_malformed(&with(&[(name, "v")]));
    }
    is_in_order(&with(&[("x-y_z.1", "v")]));
}

/// [http2:8.2.1-value]
#[test]
fn values_have_no_control_bytes_and_no_space_at_their_ends() {
    for value in ["a\0", "a\nb", "a\rb", " a", "a ", "\ta", "a\t", " "] {
        is_malformed(&with(&[("x", value)]));
    }
    is_malformed(&[(":method", "GET"), (":scheme", "https"), (":path", "/ "), (":authority", "a")]);
    for value in ["", "a b", "a\tb", "\u{e9}"] {
        is_in_order(&with(&[("x", value)]));
    }
}

/// [http2:8.2.2-connection-specific] [http2:8.2.2-te]
#[test]
fn fields_of_a_connection_are_malformed() {
    for name in ["connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade"] {
        is_malformed(&with(&[(name, "x")]));
    }
    is_malformed(&with(&[("te", "gzip")]));
    is_malformed(&with(&[("te", "trailers, gzip")]));
    is_in_order(&with(&[("te", "trailers")]));
}

/// [http2:8.3-pseudo-fields-first] [http2:8.3-pseudo-fields-once] [http2:8.3-pseudo-fields-known]
#[test]
fn pseudo_fields_come_first_once_and_are_known() {
    is_malformed(&[GET[0], GET[1], ("x", "y"), GET[2], GET[3]]);
    for field in GET {
        is_malformed(&with(&[field]));
    }
    is_malformed(&with(&[(":status", "200")]));
    is_malformed(&with(&[(":unknown", "x")]));
    is_malformed(&with(&[(":", "x")]));
    is_in_order(&[GET[3], GET[2], GET[1], GET[0], ("x", "y")]);
}

/// [http2:8.3.1-pseudo-fields-missing] [http2:8.3.1-path] [http2:8.3.1-asterisk]
#[test]
fn a_request_has_method_scheme_and_path() {
    for missing in [0, 1, 3] {
        let rest: Vec<_> = GET.into_iter().enumerate().filter(|(at, _)| *at != missing).collect();
        is_malformed(&rest.into_iter().map(|(_, field)| field).collect::<Vec<_>>());
    }
    let target = |method, scheme, path| {
        [(":method", method), (":scheme", scheme), (":authority", "a.example"), (":path", path)]
    };
    for path in ["", "x", "*", "https://a.example/"] {
        is_malformed(&target("GET", "https", path));
    }
    for method in ["", "G T", "GET "] {
        is_malformed(&target(method, "https", "/"));
    }
    for scheme in ["", "1http", "ht tp", ":"] {
        is_malformed(&target("GET", scheme, "/"));
    }
    is_in_order(&target("OPTIONS", "https", "*"));
    is_in_order(&target("get", "coap+tcp", "/"));
}

/// [http2:8.3.1-authority] [http2:8.3.1-host]
#[test]
fn the_authority_is_one_and_agrees_with_host() {
    let request = |authority, host| {
        let mut fields = vec![GET[0], GET[1], GET[3]];
        fields.extend([authority].into_iter().flatten().map(|it| (":authority", it)));
        fields.extend([host].into_iter().flatten().map(|it| ("host", it)));
        fields
    };
    for wrong in ["", "user@a.example", "a b", "a/b"] {
        is_malformed(&request(Some(wrong), None));
    }
    let read = |authority, host| {
        let mut rig = Rig::server();
        assert_eq!(rig.feed(headers(1, true, &request(authority, host))), ["request 1 end"]);
        let lines = rig.reader.fields.lines();
        let head = rig.reader.fields.request(&lines);
        head.map(|head| head.authority().unwrap().to_owned())
    };
    assert_eq!(read(Some("a"), None).as_deref(), Ok("a"));
    assert_eq!(read(Some("A:1"), Some("a:1")).as_deref(), Ok("A:1"));
    assert_eq!(read(None, Some("b")).as_deref(), Ok("b"));
    assert_eq!(read(Some("a"), Some("b")), Err(Malformed::Authority));
    assert_eq!(read(None, Some("a b")), Err(Malformed::Authority));
    assert_eq!(read(None, None), Err(Malformed::Target));
}

#[test]
fn targets_of_all_forms() {
    let target = |fields: &[(&str, &str)]| {
        let mut rig = Rig::server();
        assert_eq!(rig.feed(headers(1, true, fields)), ["request 1 end"]);
        let lines = rig.reader.fields.lines();
        let head = rig.reader.fields.request(&lines)?;
        Ok((head.method().as_str().to_owned(), head.path().to_owned()))
    };
    let of = |method: &str, path: &str| Ok((method.to_owned(), path.to_owned()));
    assert_eq!(target(&GET), of("GET", "/"));
    let options = [(":method", "OPTIONS"), GET[1], GET[2], (":path", "*")];
    assert_eq!(target(&options), of("OPTIONS", "*"));
    assert_eq!(target(&[(":method", "CONNECT"), (":authority", "a:443")]), of("CONNECT", ""));
    let ftp = [GET[0], (":scheme", "ftp"), GET[2], GET[3]];
    assert_eq!(target(&ftp), Err(Malformed::Target));
    let fragment = [GET[0], GET[1], GET[2], (":path", "/#x")];
    assert_eq!(target(&fragment), Err(Malformed::Target));
}

/// [http2:8.2.3-cookie-crumbs]
#[test]
fn cookie_crumbs_are_one_cookie() {
    let mut rig = Rig::server();
    rig.feed(headers(1, true, &with(&[("cookie", "a=b"), ("x", "y"), ("cookie", "c=d")])));
    let lines = rig.reader.fields.lines();
    let head = rig.reader.fields.request(&lines).unwrap();
    assert_eq!(head.headers().single("cookie"), Ok(Some("a=b; c=d")));
    assert_eq!(head.headers().len(), 2);
}

/// Nothing of a block is left when the next one begins.
#[test]
fn a_block_begins_without_the_fields_of_another() {
    let mut rig = Rig::server();
    let connect = [(":method", "CONNECT"), (":protocol", "x"), GET[1], GET[2], GET[3]];
    let more = [("x", "y"), ("cookie", "a=b")];
    rig.feed(headers(1, true, &[&connect[..], &more].concat()));
    assert_eq!(rig.reader.fields.lines().len(), 2);
    rig.feed(get(3));
    assert_eq!(rig.reader.fields.lines().len(), 0);
    assert_eq!(rig.reader.fields.protocol(), None);
}

/// [http2:8.1.1-content-length]
#[test]
fn content_is_as_long_as_content_length_says() {
    let sized = |end, length| {
        let fields: Vec<_> = POST.into_iter().chain([("content-length", length)]).collect();
        headers(1, end, &fields)
    };
    for wrong in ["", "x", "-1", "+1", "1 2", "99999999999999999999"] {
        let mut rig = Rig::server();
        assert!(rig.feed(sized(false, wrong)).is_empty(), "{wrong}");
        assert_eq!(rig.said(), ["RST_STREAM 1 PROTOCOL_ERROR"]);
    }
    is_malformed(&with(&[("content-length", "0"), ("content-length", "0")]));
    is_malformed(&with(&[("content-length", "1")]));
    assert_eq!(Rig::server().feed(sized(true, "0")), ["request 1 end"]);
    let five = |frames: Vec<Vec<u8>>| {
        let mut rig = Rig::server();
        let mut told = rig.feed([sized(false, "5"), frames.concat()].concat());
        told.split_off(1)
    };
    let exact = five(vec![data(1, false, b"abc"), data(1, true, b"de")]);
    assert_eq!(exact, ["data 1 3", "data 1 2 end"]);
    let exact = five(vec![data(1, false, b"abcde"), data(1, true, b"")]);
    assert_eq!(exact, ["data 1 5", "data 1 0 end"]);
    assert_eq!(five(vec![data(1, true, b"abcd")]), ["fault 1 PROTOCOL_ERROR"]);
    assert_eq!(five(vec![data(1, false, b"abcdef")]), ["fault 1 PROTOCOL_ERROR"]);
    let trailers = headers(1, true, &[("x", "y")]);
    assert_eq!(five(vec![trailers.clone()]), ["fault 1 PROTOCOL_ERROR"]);
    assert_eq!(five(vec![data(1, false, b"abcde"), trailers])[1], "trailers 1");
}

/// [http2:8.1-trailers-end]
#[test]
fn trailers_end_the_stream_and_have_no_pseudo_fields() {
    let trailers = |end, fields: &[(&str, &str)]| {
        let mut rig = Rig::server();
        rig.feed(post(1));
        rig.feed(headers(1, end, fields))
    };
    assert_eq!(trailers(true, &[("x", "y")]), ["trailers 1"]);
    assert_eq!(trailers(false, &[("x", "y")]), ["fault 1 PROTOCOL_ERROR"]);
    assert_eq!(trailers(true, &[(":path", "/")]), ["fault 1 PROTOCOL_ERROR"]);
    assert_eq!(trailers(true, &[("X", "y")]), ["fault 1 PROTOCOL_ERROR"]);
}

/// A client behind a request.
fn asking(method: Method<'static>) -> Rig {
    let mut rig = Rig::client();
    let line = sockeye_http2::RequestLine {
        method,
        scheme: "https",
        authority: "a.example",
        path: "/",
        protocol: (method == Method::CONNECT).then_some("websocket"),
    };
    let fields = sockeye_http2::FieldBlock::new();
    rig.connection.request(&line, &fields, EndStream::No, &mut rig.out).unwrap();
    rig.said();
    rig
}

/// [http2:8.3.2-status] [http2:8.6-no-101]
#[test]
fn a_response_has_one_status() {
    for fields in [
        &[][..],
        &[(":status", "101")],
        &[(":status", "99")],
        &[(":status", "600")],
        &[(":status", "20")],
        &[(":status", "2000")],
        &[(":status", "2x0")],
        &[(":status", "200"), (":status", "200")],
        &[("x", "y"), (":status", "200")],
        &[(":status", "200"), (":path", "/")],
    ] {
        let mut rig = asking(Method::GET);
        assert_eq!(rig.feed(headers(1, false, fields)), ["fault 1 PROTOCOL_ERROR"], "{fields:?}");
        assert_eq!(rig.said(), ["RST_STREAM 1 PROTOCOL_ERROR"]);
    }
    let mut rig = asking(Method::GET);
    assert_eq!(rig.feed(headers(1, true, &[(":status", "200")])), ["response 1 200 end"]);
    assert_eq!(rig.reader.fields.status(), Some(Status::OK));
}

/// [http2:8.1-interim-does-not-end] [http2:8.1-head-first]
#[test]
fn interim_responses_come_before_the_head() {
    let mut rig = asking(Method::GET);
    let hints =
        [headers(1, false, &[(":status", "103")]), headers(1, false, &[(":status", "100")])];
    assert_eq!(rig.feed(hints.concat()), ["interim 1 103", "interim 1 100"]);
    assert_eq!(rig.feed(headers(1, false, &[(":status", "200")])), ["response 1 200"]);
    assert_eq!(rig.feed(headers(1, true, &[("x", "y")])), ["trailers 1"]);
    let mut rig = asking(Method::GET);
    assert_eq!(rig.feed(headers(1, true, &[(":status", "103")])), ["fault 1 PROTOCOL_ERROR"]);
    let mut rig = asking(Method::GET);
    assert_eq!(rig.feed(data(1, true, b"x")), ["fault 1 PROTOCOL_ERROR"]);
}

/// [http2:8.1.1-no-content]
#[test]
fn answers_to_head_and_some_statuses_have_no_content() {
    let length = ("content-length", "5");
    for (method, status) in [(Method::HEAD, "200"), (Method::GET, "204"), (Method::GET, "304")] {
        let head = |end| headers(1, end, &[(":status", status), length]);
        assert_eq!(asking(method).feed(head(true)).len(), 1, "{status}");
        let mut rig = asking(method);
        rig.feed(head(false));
        assert_eq!(rig.feed(data(1, true, b"")), ["data 1 0 end"]);
        let mut rig = asking(method);
        rig.feed(head(false));
        assert_eq!(rig.feed(data(1, true, b"abcde")), ["fault 1 PROTOCOL_ERROR"]);
    }
    let mut rig = asking(Method::GET);
    assert_eq!(
        rig.feed(headers(1, true, &[(":status", "200"), length])),
        ["fault 1 PROTOCOL_ERROR"]
    );
}

/// [http2:8.5-connect] [http2:8441.4-connect-target] [http2:8441.4-protocol-with-connect-only]
#[test]
fn connect_with_and_without_protocol() {
    let connect = (":method", "CONNECT");
    let protocol = (":protocol", "websocket");
    let [_, scheme, authority, path] = GET;
    is_in_order(&[connect, authority]);
    is_in_order(&[connect, protocol, scheme, authority, path]);
    is_malformed(&[connect, scheme, authority, path]);
    is_malformed(&[connect, path, authority]);
    is_malformed(&[connect]);
    for missing in
        [[protocol, scheme, authority], [protocol, scheme, path], [protocol, authority, path]]
    {
        is_malformed(&[&[connect][..], &missing].concat());
    }
    is_malformed(&[connect, protocol, scheme, authority, (":path", "*")]);
    is_malformed(&with(&[]).into_iter().chain([protocol]).collect::<Vec<_>>());
    is_malformed(&[connect, (":protocol", ""), scheme, authority, path]);
    let mut rig = Rig::server();
    rig.feed(headers(1, false, &[connect, protocol, scheme, authority, path]));
    assert_eq!(rig.reader.fields.protocol(), Some("websocket"));
    let lines = rig.reader.fields.lines();
    let head = rig.reader.fields.request(&lines).unwrap();
    assert_eq!((head.method(), head.path(), lines.len()), (Method::CONNECT, "/", 0));
}

/// [http2:8441.3-not-announced]
#[test]
fn protocol_needs_an_announcement() {
    let refused = sockeye_http2::Config {
        connect_protocol: sockeye_http2::ConnectProtocol::Refused,
        ..sockeye_http2::Config::default()
    };
    let mut rig = Rig::fresh_server(&std::sync::Arc::new(refused));
    let mut bytes = sockeye_http2::PREFACE.to_vec();
    bytes.extend(crate::common::settings(&[]));
    rig.feed(bytes);
    rig.said();
    let fields = [(":method", "CONNECT"), (":protocol", "websocket"), GET[1], GET[2], GET[3]];
    assert!(rig.feed(headers(1, false, &fields)).is_empty());
    assert_eq!(rig.said(), ["RST_STREAM 1 PROTOCOL_ERROR"]);
}

/// [http2:8441.3-client-waits] [http2:8441.4-client-target]
#[test]
fn a_client_uses_protocol_when_it_was_announced() {
    let line = sockeye_http2::RequestLine {
        method: Method::CONNECT,
        scheme: "https",
        authority: "a.example",
        path: "/chat",
        protocol: Some("websocket"),
    };
    let fields = sockeye_http2::FieldBlock::new();
    let mut rig = Rig::fresh_client(&crate::common::config(|_| {}));
    rig.feed(crate::common::settings(&[]));
    let early = rig.connection.request(&line, &fields, EndStream::No, &mut rig.out);
    assert_eq!(early, Err(sockeye_http2::UsageError::ConnectProtocol));
    let mut rig = Rig::client();
    let stream = rig.connection.request(&line, &fields, EndStream::No, &mut rig.out).unwrap();
    let mut server = Rig::server();
    assert_eq!(server.feed(std::mem::take(&mut rig.out)), ["request 1"]);
    assert_eq!(server.reader.fields.protocol(), Some("websocket"));
    assert_eq!(stream, id(1));
    assert_eq!(asking(Method::CONNECT).connection.stream_count(), 1);
}

/// [http2:8.5-connect-data-only]
#[test]
fn a_tunnel_carries_content_only() {
    let mut rig = asking(Method::CONNECT);
    let head = [(":status", "200"), ("content-length", "1")];
    assert_eq!(rig.feed(headers(1, false, &head)), ["response 1 200"]);
    assert_eq!(rig.feed(data(1, false, b"abc")), ["data 1 3"]);
    assert_eq!(rig.feed(headers(1, true, &[("x", "y")])), ["fault 1 PROTOCOL_ERROR"]);
    // A refused CONNECT is an ordinary response.
    let mut rig = asking(Method::CONNECT);
    rig.feed(headers(1, false, &[(":status", "403")]));
    assert_eq!(rig.feed(headers(1, true, &[("x", "y")])), ["trailers 1"]);
    let mut server = Rig::server();
    server.feed(headers(1, false, &[(":method", "CONNECT"), (":authority", "a:443")]));
    assert_eq!(server.feed(data(1, false, b"abc")), ["data 1 3"]);
    assert_eq!(server.feed(headers(1, true, &[("x", "y")])), ["fault 1 PROTOCOL_ERROR"]);
}

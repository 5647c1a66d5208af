//! What `sockeye subscribe` does about a server that sends it away.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::process::{Output, Stdio};

use crate::command_line::foreign::{head, serve};
use crate::command_line::program::{client, complaint, json_lines, text};

/// A server that is a script: it answers the first connection with this goodbye, and the second one with
/// a message. Gives how many came.
fn subscribe(code: u16, reason: &str) -> (Output, usize) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let goaway = format!(
        "event: $goaway\ndata: {{\"code\":{code},\"reason\":\"{reason}\",\"retry_ms\":5}}\n\n"
    );
    let message = "event: message\nid: 1a-1\n\
                   data: {\"channel\":\"c\",\"cursor\":\"1a-1\",\"time\":1,\"data\":\"late\"}\n\n";
    let mut command =
        client(&["subscribe", "--transport", "sse", "--json", "--count", "1", "--url", &url, "c"]);
    let child = std::thread::spawn(move || command.output().expect("it starts"));
    let mut came = 0;
    for events in [&*goaway, message] {
        let (stream, _) = loop {
            listener.set_nonblocking(true).expect("a socket");
            match listener.accept() {
                Ok(accepted) => break accepted,
                // It is over: nobody comes any more.
                Err(_) if child.is_finished() => return (child.join().expect("it ended"), came),
                Err(_) => std::thread::sleep(std::time::Duration::from_millis(2)),
            }
        };
        came += 1;
        stream.set_nonblocking(false).expect("a socket");
        let mut stream = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(stream.read_line(&mut head).expect("a request") > 0);
        }
        let answer = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nid: 1a-0\n\n";
        let answer = format!("{answer}{events}");
        stream.get_mut().write_all(answer.as_bytes()).expect("it reads");
    }
    (child.join().expect("it ended"), came)
}

#[test]
fn whoever_comes_too_often_waits_and_comes_back() {
    for (code, reason) in [
        (4100, "overloaded"),
        (4101, "rate_limited"),
        (4102, "too_many_connections"),
        (4150, "new"),
    ] {
        let (output, came) = subscribe(code, reason);
        assert_eq!((output.status.code(), came), (Some(0), 2), "{code}: {output:?}");
        let lines = json_lines(text(&output.stdout));
        assert_eq!(lines.last().expect("a line")["data"], "late");
        let told = text(&output.stderr);
        let wanted = format!("the server ended the stream: {reason} ({code}); again in ");
        assert!(told.contains(&wanted), "{told}");
    }
}

#[test]
fn whoever_is_sent_away_for_good_stays_away() {
    for (code, reason, hint) in [
        (4003, "removed", ""),
        (4002, "forbidden", ""),
        (4300, "unauthenticated", "; other credentials are needed"),
        (4303, "revoked", "; other credentials are needed"),
    ] {
        let (output, came) = subscribe(code, reason);
        assert_eq!(came, 1, "{code}: {output:?}");
        let wanted = format!("the server ended the stream: {reason} ({code}){hint}");
        assert!(complaint(&output).ends_with(&wanted), "{output:?}");
        assert_eq!(text(&output.stdout), "");
    }
}

#[test]
fn a_long_wait_is_told_in_words() {
    let addr = serve(|stream| {
        let mut stream = BufReader::new(stream);
        head(&mut stream);
        let said = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nevent: $goaway\n\
                    data: {\"code\":4100,\"reason\":\"overloaded\",\"retry_ms\":3600000}\n\n";
        let _ = stream.get_mut().write_all(said.as_bytes());
    });
    let url = format!("http://{addr}");
    let mut command = client(&["subscribe", "--transport", "sse", "--url", &url, "c"]);
    let mut child = command.stderr(Stdio::piped()).spawn().expect("it starts");
    let mut said = String::new();
    let mut stderr = BufReader::new(child.stderr.take().expect("piped"));
    stderr.read_line(&mut said).expect("text");
    child.kill().and_then(|()| child.wait()).expect("our child");
    assert_eq!(said, "sockeye: the server ended the stream: overloaded (4100); again in 60 min\n");
}

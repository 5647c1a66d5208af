//! A source that loses its connection in the middle, finds its place again, and is told when it is over.
//!
//! The server stands in this file, so that the example needs no network and ends by itself.
//! `cargo run -p sockeye-client --example event_source [URL]` reads ten events of a server of yours.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};

use sockeye_client::{Error, EventSource, OwnedSourceEvent};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    if let Some(url) = std::env::args().nth(1) {
        return read(&url, 10);
    }
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}/news", listener.local_addr()?);
    let server = std::thread::spawn(move || serve(&listener));

    read(&url, usize::MAX)?;
    server.join().expect("the server does not panic")?;
    Ok(())
}

/// Prints what comes, until the server is over or so many events have come.
fn read(url: &str, count: usize) -> Result<(), Box<dyn std::error::Error>> {
    let mut seen = 0;
    for event in EventSource::connect(url)? {
        match event {
            Ok(OwnedSourceEvent::Open(opened)) => println!("open: {}", opened.url),
            Ok(OwnedSourceEvent::Message(message)) => {
                println!("{} {}: {}", message.last_event_id, message.event_type, message.data);
                seen += 1;
                if seen == count {
                    break;
                }
            }
            Ok(OwnedSourceEvent::Retry(ms)) => {
                println!("the server wants {ms} ms between two tries");
            }
            Ok(OwnedSourceEvent::Comment(_)) => {}
            Ok(OwnedSourceEvent::Lost { why, wait_ms }) => {
                println!("lost: {why}; again in {wait_ms} ms");
            }
            // No Content: the server wants nobody to come back.
            Err(Error::Refused(refusal)) if refusal.status.code() == 204 => println!("over"),
            Err(why) => return Err(why.into()),
        }
    }
    Ok(())
}

/// Sends two events and cuts the third; sends it to whoever comes back for it; then has no more.
fn serve(listener: &TcpListener) -> std::io::Result<()> {
    const STREAM: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
    loop {
        let (mut client, _) = listener.accept()?;
        match last_event_id(&client)?.as_deref() {
            None => write!(
                client,
                "{STREAM}retry: 100\n\nid: 1\ndata: one\n\nid: 2\ndata: two\n\nid: 3\ndata: th"
            )?,
            Some("2") => write!(client, "{STREAM}id: 3\nevent: last\ndata: three\n\n")?,
            Some(_) => return write!(client, "HTTP/1.1 204 No Content\r\n\r\n"),
        }
    }
}

/// Reads a request; gives the place that its sender has come to.
fn last_event_id(client: &TcpStream) -> std::io::Result<Option<String>> {
    let mut id = None;
    for line in BufReader::new(client).lines() {
        let line = line?;
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("Last-Event-ID: ") {
            id = Some(value.to_owned());
        }
    }
    Ok(id)
}

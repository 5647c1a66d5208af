//! An event source under tokio: the client's state machine, with tokio's sockets and tokio's clock.
//!
//! Nothing of mio runs here, and no thread is started. [`Machine`] says what it wants: a connection, bytes, a call
//! at a time. The server, in this program too, cuts its stream in the middle of an event and once says nothing;
//! the source comes back each time from where it was, until a 204 says that it is over.
//!
//! `cargo run -p sockeye-examples --example tokio_events`

use std::io;
use std::time::Duration;

use sockeye_client::sans_io::{EventSource, SourceEvent};
use sockeye_client::{Entropy, Error, EventSourceOptions, Limits, Machine, Peer, Time};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep_until, timeout};

type Failure = Box<dyn std::error::Error>;

/// Longer than this a step never takes; nothing is measured by it.
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/river", listener.local_addr()?);
    let server = tokio::spawn(serve(listener));

    let mut options = EventSourceOptions::new(&url)?;
    options.silence_ms = Some(300);
    let machine = EventSource::new(options, Limits::DEFAULT, Entropy::system()?)?;
    let (mut events, mut losses) = (Vec::new(), Vec::new());
    let end = timeout(
        PATIENCE,
        drive(machine, |event| match event {
            SourceEvent::Message(message) => {
                println!("{} {}: {}", message.last_event_id, message.event_type, message.data);
                events.push(message.data.to_owned());
            }
            SourceEvent::Lost { why, wait_ms } => {
                println!("lost: {why}; again in {wait_ms} ms");
                losses.push(why);
            }
            _ => {}
        }),
    )
    .await?;

    assert_eq!(events, ["smolt", "ocean", "鮭", "redd"]);
    assert_eq!(losses.len(), 2, "{losses:?}");
    let Err(Error::Refused(refusal)) = end else { return Err("it should end by a 204".into()) };
    assert_eq!(refusal.status.code(), 204);
    server.await??;
    Ok(())
}

/// Runs a machine until it is over: all that an executor needs for any of the clients.
async fn drive<M: Machine>(
    mut machine: M,
    mut take: impl FnMut(M::Event<'_>),
) -> Result<(), Error> {
    let start = Instant::now();
    let now = || Time::from_millis(u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX));
    let mut stream: Option<TcpStream> = None;
    let (mut input, mut out) = (vec![0; 16 * 1024], Vec::new());
    loop {
        match (&stream, machine.peer()) {
            (Some(_), None) => {
                stream = None;
                machine.disconnected(now(), Error::HungUp);
            }
            (None, Some(peer)) => match connect(peer).await {
                Ok(connected) => {
                    stream = Some(connected);
                    // Unsent output of another connection is not for this one.
                    out.clear();
                    machine.connected(now(), &mut out);
                }
                Err(error) => machine.disconnected(now(), Error::Connect(error.kind())),
            },
            _ => {}
        }
        while let Some(()) = machine.next(now(), &mut &mut [][..], &mut out, &mut take)? {}
        if machine.is_over() {
            return Ok(());
        }
        // By what it was told it may want another connection, or none.
        if machine.peer().is_some() != stream.is_some() {
            continue;
        }
        let until = wait(start, machine.deadline());
        let Some(connection) = &mut stream else {
            until.await;
            continue;
        };
        let came = tokio::select! {
            came = exchange(connection, &mut out, &mut input) => came,
            () = until => continue,
        };
        // The end is told when all that came before it was taken.
        let why = match came {
            Ok(0) => Error::Ended,
            Err(error) => Error::Transport(error.kind()),
            Ok(len) => {
                let mut bytes = &mut input[..len];
                while let Some(()) = machine.next(now(), &mut bytes, &mut out, &mut take)? {}
                continue;
            }
        };
        stream = None;
        machine.disconnected(now(), why);
    }
}

async fn connect(peer: &Peer) -> io::Result<TcpStream> {
    timeout(PATIENCE, TcpStream::connect((peer.host.as_str(), peer.port))).await?
}

/// Sends what is to be sent, and then reads what comes; 0 is the end. Where it is given up half way, nothing is lost.
async fn exchange(
    stream: &mut TcpStream,
    out: &mut Vec<u8>,
    input: &mut [u8],
) -> io::Result<usize> {
    while !out.is_empty() {
        let sent = stream.write(out).await?;
        out.drain(..sent);
    }
    stream.read(input).await
}

/// Waits until a time of the machine's, if there is one.
async fn wait(start: Instant, until: Time) {
    if until == Time::NEVER {
        std::future::pending::<()>().await;
    }
    sleep_until(start + Duration::from_millis(until.as_millis())).await;
}

/// Cuts the first stream inside its third event, falls silent in the second, and has no third one.
async fn serve(listener: TcpListener) -> io::Result<()> {
    const STREAM: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nretry: 50\n\n";
    loop {
        let (mut client, _) = listener.accept().await?;
        let id = last_event_id(&mut client).await?;
        let answer = match id.as_deref() {
            None => format!("{STREAM}id: 1\ndata: smolt\n\nid: 2\ndata: ocean\n\nid: 3\ndata: oc"),
            Some("2") => format!("{STREAM}id: 3\ndata: 鮭\n\nid: 4\nevent: last\ndata: redd\n\n"),
            Some(_) => "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
        };
        client.write_all(answer.as_bytes()).await?;
        match id.as_deref() {
            None => {}
            // Until the client has enough of the silence.
            Some("2") => drop(client.read(&mut [0]).await),
            Some(_) => return Ok(()),
        }
    }
}

/// Reads a request; gives the place that its sender has come to.
async fn last_event_id(client: &mut TcpStream) -> io::Result<Option<String>> {
    let (mut id, mut lines) = (None, BufReader::new(client).lines());
    while let Some(line) = lines.next_line().await?.filter(|line| !line.is_empty()) {
        if let Some(value) = line.strip_prefix("Last-Event-ID: ") {
            id = Some(value.to_owned());
        }
    }
    Ok(id)
}

//! Streams a language model's answer: a question over POST, tokens as they come, an end that is an end.
//!
//! The model stands in this file, so that the example needs no network and ends by itself. It speaks as the
//! usual interfaces do: JSON in each event, a comment now and then while it thinks, `[DONE]` at last. Its bytes are cut
//! without regard to characters, as networks do.
//!
//! `cargo run -p sockeye-client --example llm [URL]` asks a model of yours, with the key in `API_KEY` if it wants one.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use sockeye_client::sans_io::SourceEvent;
use sockeye_client::{Error, EventSource, EventSourceOptions, Network, Reconnect};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    if let Some(url) = std::env::args().nth(1) {
        ask(&url, std::env::var("API_KEY").ok().as_deref(), "What did the poet order?")?;
        return Ok(());
    }
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}/v1/chat/completions", listener.local_addr()?);
    let model = std::thread::spawn(move || serve(&listener));

    let answer = ask(&url, Some("secret"), "What did the poet order?")?;
    assert_eq!(answer, "Un café crème 🥐, s’il vous plaît.");

    // What a server has against a question is told with its answer.
    match ask(&url, Some("guessed"), "And who paid?") {
        Err(Error::Refused(refusal)) => {
            println!("{}: {}", refusal.status.code(), String::from_utf8_lossy(&refusal.body));
        }
        other => panic!("a wrong key was taken: {other:?}"),
    }
    model.join().expect("the model does not panic")?;
    Ok(())
}

/// Asks, prints the answer while it comes, and gives all of it.
fn ask(url: &str, key: Option<&str>, question: &str) -> Result<String, Error> {
    let mut options = EventSourceOptions::new(url)?;
    options.method = "POST".to_owned();
    let key = key.map(|key| ("Authorization".to_owned(), format!("Bearer {key}")));
    options.headers.extend(key);
    options.headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
    options.body = Some(format!(r#"{{"stream":true,"prompt":"{question}"}}"#).into_bytes());
    // Asking again would be another question, and another bill.
    options.reconnect = Reconnect::Never;
    // A model may think, but its server sends a comment from time to time.
    options.silence_ms = Some(60_000);

    let mut answer = String::new();
    let mut source = EventSource::with(options, Network::default())?;
    // Lent, not owned: a token costs no allocation.
    while source
        .next_with(|event| match event {
            SourceEvent::Message(message) if message.data != "[DONE]" => {
                let token = token(message.data);
                print!("{token}");
                answer.push_str(token);
            }
            _ => {}
        })?
        .is_some()
    {
        // Piece by piece, as it is typed.
        let _ = std::io::stdout().flush();
    }
    println!();
    Ok(answer)
}

/// The text in `{"delta":"…"}`, and anything else as it is. A program of yours would use a JSON parser.
fn token(json: &str) -> &str {
    json.strip_prefix(r#"{"delta":""#).and_then(|rest| rest.strip_suffix(r#""}"#)).unwrap_or(json)
}

/// Answers one question for each connection; the second has a wrong key.
fn serve(listener: &TcpListener) -> std::io::Result<()> {
    let tokens = ["Un", " caf", "é", " cr", "è", "me", " 🥐", ", s’il", " vous", " plaît", "."];
    let mut stream: String =
        tokens.iter().map(|token| format!("data: {{\"delta\":\"{token}\"}}\n\n")).collect();
    stream.insert_str(0, ": PROCESSING\n\n");
    stream.push_str("data: [DONE]\n\n");
    for _ in 0..2 {
        let (mut client, _) = listener.accept()?;
        client.set_nodelay(true)?;
        if !read_question(&client)? {
            let error = r#"{"error":"wrong key"}"#;
            let length = error.len();
            write!(client, "HTTP/1.1 401 Unauthorized\r\nContent-Length: {length}\r\n\r\n{error}")?;
            continue;
        }
        write!(client, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n")?;
        write!(client, "Transfer-Encoding: chunked\r\n\r\n")?;
        // Seven bytes at a time: cut in the middle of characters, lines and events.
        for piece in stream.as_bytes().chunks(7) {
            write!(client, "{:x}\r\n", piece.len())?;
            client.write_all(piece)?;
            client.write_all(b"\r\n")?;
            std::thread::sleep(Duration::from_millis(3));
        }
        client.write_all(b"0\r\n\r\n")?;
    }
    Ok(())
}

/// Reads a request to its end; says whether its key is the right one.
fn read_question(client: &std::net::TcpStream) -> std::io::Result<bool> {
    let mut reader = BufReader::new(client);
    let (mut length, mut is_known) = (0, false);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim_end().split_once(": ") {
            Some(("Content-Length", value)) => length = value.parse().unwrap_or(0),
            Some(("Authorization", value)) => is_known = value == "Bearer secret",
            Some(_) => {}
            None if line.starts_with("POST ") => {}
            None => break,
        }
    }
    std::io::copy(&mut reader.take(length), &mut std::io::sink())?;
    Ok(is_known)
}

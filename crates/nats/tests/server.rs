//! A stand-in for a server with JetStream: a thread of this process that answers requests as a test tells it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// The first line of a server.
const INFO: &str = r#"INFO {"server_id":"A","version":"2.9.10","go":"","host":"","port":1,"proto":1,"max_payload":1048576,"headers":true}"#;

/// Answers a request, by its subject and content. `None` is no answer.
type Answer = dyn Fn(&str, &str) -> Option<String> + Send + Sync;

/// A server of a test.
pub(crate) struct Server {
    pub(crate) port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(crate) fn start(
        answer: impl Fn(&str, &str) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let server = Self { port, asked: Arc::default() };
        let (answer, asked): (Arc<Answer>, _) = (Arc::new(answer), Arc::clone(&server.asked));
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (answer, asked) = (Arc::clone(&answer), Arc::clone(&asked));
                thread::spawn(move || serve(client, &*answer, &asked));
            }
        });
        server
    }

    /// The subjects of the requests that came, as far as they begin with `begin`.
    pub(crate) fn asked(&self, begin: &str) -> Vec<String> {
        let asked = self.asked.lock().expect("no thread has panicked");
        asked.iter().filter(|subject| subject.starts_with(begin)).cloned().collect()
    }
}

/// Speaks with a client until it closes the connection.
fn serve(client: TcpStream, answer: &Answer, asked: &Mutex<Vec<String>>) -> Option<()> {
    let (mut lines, mut client) = (BufReader::new(client.try_clone().ok()?), client);
    client.write_all(format!("{INFO}\r\n").as_bytes()).ok()?;
    // Subjects of answers, and the numbers of their subscriptions.
    let mut inboxes: Vec<(String, String)> = Vec::new();
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        match *words {
            ["PING"] => client.write_all(b"PONG\r\n").ok()?,
            ["SUB", subject, .., number] => inboxes.push((subject.into(), number.into())),
            ["PUB" | "HPUB", subject, .., bytes] => {
                let mut content = vec![0; bytes.parse::<usize>().ok()? + 2];
                lines.read_exact(&mut content).ok()?;
                asked.lock().expect("no thread has panicked").push(subject.into());
                let content = String::from_utf8_lossy(&content);
                let Some(text) = answer(subject, content.trim_end()) else { continue };
                // The subject of the answer stands behind that of the request.
                let reply = words[2];
                let is_of = |(inbox, _): &&(String, String)| match inbox.strip_suffix('*') {
                    Some(begin) => reply.starts_with(begin),
                    None => reply == inbox,
                };
                let (_, number) = inboxes.iter().rev().find(is_of)?;
                let frame = format!("MSG {reply} {number} {}\r\n{text}\r\n", text.len());
                client.write_all(frame.as_bytes()).ok()?;
            }
            _ => {}
        }
    }
}

/// The answer that is an error of JetStream.
pub(crate) fn error(status: u16, code: u64, description: &str) -> String {
    format!(
        r#"{{"type":"","error":{{"code":{status},"err_code":{code},"description":"{description}"}}}}"#
    )
}

/// The description of an empty stream with a configuration, which was created at a time.
pub(crate) fn stream(config: &str, created: &str) -> String {
    let never = "0001-01-01T00:00:00Z";
    format!(
        r#"{{"type":"","config":{config},"created":"{created}","state":{{"messages":0,"bytes":0,"first_seq":0,
        "first_ts":"{never}","last_seq":0,"last_ts":"{never}","consumer_count":0}}}}"#
    )
    .replace('\n', " ")
}

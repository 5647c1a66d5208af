//! A client of NATS that shares no code with the engine: some lines of the protocol on a socket.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// How long an answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// A connection.
pub(crate) struct Foreign {
    socket: BufReader<TcpStream>,
    requests: u64,
    /// The first line of the server.
    info: String,
    /// Where its answers come: at a subject of its own, since all connections of a user see each other's.
    inbox: String,
}

/// A message that has arrived: its subject, where its answer would go, and its bytes.
struct Message {
    subject: String,
    reply: String,
    bytes: Vec<u8>,
}

impl Foreign {
    /// Connects; `login` has more members of `CONNECT`. `None` if nobody lets it in.
    pub(crate) fn connect(port: u16, login: &str) -> Option<Self> {
        let socket = TcpStream::connect(("127.0.0.1", port)).ok()?;
        socket.set_read_timeout(Some(ANSWER_MAX)).ok()?;
        let inbox = format!("_I.{}", socket.local_addr().ok()?.port());
        let socket = BufReader::new(socket);
        let mut client = Self { socket, requests: 0, info: String::new(), inbox };
        client.info = client.line().filter(|line| line.starts_with("INFO "))?;
        client.send(&format!(
            "CONNECT {{\"verbose\":false,\"headers\":true,\"no_responders\":true{login}}}\r\nSUB {}.* 1\r\nPING\r\n",
            client.inbox
        ))?;
        client.line().filter(|line| line == "PONG")?;
        Some(client)
    }

    /// The version of the server.
    pub(crate) fn version(&self) -> &str {
        let behind = self.info.split("\"version\":\"").nth(1).and_then(|it| it.split('"').next());
        behind.expect("a server tells its version")
    }

    /// The bytes that answer a request, as text, none if nobody takes it; `None` if nobody answers.
    pub(crate) fn ask(&mut self, subject: &str, payload: &str) -> Option<String> {
        self.requests += 1;
        let (length, inbox) = (payload.len(), format!("{}.{}", self.inbox, self.requests));
        self.send(&format!("PUB {subject} {inbox} {length}\r\n{payload}\r\n"))?;
        loop {
            // The answer to an earlier request may be late.
            let answer = self.message()?;
            if answer.subject == inbox {
                return Some(String::from_utf8_lossy(&answer.bytes).into_owned());
            }
        }
    }

    /// The sequences and entries of a stream.
    pub(crate) fn entries(&mut self, stream: &str) -> Vec<(u64, String)> {
        self.try_entries(stream).expect("the stream can be read")
    }

    /// The same; `None` if the server does not give them now.
    pub(crate) fn try_entries(&mut self, stream: &str) -> Option<Vec<(u64, String)>> {
        let info = self.ask(&format!("$JS.API.STREAM.INFO.{stream}"), "")?;
        let count = member(&info, "messages")?;
        if count == 0 {
            return Some(Vec::new());
        }
        let config = "{\"deliver_policy\":\"all\",\"ack_policy\":\"none\",\"replay_policy\":\"instant\",\
                      \"num_replicas\":1,\"mem_storage\":true,\"inactive_threshold\":60000000000}";
        let wanted = format!("{{\"stream_name\":\"{stream}\",\"config\":{config}}}");
        let made = self.ask(&format!("$JS.API.CONSUMER.CREATE.{stream}"), &wanted)?;
        let name = made.split("\"name\":\"").nth(1).and_then(|it| it.split('"').next())?;
        let wanted = format!("{{\"batch\":{count},\"no_wait\":true}}");
        let (length, subject) =
            (wanted.len(), format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{name}"));
        self.send(&format!("PUB {subject} {}.0 {length}\r\n{wanted}\r\n", self.inbox))?;
        let mut entries = Vec::new();
        while (entries.len() as u64) < count {
            let message = self.message()?;
            let mut words = message.reply.split('.');
            if words.next() == Some("$JS") {
                let sequence = words.nth(4)?.parse().ok()?;
                entries.push((sequence, String::from_utf8_lossy(&message.bytes).into_owned()));
            }
        }
        Some(entries)
    }

    fn send(&mut self, text: &str) -> Option<()> {
        self.socket.get_mut().write_all(text.as_bytes()).ok()
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        self.socket.read_line(&mut line).ok().filter(|bytes| *bytes > 0)?;
        Some(line.trim_end().to_owned())
    }

    fn message(&mut self) -> Option<Message> {
        loop {
            let line = self.line()?;
            let words: Vec<&str> = line.split(' ').filter(|word| !word.is_empty()).collect();
            // `MSG SUBJECT SID [REPLY] BYTES`, and with `HMSG` the bytes of the headers before the last word.
            let headers = match words[0] {
                "MSG" => 0,
                "HMSG" => words[words.len() - 2].parse().ok()?,
                "PING" => {
                    self.send("PONG\r\n")?;
                    continue;
                }
                _ => continue,
            };
            let has_reply = words.len() == if headers > 0 { 6 } else { 5 };
            let reply = if has_reply { words[3].to_owned() } else { String::new() };
            let mut bytes = vec![0; words[words.len() - 1].parse::<usize>().ok()? + 2];
            self.socket.read_exact(&mut bytes).ok()?;
            bytes.truncate(bytes.len() - 2);
            let subject = words[1].to_owned();
            return Some(Message { subject, reply, bytes: bytes.split_off(headers) });
        }
    }
}

/// A member of an answer that is a number.
pub(crate) fn member(answer: &str, name: &str) -> Option<u64> {
    let behind = answer.split(&format!("\"{name}\":")).nth(1)?;
    let digits: String = behind.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

//! The client: it greets, sends a letter in fragments, hears both again, and says goodbye.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io::Write;
use std::net::{SocketAddr, TcpStream};

use sockeye_handshake::{Challenge, ClientRequest};
use sockeye_http1::{HeadEnd, HeaderStorage, Limits, ResponseHead};
use sockeye_websocket::{
    Assembler, CloseCode, CloseFrame, Config, Connection, Event, Fin, Kind, MaskKey, Message,
};

use crate::{Failure, read_some};

/// The text that is sent in three fragments.
pub(crate) const LETTER: [&str; 3] = ["Dear river,\n", "I am coming home.\n", "Yours, S.\n"];

/// Holds the whole conversation, and returns the texts that were heard.
pub(crate) fn converse(server: SocketAddr) -> Result<Vec<String>, Failure> {
    let mut stream = TcpStream::connect(server)?;
    crate::prepare(&stream)?;
    let mut early = open(&mut stream, &server.to_string())?;
    let mut client = Client::new();
    client.take(&mut early)?;

    client.connection.send(Message::Text("Hello, salmon!"), &mut client.out)?;
    client.send_letter(&mut stream)?;
    let mut buffer = [0; 4096];
    loop {
        if client.heard.len() == 2 && !client.is_closing {
            client.is_closing = true;
            let goodbye = CloseFrame::new(CloseCode::NORMAL, "swimming on")?;
            client.connection.close(Some(goodbye), &mut client.out)?;
        }
        stream.write_all(&client.out)?;
        client.out.clear();
        let len = read_some(&mut stream, &mut buffer)?;
        if len == 0 {
            break;
        }
        if let Err(error) = client.take(&mut buffer[..len]) {
            // If the server broke a rule, the Close frame that tells it so is in `out`.
            stream.write_all(&client.out)?;
            return Err(error);
        }
    }
    let closed = client.connection.receive_eof();
    println!("client: {closed:?}");
    if closed.clean { Ok(client.heard) } else { Err("the server left without a Close".into()) }
}

/// Asks for a WebSocket connection and checks the answer. Returns what came behind it.
fn open(stream: &mut TcpStream, host: &str) -> Result<Vec<u8>, Failure> {
    let mut nonce = [0; 16];
    nonce.as_chunks_mut().0.fill_with(|| random().to_ne_bytes());
    let challenge = Challenge::new(nonce);
    let request = ClientRequest::new(host, "/echo");
    let mut out = Vec::new();
    challenge.write_request(&request, &mut out)?;
    stream.write_all(&out)?;

    let (mut head_end, mut received) = (HeadEnd::for_response(), Vec::new());
    let mut buffer = [0; 1024];
    let head_len = loop {
        match read_some(stream, &mut buffer)? {
            0 => return Err("the server left inside its answer".into()),
            len => received.extend_from_slice(&buffer[..len]),
        }
        if let Some(len) = head_end.find(&received, &Limits::DEFAULT)? {
            break len;
        }
    };
    let early = received.split_off(head_len);
    let mut storage = HeaderStorage::new();
    let head = ResponseHead::parse(&received, &mut storage, &Limits::DEFAULT)?;
    challenge.verify(&head, &request)?;
    Ok(early)
}

/// Numbers that nobody else can guess.
///
/// The standard library has no generator, but it seeds its hash maps from the system's entropy,
/// and that will do here. A program of your own would rather ask the crate `getrandom`.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

fn random_mask() -> MaskKey {
    let [a, b, c, d, ..] = random().to_ne_bytes();
    MaskKey::new([a, b, c, d])
}

struct Client {
    connection: Connection,
    assembler: Assembler,
    out: Vec<u8>,
    heard: Vec<String>,
    is_closing: bool,
}

impl Client {
    fn new() -> Self {
        let config = Config::default();
        Self {
            connection: Connection::client(&config, Box::new(random_mask)),
            assembler: Assembler::new(config.limits.message_bytes_max),
            out: Vec::new(),
            heard: Vec::new(),
            is_closing: false,
        }
    }

    /// Sends one message as its parts turn up, without ever holding it whole, and a ping behind
    /// each of its fragments.
    fn send_letter(&mut self, stream: &mut TcpStream) -> Result<(), Failure> {
        for (n, part) in LETTER.into_iter().enumerate() {
            let fin = if n + 1 == LETTER.len() { Fin::Final } else { Fin::More };
            let frame = self.connection.begin(Kind::Text, part.len() as u64, fin)?;
            self.out.extend_from_slice(frame.header());
            stream.write_all(&self.out)?;
            self.out.clear();
            // The payload goes by in blocks as small as one likes; only its offset is counted.
            for (block, offset) in part.as_bytes().chunks(8).zip((0..).step_by(8)) {
                let mut masked = block.to_owned();
                frame.apply_mask(&mut masked, offset);
                stream.write_all(&masked)?;
            }
            self.connection.ping(b"still there?", &mut self.out)?;
        }
        Ok(())
    }

    /// Works off what came from the server. A message in fragments comes in pieces, however the
    /// server cut it and the network after it.
    fn take(&mut self, mut input: &mut [u8]) -> Result<(), Failure> {
        while let Some(event) = self.connection.receive(&mut input, &mut self.out)? {
            println!("client: {event:?}");
            let message = match event {
                Event::Message(message) => Some(message),
                Event::Piece(piece) => self.assembler.push(piece, None)?,
                Event::Ping(_) | Event::Pong(_) | Event::Close(_) => None,
            };
            if let Some(Message::Text(text)) = message {
                self.heard.push(text.to_owned());
            }
        }
        Ok(())
    }
}

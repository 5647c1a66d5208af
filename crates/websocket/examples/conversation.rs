//! A client and a server talk in memory: whole messages, fragments with a ping between them, and
//! the closing handshake. Run it with `cargo run -p sockeye-websocket --example conversation`.

use std::error::Error;

use sockeye_websocket::{
    Assembler, CloseCode, CloseFrame, Closed, Config, Connection, Event, Fin, Kind, MaskKey,
    Message, State,
};

/// One end with its assembler and the bytes that it has not sent yet.
struct End {
    name: &'static str,
    connection: Connection,
    assembler: Assembler,
    out: Vec<u8>,
}

impl End {
    fn new(name: &'static str, connection: Connection) -> Self {
        Self { name, connection, assembler: Assembler::new(1 << 20), out: Vec::new() }
    }

    /// Sends one fragment of a text without a copy of our own: header, then masked payload.
    fn send_fragment(&mut self, text: &str, fin: Fin) -> Result<(), Box<dyn Error>> {
        let start = self.connection.begin(Kind::Text, text.len() as u64, fin)?;
        self.out.extend_from_slice(start.header());
        let payload_at = self.out.len();
        self.out.extend_from_slice(text.as_bytes());
        start.apply_mask(&mut self.out[payload_at..], 0);
        Ok(())
    }

    /// Reads what the other end sent, seven bytes at a time, as if the network were that bad.
    fn hear(&mut self, other: &mut Self) -> Result<Vec<String>, Box<dyn Error>> {
        let mut texts = Vec::new();
        for bytes in core::mem::take(&mut other.out).chunks_mut(7) {
            let mut input = bytes;
            while let Some(event) = self.connection.receive(&mut input, &mut self.out)? {
                println!("{:>6} hears {event:?}", self.name);
                let message = match event {
                    Event::Message(message) => Some(message),
                    Event::Piece(piece) => self.assembler.push(piece, None)?,
                    Event::Ping(_) | Event::Pong(_) | Event::Close(_) => None,
                };
                if let Some(Message::Text(text)) = message {
                    texts.push(text.to_owned());
                }
            }
        }
        Ok(texts)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let config = Config::default();
    // For show only: real keys come from the system's entropy.
    let mut counter = 0_u32;
    let masks = Box::new(move || {
        counter = counter.wrapping_mul(0x9E37_79B9).wrapping_add(1);
        MaskKey::new(counter.to_be_bytes())
    });
    let mut client = End::new("client", Connection::client(&config, masks));
    let mut server = End::new("server", Connection::server(&config));

    client.connection.send(Message::Text("hi"), &mut client.out)?;
    client.send_fragment("one fish, ", Fin::More)?;
    client.connection.ping(b"still there?", &mut client.out)?;
    client.send_fragment("two fish", Fin::Final)?;
    for text in server.hear(&mut client)? {
        server.connection.send(Message::Text(&text.to_uppercase()), &mut server.out)?;
    }
    assert_eq!(client.hear(&mut server)?, ["HI", "ONE FISH, TWO FISH"]);

    let goodbye = CloseFrame::new(CloseCode::GOING_AWAY, "the river is cold")?;
    client.connection.close(Some(goodbye), &mut client.out)?;
    server.hear(&mut client)?;
    client.hear(&mut server)?;
    assert_eq!(server.connection.state(), State::Closed);
    let closed = client.connection.receive_eof();
    println!("{closed:?}");
    assert_eq!(closed, Closed { code: CloseCode::GOING_AWAY, clean: true, truncated: false });
    Ok(())
}

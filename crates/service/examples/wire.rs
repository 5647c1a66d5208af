//! One publication in every form, and commands as they are read.
//!
//! `cargo run -p sockeye-service --example wire`

use sockeye_hub::{ChannelName, Config, Epoch, Flow, Hub, Publication, Published};
use sockeye_service::wire::{
    Command, Control, CursorText, Data, EventName, Form, Limits, Payload, PollBody, Rest, bare,
    event, message,
};

const COMMANDS: [&str; 4] = [
    r#"{"type":"subscribe","id":1,"channels":["chat:7","news:*"],"cursor":"1a-1"}"#,
    r#"{"type":"publish","id":2,"channel":"chat:7","data":{"n":1.50}}"#,
    r#"{"type":"subscribe","id":3,"chanels":["chat:7"]}"#,
    r#"{"type":"publish","id":4,"channel":"chat:7","data":"\ud83d"}"#,
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let data = Data::json(r#"{"seat": 12, "price": 17.50}"#, &Limits::DEFAULT)?;
    let payload = Payload { event: Some(EventName::new("sold")?), ..Payload::new(data) };
    let mut hub = Hub::new(Epoch(10), Config::default());
    let cost = payload.cost();
    let publication = Publication::new(ChannelName::new("chat:7")?, payload, cost);
    let published = hub.publish(publication, 1_790_000_000_000, |_, _| Flow::Taken)?;
    let Published::Committed(committed) = published else { return Err("a key?".into()) };
    let (entry, cursor) = (&committed.entry, CursorText::new(committed.entry.position));

    let mut text = String::new();
    message(entry, &cursor, &mut text);
    println!("WebSocket, sockeye.v1.json:\n{text}\n");
    println!("WebSocket, bare:\n{}\n", bare(entry).unwrap_or("nothing"));
    for form in [Form::Raw, Form::Envelope] {
        let mut block = Vec::new();
        event(entry, &cursor, form, &mut text).encode(&mut block);
        println!("Event stream, {form:?}:\n{}", String::from_utf8(block)?);
    }
    let mut poll = PollBody::new();
    poll.entry(entry, &cursor);
    println!("Poll:\n{}\n", poll.finish(&cursor, Rest::Nothing));

    for text in COMMANDS {
        println!("< {text}");
        match Command::parse(text.as_bytes(), &Limits::DEFAULT) {
            Ok(command) => println!("  {command:?}"),
            Err(refused) => {
                let (id, problem) = (refused.id.as_ref(), &refused.problem);
                let mut answer = String::new();
                Control::Error { id, channel: None, problem }.write_json(&mut answer);
                println!("> {answer}");
            }
        }
    }
    Ok(())
}

//! A language model's answer as it really arrives: a recorded stream, cut in the middle of
//! characters, line ends and fields, with comments while the model thinks, a broken connection in
//! the middle and a resumption behind it.
//!
//! `cargo run -p sockeye-sse --example llm_stream`

use sockeye_sse::{Action, Comments, Config, End, Input, Item, Parser, Policy, Reconnection};
use sockeye_sse::{Error, Response};

/// The recorded bytes, and how many were lost at the end: the first connection is cut
/// inside a character, the second continues behind event 3.
const CONNECTIONS: [(&str, usize); 2] = [
    (
        ": PROCESSING\n\n: PROCESSING\n\n\
     id: 1\nretry: 250\ndata:\n\n\
     event: content_block_delta\r\nid: 2\r\ndata: {\"text\":\"Grüße \"}\r\n\r\n\
     event: content_block_delta\nid: 3\ndata: {\"text\":\"aus Zürich, \"}\n\n\
     event: content_block_delta\nid: 4\ndata: {\"text\":\"東",
        1,
    ),
    (
        "event: content_block_delta\nid: 4\ndata: {\"text\":\"東京 \"}\n\n\
     event: ping\ndata: {}\n\n\
     event: content_block_delta\nid: 5\ndata: {\"text\":\"und 🦀\"}\n\n\
     data: [DONE]\n\n",
        0,
    ),
];

fn main() -> Result<(), Error> {
    let mut parser = Parser::new(Config { comments: Comments::Report, ..Config::default() });
    let mut reconnection = Reconnection::new(Policy::default());
    let mut answer = String::new();

    for (recorded, lost) in CONNECTIONS {
        let head = Response {
            status: 200,
            content_type: Some(b"text/event-stream; charset=utf-8"),
            ..Response::default()
        };
        assert_eq!(reconnection.handle(Input::Response(head)), Some(Action::Open));

        let received = &recorded.as_bytes()[..recorded.len() - lost];
        for mut chunk in received.chunks(7) {
            while let Some(item) = parser.next(&mut chunk)? {
                take(item, &mut reconnection, &mut answer);
            }
        }

        let end = parser.finish();
        let action = reconnection.handle(Input::Eof { entropy: 0 });
        println!("[the stream ended: {end:?}; {action:?}]");
        assert_eq!(action, Some(Action::Wait(250)));
        let action = reconnection.handle(Input::WaitOver { last_event_id: parser.last_event_id() });
        println!("[{action:?}]");
        if end == End::Truncated {
            assert_eq!(action, Some(Action::Connect { last_event_id: Some("3") }));
        }
    }

    println!("{answer}");
    assert_eq!(answer, "Grüße aus Zürich, 東京 und 🦀");
    Ok(())
}

fn take(item: Item<'_>, reconnection: &mut Reconnection, answer: &mut String) {
    match item {
        Item::Comment(text) => println!("[comment: {text}]"),
        Item::Retry(ms) => {
            println!("[reconnection time: {ms} ms]");
            reconnection.handle(Input::Retry(ms));
        }
        Item::Event(event) if event.event_type == "content_block_delta" => {
            // A real client would parse the JSON.
            let text = event.data.trim_start_matches("{\"text\":\"").trim_end_matches("\"}");
            println!("{:>3}: {text}", event.last_event_id);
            answer.push_str(text);
        }
        Item::Event(event) => println!("[{}: {:?}]", event.event_type, event.data),
    }
}

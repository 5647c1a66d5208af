//! Two WebSocket clients and a timer of the program's own, in one mio loop that the program owns.
//!
//! The loop asks each client when it wants to be called again, and waits for no longer than that. Nothing here blocks
//! but `poll`, and nothing needs a thread; the server that the example brings along has its own.

mod server;

use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};
use sockeye_client::sans_io::{SocketEvent, WebSocket};
use sockeye_client::websocket::{CloseCode, Message};
use sockeye_client::{ConnectOptions, Driver, Entropy, Error, Limits};

const CLIENTS: usize = 2;
const ROUNDS: usize = 3;
/// Events of one client in a turn, so that one that is flooded does not keep the others waiting.
const EVENTS_A_TURN: usize = 64;
const TICK: Duration = Duration::from_millis(50);

/// What the program has to do about an event, once it does not borrow from the connection any more.
enum Todo {
    /// To be sent at the next tick.
    Say(usize),
    Close,
    Nothing,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (url, thread) = server::start(CLIENTS)?;
    let mut poll = Poll::new()?;
    let mut clients = Vec::new();
    for token in 0..CLIENTS {
        let options = ConnectOptions::new(&url)?;
        let machine = WebSocket::new(options, Limits::DEFAULT, Entropy::system()?)?;
        clients.push(Driver::new(machine, Limits::DEFAULT, poll.registry(), Token(token))?);
    }
    run(&mut poll, &mut clients)?;
    thread.join().expect("the server does not panic")?;
    Ok(())
}

fn run(
    poll: &mut Poll,
    clients: &mut [Driver<WebSocket>],
) -> Result<(), Box<dyn std::error::Error>> {
    let mut events = Events::with_capacity(64);
    let (mut ticks, mut tick_at) = (0, Instant::now() + TICK);
    let mut to_say = [None; CLIENTS];
    loop {
        for (name, client) in clients.iter_mut().enumerate() {
            turn(name, client, &mut to_say[name])?;
        }
        if clients.iter().all(Driver::is_over) {
            assert!(ticks >= ROUNDS, "a round is sent by the timer");
            println!("all over, after {ticks} ticks of the program's own timer");
            return Ok(());
        }
        let wanted = clients.iter().filter_map(Driver::deadline).min();
        let until = wanted.map_or(tick_at, |wanted| wanted.min(tick_at));
        poll.poll(&mut events, Some(until.saturating_duration_since(Instant::now())))?;
        for event in &events {
            clients[event.token().0].on_event(event);
        }
        if tick_at <= Instant::now() {
            (ticks, tick_at) = (ticks + 1, Instant::now() + TICK);
            for (client, to_say) in clients.iter_mut().zip(&mut to_say) {
                let Some(round) = to_say.take() else { continue };
                let text = format!("{round}");
                client.act(|machine, _, out| machine.send(Message::Text(&text), out))?;
            }
        }
    }
}

/// Takes what one client has to tell now; the rest, if it is more than its share, is for the next turn.
fn turn(
    name: usize,
    client: &mut Driver<WebSocket>,
    to_say: &mut Option<usize>,
) -> Result<(), Error> {
    for _ in 0..EVENTS_A_TURN {
        let Some(todo) = client.next(|event| react(name, &event))? else { break };
        match todo {
            Todo::Say(round) => *to_say = Some(round),
            Todo::Close => {
                client.act(|machine, now, out| machine.close(now, CloseCode::NORMAL, "", out))?;
            }
            Todo::Nothing => {}
        }
    }
    Ok(())
}

fn react(name: usize, event: &SocketEvent<'_>) -> Todo {
    match event {
        SocketEvent::Open(_) => Todo::Say(1),
        SocketEvent::Message(Message::Text(text)) => {
            println!("client {name}: {text}");
            match text.parse() {
                Ok(ROUNDS) | Err(_) => Todo::Close,
                Ok(round) => Todo::Say(round + 1),
            }
        }
        SocketEvent::Closed(closed) => {
            println!("client {name}: closed with {}", closed.code);
            Todo::Nothing
        }
        _ => Todo::Nothing,
    }
}

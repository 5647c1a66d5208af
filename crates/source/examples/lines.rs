//! Lines of standard input as a bus: each is a publication, and the sink prints it.
//!
//! `printf 'ann hello\nbob hi\n' | cargo run -p sockeye-source --example lines`

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sockeye_backbone::Trouble;
use sockeye_source::{
    Bus, Format, Id, Mapped, Mapping, Message, Note, OnBad, Opened, Outcome, Pump, PumpSettings,
    Room, Sink, Template, Ticket, WindowLimits,
};

/// The lines that are not acknowledged, each with its number. The pump is stopped when none is left.
struct Lines(Vec<(Id, String)>, Arc<AtomicBool>);

impl Bus for Lines {
    fn open(&mut self) -> Result<Opened, Trouble> {
        Ok(Opened::Active)
    }

    fn take(
        &mut self,
        room: Room,
        _: Duration,
        known: &mut dyn Iterator<Item = &str>,
        into: &mut Vec<Message>,
    ) -> Result<(), Trouble> {
        let known: Vec<&str> = known.collect();
        let fresh = self.0.iter().filter(|(id, _)| !known.contains(&&**id));
        for (id, line) in fresh.take(room.entries) {
            let (user, text) = line.split_once(' ').unwrap_or((line, ""));
            let fields = vec![("user".into(), user.into())];
            let (id, body) = (id.clone(), text.as_bytes().to_vec());
            into.push(Message { id, body, fields, ..Message::default() });
        }
        self.1.store(self.0.is_empty(), Ordering::Release);
        Ok(())
    }

    fn acknowledge(&mut self, ids: &[Id]) -> Result<(), Trouble> {
        self.0.retain(|(id, _)| !ids.contains(id));
        Ok(())
    }

    fn pending(&mut self) -> Result<Option<u64>, Trouble> {
        Ok(Some(self.0.len() as u64))
    }
}

/// Prints each publication, and says at once that it is in the log.
#[derive(Default)]
struct Printer(Vec<(Ticket, Outcome)>);

impl Sink for Printer {
    fn offer(&mut self, ticket: Ticket, it: &Mapped) -> Result<(), String> {
        println!("{} {} {:?}", it.channel, it.key, it.data);
        self.0.push((ticket, Outcome::Published));
        Ok(())
    }

    fn answers(&mut self, _: Duration, into: &mut Vec<(Ticket, Outcome)>) {
        into.append(&mut self.0);
    }

    fn note(&mut self, note: Note<'_>) {
        if let Note::Bad { id, why, .. } = note {
            println!("line {id}: {why}");
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let lines = std::io::stdin().lines().collect::<Result<Vec<_>, _>>()?;
    let lines = lines.into_iter().enumerate().map(|(at, line)| (at.to_string().into(), line));
    let is_stopping = Arc::new(AtomicBool::new(false));
    let mapping = Mapping {
        name: "stdin".into(),
        channel: Template::parse("user:{user}")?,
        data: None,
        event: None,
        format: Format::Text,
    };
    let limits = WindowLimits { entries_max: 16, bytes_max: 64 * 1024 };
    let settings = PumpSettings { mapping, on_bad: OnBad::Skip, limits };
    let bus = Lines(lines.collect(), Arc::clone(&is_stopping));
    Pump::new(bus, Printer::default(), settings, is_stopping).run();
    Ok(())
}

//! One subscriber, every way to come back: plays the resume table and prints what it is given.

use std::error::Error;

use sockeye_hub::{
    Budget, ChannelName, Config, Cursor, Epoch, Flow, Hub, Item, OnGap, Publication, Settings,
    Start, Target, Token,
};

const BUDGET: Budget = Budget { messages: 64, bytes: 64 * 1024 };

fn main() -> Result<(), Box<dyn Error>> {
    let mut settings = Settings::default();
    settings.history_messages_max = 3;
    settings.on_gap = OnGap::Tail;
    let config = Config { settings, ..Config::default() };
    let mut hub: Hub<String> = Hub::new(Epoch(1_700_000_000_000), config);

    let busy = ChannelName::new("log:busy")?;
    let quiet = ChannelName::new("log:quiet")?;
    let publish = |hub: &mut Hub<String>, channel, text: &str| {
        let publication = Publication::new(channel, text.to_owned(), text.len());
        hub.publish(publication, 0, |_, _| Flow::Taken).map(drop)
    };
    publish(&mut hub, quiet, "the only one")?;
    let early = hub.position();
    for number in 1..=5 {
        publish(&mut hub, busy, &format!("number {number}"))?;
    }
    let late = Cursor { seq: hub.position().seq.previous(), ..hub.position() };
    let ahead = Cursor { seq: hub.position().seq.next(), ..hub.position() };
    let foreign = Cursor { epoch: Epoch(1), ..late };

    for (name, text) in [
        ("nothing missed", hub.position().to_string()),
        ("one missed", late.to_string()),
        ("too long away", early.to_string()),
        ("from the beginning", "earliest".to_owned()),
        ("another life of the log", foreign.to_string()),
        ("from the future", ahead.to_string()),
        ("garbage", "42; DROP TABLE".to_owned()),
    ] {
        println!("{name}: {text}");
        come_back(&mut hub, &[busy, quiet], Token::parse(&text).start)?;
    }
    Ok(())
}

fn come_back(
    hub: &mut Hub<String>,
    channels: &[ChannelName<'_>],
    start: Start,
) -> Result<(), Box<dyn Error>> {
    let key = hub.connect()?;
    let mut subscriber = hub.subscriber(key).ok_or("it was just connected")?;
    for channel in channels {
        subscriber.subscribe(Target::Channel(*channel), start, 0)?;
    }
    let mut items = Vec::new();
    let progress = subscriber.pull(BUDGET, 0, &mut items);
    for item in items {
        match item {
            Item::Message(entry) => {
                println!("  {} {}: {}", entry.position, entry.channel, entry.body);
            }
            Item::Gap(gap) => println!("  gap in {:?}: {}", gap.scope, gap.reason.as_str()),
            Item::Sync(sync) => println!("  sync at {}, {} gaps", sync.cursor, sync.gaps),
        }
    }
    println!("  {progress:?}");
    subscriber.disconnect();
    Ok(())
}

//! What things cost: `cargo run --release -p sockeye-hub --example timing`.

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use sockeye_hub::{
    Budget, ChannelName, Config, Flow, Hub, Limits, PatternUse, Progress, Publication, Settings,
    Start, Target,
};

fn main() -> Result<(), Box<dyn Error>> {
    for channels in [100, 10_000, 100_000] {
        publish_to(channels)?;
    }
    for subscribers in [100, 10_000] {
        fan_out_to(subscribers)?;
    }
    resume()
}

fn hub() -> Hub<u64> {
    let mut settings = Settings::default();
    settings.history_messages_max = 16;
    settings.patterns = PatternUse::Allowed;
    let config = Config { settings, limits: Limits::default(), namespaces: Vec::new() };
    Hub::new(sockeye_hub::Epoch(1), config)
}

/// One message after the other, to one channel after the other.
fn publish_to(channels: usize) -> Result<(), Box<dyn Error>> {
    let names: Vec<String> = (0..channels).map(|it| format!("room:{it}")).collect();
    let names: Vec<ChannelName<'_>> =
        names.iter().map(|it| ChannelName::new(it)).collect::<Result<_, _>>()?;
    let mut hub = hub();
    let mut publish = |count: usize| -> Result<(), Box<dyn Error>> {
        for at in 0..count {
            // Far apart, so that no cache helps.
            let name = names[at.wrapping_mul(7919) % channels];
            let publication = Publication::new(name, at as u64, 100);
            black_box(hub.publish(publication, at as u64 / 1000, |_, _| Flow::Taken)?);
        }
        Ok(())
    };
    publish(17 * channels)?;
    let begun = Instant::now();
    publish(1_000_000)?;
    println!("publish, {channels} channels: {} ns", begun.elapsed().as_nanos() / 1_000_000);
    Ok(())
}

/// One channel, all live.
fn fan_out_to(subscribers: usize) -> Result<(), Box<dyn Error>> {
    let name = ChannelName::new("room:1")?;
    let mut hub = hub();
    for _ in 0..subscribers {
        let key = hub.connect()?;
        let mut subscriber = hub.subscriber(key).ok_or("it was just connected")?;
        subscriber.subscribe(Target::Channel(name), Start::Now, 0)?;
    }
    let begun = Instant::now();
    let rounds = 10_000_000 / subscribers;
    for at in 0..rounds {
        let publication = Publication::new(name, at as u64, 100);
        black_box(hub.publish(publication, 0, |_, _| black_box(Flow::Taken))?);
    }
    let each = begun.elapsed().as_nanos() as f64 / (rounds * subscribers) as f64;
    println!("fan-out to {subscribers}: {each:.1} ns each");
    Ok(())
}

/// Sixteen channels among 100,000, ten messages missed in each.
fn resume() -> Result<(), Box<dyn Error>> {
    let names: Vec<String> = (0..100_000).map(|it| format!("room:{it}")).collect();
    let mut hub = hub();
    let publish = |hub: &mut Hub<u64>, name: &str| -> Result<(), Box<dyn Error>> {
        let publication = Publication::new(ChannelName::new(name)?, 0, 100);
        hub.publish(publication, 0, |_, _| Flow::Taken)?;
        Ok(())
    };
    names.iter().try_for_each(|name| publish(&mut hub, name))?;
    let cursor = hub.position();
    for _ in 0..10 {
        names.iter().take(16).try_for_each(|name| publish(&mut hub, name))?;
    }
    let rounds: u32 = 10_000;
    let begun = Instant::now();
    for _ in 0..rounds {
        let key = hub.connect()?;
        let mut subscriber = hub.subscriber(key).ok_or("it was just connected")?;
        for name in names.iter().take(16) {
            subscriber.subscribe(Target::new(name)?, Start::After(cursor), 0)?;
        }
        let mut items = Vec::new();
        let budget = Budget { messages: 1_000, bytes: usize::MAX };
        let progress = subscriber.pull(budget, 0, &mut items);
        assert_eq!((progress, items.len()), (Progress::Live, 161));
        subscriber.disconnect();
    }
    let each = begun.elapsed() / rounds;
    println!("resume of 16 channels with 160 messages, connect to disconnect: {each:?}");
    Ok(())
}

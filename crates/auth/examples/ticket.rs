//! A ticket's life: issued, used, used again, its session resumed, and over.

use sockeye_auth::{
    Grants, Identity, Limits, Misuse, Moment, Refusal, Secret, Session, Tickets, UnixTime,
};

const MINUTE_MS: u64 = 60_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (limits, now) = (Limits::default(), UnixTime::from_millis(1_800_000_000_000));
    // Both clocks go on alike here.
    let at = |elapsed_ms| Moment { unix: now + elapsed_ms, elapsed_ms };
    let mut tickets = server(limits)?;
    let ann = Identity {
        user: Some("ann".to_owned()),
        subscribe: Grants::new(["chat:*", "news"], &limits)?,
        ends_ms: Some((now + 30 * MINUTE_MS).as_millis()),
        ..Identity::anonymous()
    };
    // Entropy is from the system in real life.
    let ticket = tickets.issue(&ann, &ann, 30_000, &[7; 24], at(0))?;
    println!("a ticket of {} characters, {}…", ticket.len(), &ticket[..12]);

    let session = tickets.enter(&ticket, None, at(10))?;
    println!("used: session {} of {:?}", session.id(), session.identity().user);
    report("used again", &tickets.enter(&ticket, None, at(20)));

    let proof = tickets.proof(&session, now + MINUTE_MS);
    println!("cursors end in a proof of {} characters", proof.len() + 1);
    let mut restarted = server(limits)?;
    for (what, minutes) in [("at once", 1), ("in five minutes", 6), ("in an hour", 61)] {
        let again = restarted.enter(&ticket, Some(&proof), at(minutes * MINUTE_MS));
        report(&format!("with its proof after a restart, {what}"), &again);
    }
    let unused = tickets.issue(&ann, &ann, 30_000, &[8; 24], at(0))?;
    report("an unused one, too late", &tickets.enter(&unused, None, at(30_000)));
    Ok(())
}

fn server(limits: Limits) -> Result<Tickets, Misuse> {
    Tickets::new(vec![Secret::new(b"32 random bytes, the same always")?], limits)
}

fn report(what: &str, entered: &Result<Session, Refusal>) {
    match entered {
        Ok(session) => println!("{what}: session {}", session.id()),
        Err(refusal) => println!("{what}: {} ({})", refusal.message(), refusal.close_code()),
    }
}

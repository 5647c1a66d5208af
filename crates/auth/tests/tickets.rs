//! One ticket, one stream; and the same stream again with its proof.

use sockeye_auth::{
    Grants, Identity, Limits, Misuse, Moment, Refusal, Secret, Session, Tickets, UnixTime,
};
use sockeye_hub::{Check, Cursor, Epoch, Seq, Token};

const NOW_MS: u64 = 1_800_000_000_000;

/// Both clocks so many milliseconds after `NOW_MS`.
fn at(elapsed_ms: u64) -> Moment {
    Moment { unix: unix(elapsed_ms), elapsed_ms }
}

/// The calendar so many milliseconds after `NOW_MS`.
fn unix(elapsed_ms: u64) -> UnixTime {
    UnixTime::from_millis(NOW_MS + elapsed_ms)
}

fn secret(byte: u8) -> Secret {
    Secret::new(&[byte; 32]).unwrap()
}

fn tickets(limits: Limits) -> Tickets {
    Tickets::new(vec![secret(1)], limits).unwrap()
}

fn ann() -> Identity {
    let grants = |texts: [&str; 2]| Grants::new(texts, &Limits::default()).unwrap();
    Identity {
        user: Some("ann \"quoted\" \u{e4}".to_owned()),
        subscribe: grants(["chat:*", "news"]),
        publish: grants(["chat:7", "a:>"]),
        ends_ms: Some(NOW_MS + 3_600_000),
        ..Identity::anonymous()
    }
}

/// A back end, which may issue tickets for everybody.
fn shop() -> Identity {
    Identity { tickets: Grants::everything(), ..Identity::anonymous() }
}

fn issue(tickets: &mut Tickets, entropy: u8) -> String {
    tickets.issue(&shop(), &ann(), 30_000, &[entropy; 24], at(0)).unwrap()
}

/// [auth:ticket-once]
#[test]
fn a_ticket_opens_one_stream_and_carries_its_identity() {
    let mut tickets = tickets(Limits::default());
    let (first, second) = (issue(&mut tickets, 1), issue(&mut tickets, 2));
    assert_ne!(first, second);
    let session = tickets.enter(&first, None, at(0)).unwrap();
    assert_eq!(session.identity(), &ann());
    assert!(!session.is_resumed());
    for _ in 0..2 {
        assert_eq!(tickets.enter(&first, None, at(0)), Err(Refusal::Ticket));
    }
    assert_eq!(tickets.outstanding(0), 1);
    // [auth:ticket-hashed]
    assert!(!format!("{tickets:#?}").contains(&second[..8]));
    let other = tickets.enter(&second, None, at(0)).unwrap();
    assert_ne!(other.id(), session.id());
    for wrong in ["", "x", &first[1..], &format!("{first}A"), &"A".repeat(5000), "\u{e9}"] {
        assert_eq!(tickets.enter(wrong, None, at(0)), Err(Refusal::Ticket), "{wrong}");
    }
}

/// [auth:tickets-survive]
#[test]
fn outstanding_tickets_outlive_a_change_of_the_configuration() {
    let mut former = tickets(Limits::default());
    let (kept, late) = (issue(&mut former, 1), issue(&mut former, 2));
    let mut same = tickets(Limits::default()).succeed(former);
    assert_eq!(same.enter(&kept, None, at(0)).unwrap().identity(), &ann());
    assert_eq!(same.enter(&kept, None, at(0)), Err(Refusal::Ticket), "still only once");
    // With another secret it cannot be read any more.
    let other = Tickets::new(vec![secret(2)], Limits::default()).unwrap();
    let mut other = other.succeed(same);
    assert_eq!(other.enter(&late, None, at(0)), Err(Refusal::Ticket));
    assert_eq!(other.outstanding(0), 0);
}

/// [auth:ticket-life]
#[test]
fn a_ticket_lives_a_minute_at_most() {
    for (wanted, lives) in [(30_000, 30_000), (60_000, 60_000), (u64::MAX, 60_000)] {
        for (after, is_good) in [(lives - 1, true), (lives, false)] {
            let mut tickets = tickets(Limits::default());
            let ticket = tickets.issue(&shop(), &ann(), wanted, &[0; 24], at(0)).unwrap();
            let entered = tickets.enter(&ticket, None, at(after));
            assert_eq!(entered.is_ok(), is_good, "{wanted} {after}");
        }
    }
}

/// [auth:tickets-bound]
#[test]
fn outstanding_tickets_are_bounded_and_expired_ones_cost_nothing() {
    let mut limits = Limits::default();
    limits.tickets_max = 2;
    let mut tickets = tickets(limits);
    let mut issue =
        |entropy, life_ms, ms| tickets.issue(&shop(), &ann(), life_ms, &[entropy; 24], at(ms));
    let used = issue(1, 50_000, 0).unwrap();
    issue(2, 10_000, 0).unwrap();
    assert_eq!(issue(3, 1, 9_999), Err(Refusal::TicketsFull));
    issue(3, 1, 10_000).unwrap();
    issue(4, 50_000, 10_001).unwrap();
    assert_eq!(issue(5, 1, 10_001), Err(Refusal::TicketsFull));
    assert!(tickets.enter(&used, None, at(10_001)).is_ok());
    assert_eq!(tickets.outstanding(10_001), 1);
    assert_eq!(tickets.outstanding(60_001), 0);
}

/// The same entropy for the same identity is the same ticket, which is outstanding once; for
/// another identity it is another ticket with another key.
#[test]
fn entropy_that_is_not_random_reveals_nothing() {
    let mut tickets = tickets(Limits::default());
    let ticket = tickets.issue(&shop(), &ann(), 10_000, &[0; 24], at(0)).unwrap();
    assert_eq!(tickets.issue(&shop(), &ann(), 20_000, &[0; 24], at(0)).as_ref(), Ok(&ticket));
    assert_eq!(tickets.outstanding(0), 1);
    assert_eq!(tickets.outstanding(10_000), 1);
    let bob = Identity { user: Some("bob \"quoted\" \u{e4}".to_owned()), ..ann() };
    let other = tickets.issue(&shop(), &bob, 10_000, &[0; 24], at(0)).unwrap();
    let same = ticket.bytes().zip(other.bytes()).filter(|(a, b)| a == b).count();
    assert!(same < ticket.len() / 4, "{same} of {}", ticket.len());
}

/// [auth:ticket-size]
#[test]
fn what_does_not_fit_is_refused_when_it_is_issued() {
    let mut tickets = tickets(Limits::default());
    let names: Vec<String> = (0..128).map(|n| format!("chat:a-rather-long-name-{n}")).collect();
    let names = names.iter().map(String::as_str);
    let greedy = Identity { subscribe: Grants::new(names, &Limits::default()).unwrap(), ..ann() };
    assert_eq!(tickets.issue(&shop(), &greedy, 1, &[0; 24], at(0)), Err(Refusal::TicketTooLarge));
    assert_eq!(tickets.outstanding(0), 0);
    for (publish, admin) in [(false, true), (true, false)] {
        let mut rights = ann();
        if publish {
            rights.tickets = Grants::everything();
        }
        if admin {
            rights.admin = Grants::everything();
        }
        assert_eq!(tickets.issue(&shop(), &rights, 1, &[0; 24], at(0)), Err(Refusal::Forbidden));
    }
}

/// What an EventSource does: the same URL, and the cursor it was given last.
///
/// [auth:session-proof]
#[test]
fn a_session_is_taken_up_again_with_its_proof_also_by_another_process() {
    let mut before = tickets(Limits::default());
    let ticket = issue(&mut before, 1);
    let session = before.enter(&ticket, None, at(0)).unwrap();
    let largest = Cursor::new(Epoch(u64::MAX), Seq(u64::MAX));
    let largest = Cursor { check: Check::new(u32::MAX), ..largest };
    let last_event_id = format!("{largest}~{}", before.proof(&session, unix(5000)));
    assert!(last_event_id.len() <= 65, "{last_event_id}");
    let token = Token::parse(&last_event_id);

    let mut after = tickets(Limits::default());
    for tickets in [&mut before, &mut after] {
        for _ in 0..2 {
            let again = tickets.enter(&ticket, token.proof, at(6000)).unwrap();
            assert!(again.is_resumed());
            assert_eq!(again.identity(), session.identity());
            assert_eq!(again.id(), session.id());
        }
    }
    let mut stranger = Tickets::new(vec![secret(2)], Limits::default()).unwrap();
    assert_eq!(stranger.enter(&ticket, token.proof, at(0)), Err(Refusal::Ticket));
}

/// [auth:session-proof]
#[test]
fn no_other_proof_is_one() {
    let mut tickets = tickets(Limits::default());
    let (ticket, other) = (issue(&mut tickets, 1), issue(&mut tickets, 2));
    let session = tickets.enter(&ticket, None, at(0)).unwrap();
    let foreign = tickets.enter(&other, None, at(0)).unwrap();
    let foreign = tickets.proof(&foreign, unix(0));
    let proof = tickets.proof(&session, unix(0));
    let (minute, mac) = proof.split_once('~').unwrap();
    let later = format!("{:x}~{mac}", u64::from_str_radix(minute, 16).unwrap() + 1);
    let (padded, upper) = (format!("0{proof}"), format!("{}~{mac}", minute.to_uppercase()));
    let (plus, more) = (format!("+{proof}"), format!("{proof}A"));
    let wrong = [
        "",
        "~",
        "x",
        "0~",
        minute,
        mac,
        &foreign,
        &later,
        &padded,
        &plus,
        &more,
        &proof[1..],
        &proof[..proof.len() - 1],
        &format!("{minute}~{}", "A".repeat(22)),
        "\u{e9}~\u{e9}",
    ];
    for wrong in wrong.into_iter().chain(Some(&*upper).filter(|it| **it != proof)) {
        let refused = tickets.enter(&ticket, Some(wrong), at(0));
        assert_eq!(refused, Err(Refusal::Ticket), "{wrong}");
    }
    assert_eq!(tickets.enter(&other, Some(&proof), at(0)), Err(Refusal::Ticket));
    assert!(tickets.enter(&ticket, Some(&proof), at(0)).is_ok());
}

/// A page that comes back with a new ticket still has the cursor of its old session.
#[test]
fn a_new_ticket_with_an_old_proof_begins_a_session() {
    let mut tickets = tickets(Limits::default());
    let (old, new) = (issue(&mut tickets, 1), issue(&mut tickets, 2));
    let session = tickets.enter(&old, None, at(0)).unwrap();
    let proof = tickets.proof(&session, unix(0));
    let session = tickets.enter(&new, Some(&proof), at(0)).unwrap();
    assert!(!session.is_resumed());
    assert_eq!(tickets.enter(&new, Some(&proof), at(0)), Err(Refusal::Ticket));
}

/// [auth:session-away]
#[test]
fn a_session_that_was_away_for_too_long_is_over() {
    let mut tickets = tickets(Limits::default());
    let ticket = issue(&mut tickets, 1);
    let session = tickets.enter(&ticket, None, at(0)).unwrap();
    for told_ms in [0, 59_999, 60_000] {
        let proof = tickets.proof(&session, unix(told_ms));
        let mut enter = |ms| tickets.enter(&ticket, Some(&proof), at(ms));
        assert!(enter(told_ms + 600_000).is_ok(), "ten minutes at least");
        assert_eq!(enter(told_ms + 660_000), Err(Refusal::SessionOver), "eleven at most");
    }
    assert_eq!(tickets.proof(&session, unix(0)), tickets.proof(&session, unix(59_999)));
}

/// [auth:session-end]
#[test]
fn a_session_ends_with_its_identity_and_in_a_day() {
    let mut tickets = tickets(Limits::default());
    let ticket = issue(&mut tickets, 1);
    let session = tickets.enter(&ticket, None, at(0)).unwrap();
    let end_ms = ann().ends_ms.unwrap() - NOW_MS;
    let proof = tickets.proof(&session, unix(end_ms - 1));
    assert!(tickets.enter(&ticket, Some(&proof), at(end_ms - 1)).is_ok());
    assert_eq!(tickets.enter(&ticket, Some(&proof), at(end_ms)), Err(Refusal::SessionOver));

    for ends_ms in [None, Some(u64::MAX)] {
        let forever = Identity { ends_ms, ..ann() };
        let ticket = tickets.issue(&shop(), &forever, 1000, &[3; 24], at(0)).unwrap();
        let session = tickets.enter(&ticket, None, at(0)).unwrap();
        assert_eq!(session.identity().ends_ms, Some(NOW_MS + 86_400_000));
    }
    let ended = Identity { ends_ms: Some(NOW_MS), ..ann() };
    assert_eq!(tickets.issue(&shop(), &ended, 1, &[4; 24], at(0)), Err(Refusal::SessionOver));
    let soon = Identity { ends_ms: Some(NOW_MS + 1), ..ann() };
    let ticket = tickets.issue(&shop(), &soon, 1000, &[5; 24], at(0)).unwrap();
    assert_eq!(tickets.enter(&ticket, None, at(1)), Err(Refusal::SessionOver));
}

/// [auth:secret-change]
#[test]
fn sessions_outlive_a_change_of_secrets_while_the_old_one_is_taken() {
    let mut tickets = tickets(Limits::default());
    let (ticket, waiting) = (issue(&mut tickets, 1), issue(&mut tickets, 2));
    let session = tickets.enter(&ticket, None, at(0)).unwrap();
    let old_proof = tickets.proof(&session, unix(0));
    tickets.set_secrets(vec![secret(2), secret(1)]).unwrap();
    let new_proof = tickets.proof(&session, unix(0));
    assert_ne!(old_proof, new_proof);
    let enter = |tickets: &mut Tickets, proof: &str| -> Result<Session, Refusal> {
        tickets.enter(&ticket, Some(proof), at(0))
    };
    assert!(enter(&mut tickets, &old_proof).is_ok());
    assert!(enter(&mut tickets, &new_proof).is_ok());
    tickets.set_secrets(vec![secret(2)]).unwrap();
    for proof in [&old_proof, &new_proof] {
        assert_eq!(enter(&mut tickets, proof), Err(Refusal::Ticket));
    }
    assert_eq!(tickets.enter(&waiting, None, at(0)), Err(Refusal::Ticket));
    assert_eq!(tickets.set_secrets(vec![]), Err(Misuse::NoKey));
    assert_eq!(Secret::new(&[0; 31]).err(), Some(Misuse::SecretTooShort { bytes_min: 32 }));
}

/// [auth:tickets-per-user]
#[test]
fn one_user_takes_only_so_much_room() {
    let mut limits = Limits::default();
    limits.tickets_per_user_max = 2;
    limits.tickets_max = 9;
    let mut tickets = tickets(limits);
    let named = |user: Option<&str>| Identity { user: user.map(str::to_owned), ..ann() };
    let mut entropy = 0_u8;
    let mut issue = |tickets: &mut Tickets, issuer: &Identity, user: Option<&str>, ms| {
        entropy += 1;
        tickets.issue(issuer, &named(user), 30_000, &[entropy; 24], at(ms))
    };
    let bob = Identity { user: Some("bob".to_owned()), ..Identity::anonymous() };
    // Whoever issues them: the back end for bob, bob for himself.
    let first = issue(&mut tickets, &shop(), Some("bob"), 0).unwrap();
    issue(&mut tickets, &bob, Some("bob"), 0).unwrap();
    for issuer in [&shop(), &bob] {
        let refused = issue(&mut tickets, issuer, Some("bob"), 0);
        assert_eq!(refused, Err(Refusal::TicketsFull));
    }
    // Those without a name who issue for themselves count together.
    let nobody = Identity::anonymous();
    issue(&mut tickets, &nobody, None, 0).unwrap();
    issue(&mut tickets, &nobody, None, 0).unwrap();
    assert_eq!(issue(&mut tickets, &nobody, None, 0), Err(Refusal::TicketsFull));
    // Others have room, and a back end for pages of nobody as well.
    for _ in 0..3 {
        issue(&mut tickets, &shop(), None, 0).unwrap();
    }
    issue(&mut tickets, &shop(), Some("eve"), 0).unwrap();
    // One that is used or has expired makes room.
    tickets.enter(&first, None, at(0)).unwrap();
    issue(&mut tickets, &bob, Some("bob"), 0).unwrap();
    assert_eq!(issue(&mut tickets, &bob, Some("bob"), 0), Err(Refusal::TicketsFull));
    issue(&mut tickets, &bob, Some("bob"), 30_000).unwrap();
    assert_eq!(tickets.outstanding(30_000), 1);
    assert_eq!(tickets.outstanding(60_000), 0);
}

/// [auth:user-name]
#[test]
fn tickets_are_for_users_with_names_of_users() {
    let mut tickets = tickets(Limits::default());
    for bad in ["", "a\r\nSet-Cookie: x", "a\0", &"x".repeat(201), "key:shop"] {
        let odd = Identity { user: Some(bad.to_owned()), ..ann() };
        let refused = tickets.issue(&shop(), &odd, 1000, &[0; 24], at(0));
        assert_eq!(refused, Err(Refusal::Forbidden), "{bad:?}");
    }
    assert_eq!(tickets.outstanding(0), 0);
}

/// [auth:ticket-clock] A calendar that is wrong for a while neither kills the tickets that wait nor
/// keeps those that were issued then.
#[test]
fn a_ticket_waits_by_a_clock_that_does_not_jump() {
    const YEARS_MS: u64 = 10 * 365 * 86_400_000;
    for wrong in [unix(YEARS_MS), UnixTime::from_millis(5)] {
        let mut limits = Limits::default();
        limits.tickets_per_user_max = 2;
        limits.tickets_max = 2;
        let mut tickets = tickets(limits);
        let forever = Identity { ends_ms: None, ..ann() };
        let issue = |tickets: &mut Tickets, entropy, now| {
            tickets.issue(&shop(), &forever, 30_000, &[entropy; 24], now)
        };
        let before = issue(&mut tickets, 1, at(0)).unwrap();
        let during = Moment { unix: wrong, elapsed_ms: 1_000 };
        let meanwhile = issue(&mut tickets, 2, during).unwrap();
        assert_eq!(issue(&mut tickets, 3, during), Err(Refusal::TicketsFull));
        // Right again: both are good, and both go when their time has passed.
        assert_eq!(tickets.outstanding(2_000), 2);
        assert_eq!(issue(&mut tickets, 4, at(2_000)), Err(Refusal::TicketsFull));
        assert_eq!(tickets.outstanding(30_000), 1);
        issue(&mut tickets, 5, at(31_000)).unwrap();
        issue(&mut tickets, 6, at(31_000)).unwrap();
        for late in [&before, &meanwhile] {
            assert_eq!(tickets.enter(late, None, at(31_000)), Err(Refusal::Ticket));
        }
        let next = issue(&mut tickets, 7, at(62_000)).unwrap();
        // The session's end is a date: it depends on the calendar.
        let entered = tickets.enter(&next, None, Moment { unix: wrong, elapsed_ms: 62_001 });
        assert_eq!(entered.err(), (wrong > unix(0)).then_some(Refusal::SessionOver));
    }
}

/// [auth:ticket-hashed] [auth:ticket-life]
#[test]
fn a_ticket_for_another_table_comes_with_all_that_the_table_has_to_know() {
    let mut limits = Limits::default();
    limits.tickets_max = 7;
    limits.tickets_per_user_max = 3;
    let mut tickets = tickets(limits);
    let seal = |identity: &Identity, life_ms| {
        tickets.seal(&shop(), identity, life_ms, &[4; 24], unix(0)).unwrap()
    };
    let (ticket, record) = seal(&ann(), 30_000);
    assert_eq!((record.life_ms, record.tickets_max, record.per_holder_max), (30_000, 7, 3));
    assert_eq!(seal(&ann(), u64::MAX).1.life_ms, limits.ticket_ms_max);
    let (_, again) = seal(&Identity { subscribe: Grants::default(), ..ann() }, 1);
    assert_ne!(again.hash, record.hash);
    assert_eq!(again.holder, record.holder, "of one user");
    assert_eq!(seal(&Identity { user: None, ..ann() }, 1).1.holder, None);
    let nobody = Identity { user: None, ..ann() };
    let (_, by_nobody) = tickets.seal(&nobody, &nobody, 1, &[5; 24], unix(0)).unwrap();
    assert!(by_nobody.holder.is_some(), "nameless issuers have one quota");
    // This table does not know it.
    assert_eq!(tickets.outstanding(0), 0);
    assert_eq!(tickets.enter(&ticket, None, at(0)), Err(Refusal::Ticket));
    let session = tickets.open(&ticket, None, unix(0)).unwrap();
    assert_eq!(session.identity(), &ann());
    assert_eq!(session.ticket_hash(), record.hash);
    for (identity, refusal) in [
        (shop(), Refusal::Forbidden),
        (Identity { user: Some(String::new()), ..ann() }, Refusal::Forbidden),
        (Identity { ends_ms: Some(NOW_MS), ..ann() }, Refusal::SessionOver),
    ] {
        let refused = tickets.seal(&shop(), &identity, 1, &[6; 24], unix(0));
        assert_eq!(refused.map(|_| ()), Err(refusal));
    }
}

/// [auth:session-proof]
#[test]
fn a_ticket_of_another_table_resumes_its_session_by_its_proof_and_by_no_other() {
    let (one, other) = (tickets(Limits::default()), tickets(Limits::default()));
    let sealed = |byte| one.seal(&shop(), &ann(), 30_000, &[byte; 24], unix(0)).unwrap().0;
    let (ticket, foreign) = (sealed(1), sealed(2));
    let begun = other.open(&ticket, None, unix(0)).unwrap();
    assert!(!begun.is_resumed(), "the table has to redeem it");
    let proof = other.proof(&begun, unix(0));
    let resumed = one.open(&ticket, Some(&proof), unix(1_000)).unwrap();
    assert!(resumed.is_resumed());
    assert_eq!(resumed.id(), begun.id());
    let begins = one.open(&foreign, Some(&proof), unix(0)).unwrap();
    assert!(!begins.is_resumed(), "the cursor of an older session resumes nothing");
    for wrong in ["", "x", "1~", &format!("{proof}A"), &proof[1..]] {
        assert!(!one.open(&ticket, Some(wrong), unix(0)).unwrap().is_resumed(), "{wrong}");
    }
    let late = unix(Limits::default().resume_ms + 120_000);
    assert_eq!(one.open(&ticket, Some(&proof), late), Err(Refusal::SessionOver));
    assert_eq!(one.open(&ticket, None, unix(3_600_000)), Err(Refusal::SessionOver));
    let stranger = Tickets::new(vec![secret(2)], Limits::default()).unwrap();
    assert_eq!(stranger.open(&ticket, None, unix(0)), Err(Refusal::Ticket));
    for wrong in ["", "x", &ticket[1..], &format!("{ticket}A"), &"A".repeat(5000), "\u{e9}"] {
        assert_eq!(one.open(wrong, None, unix(0)), Err(Refusal::Ticket), "{wrong}");
    }
}

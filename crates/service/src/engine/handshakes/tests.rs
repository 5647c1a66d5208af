//! Handshakes of storms and of newcomers, counted out.

use std::net::Ipv6Addr;

use proptest::prelude::*;

use super::*;

fn address(number: u32) -> Account {
    Account::Address(Ipv6Addr::from_bits(u128::from(number) << 64))
}

fn stranger(account: &Account) -> Opener<'_> {
    Opener { account: Some(account), is_known: false }
}

/// A quarter of all for one account.
fn rates() -> (Handshakes, HandshakeRates) {
    let limits = Limits {
        address_handshakes_per_second: 500,
        address_handshakes_burst: 2_500,
        ..Limits::default()
    };
    (Handshakes::new(&limits), HandshakeRates::new(&limits))
}

/// A second in which an account tries as often as it can; how many it opens, and the longest wait.
fn storm(
    handshakes: &mut Handshakes,
    account: &Account,
    rates: &HandshakeRates,
    now_ms: u64,
) -> (usize, u64) {
    let (mut opened, mut longest_ms) = (0, 0);
    for ms in 0..1_000 {
        for _ in 0..10 {
            match handshakes.take(stranger(account), rates, now_ms + ms) {
                Ok(()) => opened += 1,
                Err(TurnedAway::Own(ms) | TurnedAway::All(ms)) => longest_ms = longest_ms.max(ms),
            }
        }
    }
    (opened, longest_ms)
}

/// [service:address-handshakes] [service:bound-handshakes]
#[test]
fn a_storm_of_one_address_makes_nobody_else_wait() {
    let (mut handshakes, rates) = rates();
    let (storming, mut newcomers) = (address(0), 1..);
    let mut opened = 0;
    for second in 0..60 {
        let (more, longest_ms) = storm(&mut handshakes, &storming, &rates, second * 1_000);
        opened += more;
        assert!(second == 0 || longest_ms > 10_000, "it is told to stay away: {longest_ms}");
        for _ in 0..50 {
            let newcomer = address(newcomers.next().expect("there are many"));
            let taken = handshakes.take(stranger(&newcomer), &rates, second * 1_000 + 999);
            assert_eq!(taken, Ok(()), "second {second}");
        }
    }
    assert_eq!(opened, 2_500 + 59 * 500 + 499, "the burst and the rate of one address");
}

/// [service:bound-handshakes] [hub:claims]
#[test]
fn storms_of_many_addresses_leave_some_for_newcomers_and_for_known_clients() {
    let (mut handshakes, rates) = rates();
    let storming: Vec<Account> = (0..40).map(address).collect();
    let user = Account::User("ann".into());
    for ms in 0..20_000_u64 {
        for number in 0..40 {
            let account = &storming[(number + usize::try_from(ms).expect("few")) % 40];
            let _ = handshakes.take(stranger(account), &rates, ms);
        }
        if ms > 10_000 && ms % 10 == 0 {
            let newcomer = address(1_000 + u32::try_from(ms).expect("few"));
            assert_eq!(handshakes.take(stranger(&newcomer), &rates, ms), Ok(()), "at {ms}");
        }
    }
    // Strangers that open nothing else come by the thousand: who is known gets in all the same.
    for number in 100_000..110_000 {
        let _ = handshakes.take(stranger(&address(number)), &rates, 20_000);
    }
    let refused = handshakes.take(stranger(&address(200_000)), &rates, 20_000);
    assert!(matches!(refused, Err(TurnedAway::All(_))), "{refused:?}");
    let known = Opener { account: Some(&user), is_known: true };
    let back_end = Opener { account: None, is_known: true };
    assert_eq!(handshakes.take(known, &rates, 20_000), Ok(()));
    assert_eq!(handshakes.take(back_end, &rates, 20_000), Ok(()));
}

/// [service:address-handshakes] Each comes back in its turn among those of its own address.
#[test]
fn the_wait_follows_the_crowd_of_who_is_refused() {
    let (mut handshakes, rates) = rates();
    let (crowded, quiet) = (address(0), address(1));
    let until_refused = |handshakes: &mut Handshakes, account: &Account| {
        while handshakes.take(stranger(account), &rates, 5).is_ok() {}
    };
    until_refused(&mut handshakes, &crowded);
    let mut last = 0;
    for _ in 0..10_000 {
        let Err(TurnedAway::Own(ms)) = handshakes.take(stranger(&crowded), &rates, 5) else {
            panic!("it is above its rate");
        };
        last = ms;
    }
    assert!((19_900..20_100).contains(&last), "10,000 at 500 a second: {last}");
    until_refused(&mut handshakes, &quiet);
    let refused = handshakes.take(stranger(&quiet), &rates, 5);
    assert!(matches!(refused, Err(TurnedAway::Own(1..10))), "{refused:?}");
    // They come back when they were told to, and get in.
    let mut opened = 0;
    for ms in (0..20_000).step_by(2) {
        opened += usize::from(handshakes.take(stranger(&crowded), &rates, 7 + ms).is_ok());
    }
    assert_eq!(opened, 10_000);
}

/// Someone who opens a stream: an address, a user, a back end.
fn opener(number: u32) -> (Option<Account>, bool) {
    match number {
        0 => (None, true),
        1 => (Some(Account::User("ann".into())), true),
        2 => (Some(Account::Nameless(Ipv6Addr::LOCALHOST)), true),
        other => (Some(address(other)), false),
    }
}

proptest! {
    /// [service:address-handshakes] [service:bound-handshakes] In any stretch of time, no account
    /// and not all together open more than their burst and what came in it; and a refusal says who
    /// was above: with a bucket of its own that is full, nobody is refused for it.
    #[test]
    fn no_share_is_exceeded(
        tries in proptest::collection::vec((0..7_u32, prop_oneof![3 => Just(0_u64), 1 => 0..400_u64]), 1..300),
        (all, burst) in (1..50_u32, 1..60_u32),
        (own, own_burst) in (1..20_u32, 1..30_u32),
    ) {
        let limits = Limits {
            handshakes_per_second: all,
            handshakes_burst: burst,
            address_handshakes_per_second: own,
            address_handshakes_burst: own_burst,
            ..Limits::default()
        };
        let (mut handshakes, rates) = (Handshakes::new(&limits), HandshakeRates::new(&limits));
        let (mut now_ms, mut opened) = (1_000, Vec::<(u32, u64)>::new());
        for (number, pause) in tries {
            now_ms += pause;
            let (account, is_known) = opener(number);
            let taken = handshakes.take(Opener { account: account.as_ref(), is_known }, &rates, now_ms);
            match taken {
                Ok(()) => opened.push((number, now_ms)),
                Err(TurnedAway::Own(_)) => {
                    let any = opened.iter().any(|it| it.0 == number);
                    prop_assert!(any && account.is_some(), "it has opened something");
                }
                Err(TurnedAway::All(_)) => prop_assert!(!opened.is_empty()),
            }
        }
        let within = |those: &[u64], per_second: u32, burst: u32| {
            those.iter().enumerate().all(|(at, first)| {
                those.iter().enumerate().skip(at).all(|(until, last)| {
                    let most = u64::from(burst) * 1_000 + (last - first) * u64::from(per_second);
                    (until - at + 1) as u64 * 1_000 <= most
                })
            })
        };
        let times: Vec<u64> = opened.iter().map(|it| it.1).collect();
        prop_assert!(within(&times, all, burst));
        for number in 1..7 {
            let own_times: Vec<u64> =
                opened.iter().filter(|it| it.0 == number).map(|it| it.1).collect();
            prop_assert!(within(&own_times, own, own_burst));
        }
    }
}

/// [service:bound-rated] A hostile network of very many addresses leaves a bounded table.
#[test]
fn addresses_that_are_remembered_are_bounded() {
    let limits = Limits { rated_max: 100, ..Limits::default() };
    let (mut handshakes, rates) = (Handshakes::new(&limits), HandshakeRates::new(&limits));
    for number in 0..100_000 {
        let _ = handshakes.take(stranger(&address(number)), &rates, 1_000);
        assert!(handshakes.own.len() <= 100 && handshakes.tries.len() <= 100);
    }
    for _ in 0..200 {
        assert_eq!(handshakes.take(stranger(&address(7)), &rates, 100_000), Ok(()));
    }
    assert_eq!((handshakes.own.len(), handshakes.tries.len()), (1, 1), "the others have rested");
}

/// A stream that finds all places taken has tried once. A poll has no handshake: its try is counted here.
#[test]
fn a_try_counts_once() {
    let (mut handshakes, rates) = rates();
    let (streams, polls) = (address(0), address(1));
    for tries in 1..=100 {
        assert_eq!(handshakes.take(stranger(&streams), &rates, 7), Ok(()));
        let _ = handshakes.turn_away(stranger(&streams), Places::AllOfTried, &rates, 7);
        let _ = handshakes.turn_away(stranger(&polls), Places::All, &rates, 7);
        for account in [&streams, &polls] {
            assert_eq!(handshakes.tries.taken(account, rates.quiet, 7), tries);
        }
    }
}

/// Whoever finds no place waits behind those of its account, or of its claim, that found none before. The accounts do
/// not wait for each other. [service:places-wait]
#[test]
fn the_more_find_no_place_the_longer_they_wait() {
    let (mut handshakes, rates) = rates();
    let (crowd, alone) = (address(0), address(1));
    // With 313 tries it is not busy yet.
    for (whose, per_second, count) in [(Places::Own, 500, 5_000), (Places::All, 2_000, 313)] {
        for number in 1..=count {
            let wait_ms = handshakes.turn_away(stranger(&crowd), whose, &rates, 7);
            assert_eq!(wait_ms, (number * 1_000_u64).div_ceil(per_second), "{whose:?}");
        }
    }
    assert_eq!(handshakes.turn_away(stranger(&alone), Places::Own, &rates, 7), 2);
    // A crowd that goes on has a claim of its own, which is not that of a quiet address.
    let waits = (0..1_000).map(|_| handshakes.turn_away(stranger(&crowd), Places::All, &rates, 7));
    assert_eq!(waits.last(), Some(500));
    assert_eq!(handshakes.turn_away(stranger(&alone), Places::All, &rates, 7), 157);
    // Nobody is told to wait for longer than a minute.
    let waits =
        (0..100_000).map(|_| handshakes.turn_away(stranger(&crowd), Places::Own, &rates, 7));
    let longest_ms = waits.max();
    assert_eq!(longest_ms, Some(60_000));
    // Those who are not counted wait among all.
    let back_end = Opener { account: None, is_known: true };
    assert_eq!(handshakes.turn_away(back_end, Places::Own, &rates, 7), 1);
}

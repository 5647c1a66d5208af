//! What shared caches are told: which answers they may keep, and for how long.

use std::time::Instant;

use crate::common::{self, Answered, PATIENCE, Running, Setup, ask, guarded_by, start, tickets};
use sockeye_auth::{AllowedOrigins, Grants, Identity, Keys, Limits, Taken};
use sockeye_hub::{Check, PatternUse, Run, Seq};
use sockeye_service::{Access, Guard, Namespaces, Readers, Rules};

pub(crate) const KEY: &str = "Authorization: ApiKey a_back_end_s_key_of_a_good_length_01\r\n";
const MOMENT: &str = "public, max-age=1";
const HOUR: &str = "public, max-age=3600, immutable";

/// Everybody may read `news` and `room`, where presence is kept; a key may do everything.
pub(crate) fn guarded(setup: &mut Setup) {
    let limits = Limits::default();
    let mut keys = Keys::new(limits);
    let all = || Grants::everything();
    let shop =
        Identity { subscribe: all(), publish: all(), tickets: all(), ..Identity::anonymous() };
    keys.add_text("shop", "a_back_end_s_key_of_a_good_length_01", shop).expect("a good key");
    let origins = AllowedOrigins::new(["https://app.example"]).expect("origins");
    setup.access = Some(Access::Guarded(Box::new(Guard {
        taken: Taken { origins, cookie: Some("session".to_owned()), ..Taken::default() },
        tickets: Some(tickets(limits)),
        ..guarded_by(keys, Identity::anonymous())
    })));
    setup.hub.settings.patterns = PatternUse::Allowed;
    let named = vec![
        ("news".to_owned(), rules(Readers::Anyone, None)),
        ("room".to_owned(), rules(Readers::Anyone, Some(1_000))),
    ];
    setup.namespaces = Namespaces { rules: Rules::default(), named };
}

fn rules(subscribe: Readers, presence_ms: Option<u64>) -> Rules {
    let mut rules = Rules::default();
    (rules.subscribe, rules.presence_ms) = (subscribe, presence_ms);
    rules
}

/// Publishes so many messages in `channel`, and gives their cursors.
fn publish(server: &Running, channel: &str, count: usize) -> Vec<String> {
    let publish = |at: usize| {
        let target = format!("/v1/channels/{channel}");
        let answered = ask(server.addr, "POST", &target, KEY, &at.to_string());
        answered.json()["cursor"].as_str().expect("a cursor").to_owned()
    };
    (1..=count).map(publish).collect()
}

fn get(server: &Running, target: &str, headers: &str) -> Answered {
    ask(server.addr, "GET", target, headers, "")
}

/// What an answer says to caches; there has to be one line.
fn kept(answered: &Answered) -> &str {
    let lines = answered.head.lines().filter(|line| line.starts_with("Cache-Control: "));
    assert_eq!(lines.count(), 1, "{answered:?}");
    answered.header("Cache-Control").expect("counted")
}

fn seqs(page: &serde_json::Value) -> Vec<u64> {
    let messages = page["messages"].as_array().expect("a list").iter();
    let seq = |text: &str| text.split(['-', '.']).nth(1).and_then(|seq| seq.parse().ok());
    messages.map(|it| it["cursor"].as_str().and_then(seq).expect("a small number")).collect()
}

/// [service:cache-public]
#[test]
fn only_what_everybody_gets_may_be_kept() {
    let server = start(guarded);
    let cursors = publish(&server, "news:1", 1);
    publish(&server, "room:1", 1);
    publish(&server, "staff:1", 1);
    let cursor = &cursors[0];
    let ticket = r#"{"channels":["news:>"],"session_ms":60000}"#;
    let ticket = ask(server.addr, "POST", "/v1/tickets", KEY, ticket).json();
    let ticket = ticket["ticket"].as_str().expect("a ticket");
    for (target, headers, wanted) in [
        (format!("/v1/poll?channel=news:1&cursor={cursor}"), "", MOMENT),
        ("/v1/poll?channel=news:1&cursor=earliest".to_owned(), "", MOMENT),
        ("/v1/poll?channel=news:1&channel=news:2&cursor=earliest".to_owned(), "", MOMENT),
        ("/v1/poll?channel=news:*&cursor=earliest".to_owned(), "", MOMENT),
        ("/v1/channels/news:1/history".to_owned(), "", MOMENT),
        // A credential was shown, though none is needed.
        ("/v1/poll?channel=news:1&cursor=earliest".to_owned(), KEY, "no-store"),
        (format!("/v1/poll?channel=news:1&cursor=earliest&ticket={ticket}"), "", "no-store"),
        ("/v1/channels/news:1/history".to_owned(), KEY, "no-store"),
        ("/v1/poll?channel=staff:1&cursor=earliest".to_owned(), KEY, "no-store"),
        ("/v1/channels/staff:1/history".to_owned(), KEY, "no-store"),
        // Presence is kept.
        ("/v1/poll?channel=room:1&cursor=earliest".to_owned(), "", "no-store"),
        ("/v1/poll?channel=news:1&channel=room:1&cursor=earliest".to_owned(), "", "no-store"),
        ("/v1/channels/room:1/history".to_owned(), "", "no-store"),
        // It begins now, or waits.
        ("/v1/poll?channel=news:1".to_owned(), "", "no-store"),
        ("/v1/poll?channel=news:1&cursor=now".to_owned(), "", "no-store"),
        ("/v1/poll?channel=news:1&cursor=earliest&wait=60".to_owned(), "", "no-store"),
        ("/v1/position?channel=news:1".to_owned(), "", "no-store"),
    ] {
        let answered = get(&server, &target, headers);
        assert_eq!(answered.status, 200, "{target}: {answered:?}");
        assert_eq!(kept(&answered), wanted, "{target} {headers}");
    }
    for target in ["/v1/poll?channel=staff:1&cursor=earliest", "/v1/channels/staff:1/history"] {
        let refused = get(&server, target, "");
        assert_eq!((refused.status, kept(&refused)), (401, "no-store"), "{target}");
    }
}

/// [service:cache-public]
#[test]
fn an_answer_that_nothing_is_new_is_kept_like_the_one_it_confirms() {
    let server = start(guarded);
    let cursor = publish(&server, "news:1", 1).remove(0);
    for target in
        ["/v1/channels/news:1/history", &format!("/v1/poll?channel=news:1&cursor={cursor}")]
    {
        let first = get(&server, target, "");
        let tag = first.header("ETag").expect("a tag").to_owned();
        for (headers, wanted) in [("", MOMENT), (KEY, "no-store")] {
            let headers = format!("{headers}If-None-Match: {tag}\r\n");
            let again = get(&server, target, &headers);
            assert_eq!((again.status, again.body.as_str()), (304, ""), "{target}");
            assert_eq!((kept(&again), again.header("ETag")), (wanted, Some(&*tag)), "{target}");
        }
        publish(&server, "news:1", 1);
        let headers = format!("If-None-Match: {tag}\r\n");
        assert_eq!(get(&server, target, &headers).status, 200, "{target}");
    }
}

/// [service:cache-for-good]
#[test]
fn pages_to_which_nothing_can_be_added_are_kept_for_long() {
    let server = start(guarded);
    let cursors = publish(&server, "news:1", 5);
    let (third, last) = (&cursors[2], &cursors[4]);
    let page = |query: &str| get(&server, &format!("/v1/channels/news:1/history?{query}"), "");
    for (query, wanted, messages) in [
        (format!("after={third}&limit=1"), HOUR, vec![4]),
        (format!("before={third}"), HOUR, vec![1, 2]),
        (format!("before={last}&limit=2"), HOUR, vec![3, 4]),
        // More may come behind these.
        (format!("after={third}"), MOMENT, vec![4, 5]),
        (format!("after={third}&limit=2"), MOMENT, vec![4, 5]),
        (format!("after={last}"), MOMENT, vec![]),
        // A number may be one of another epoch later.
        ("after=3&limit=1".to_owned(), MOMENT, vec![4]),
        ("before=3".to_owned(), MOMENT, vec![1, 2]),
        (String::new(), MOMENT, vec![1, 2, 3, 4, 5]),
    ] {
        let answered = page(&query);
        assert_eq!((kept(&answered), seqs(&answered.json())), (wanted, messages), "{query}");
    }
    // A position that is not reached yet has room below it.
    let ahead = last.replace("-5", "-7");
    assert_eq!(kept(&page(&format!("before={ahead}"))), MOMENT);
    publish(&server, "news:2", 1);
    assert_eq!(kept(&page(&format!("before={ahead}"))), HOUR);
    // Nothing comes behind an end.
    ask(server.addr, "POST", "/v1/channels/news:1/close", KEY, "");
    assert_eq!(kept(&page(&format!("after={third}"))), HOUR);
    // Nothing of another epoch, which a number would hide.
    let other = page(&format!("after={}", third.replacen("17-", "18-", 1)));
    assert_eq!((other.status, kept(&other)), (404, "no-store"), "{other:?}");
}

/// [service:cache-for-good] A restored log gives positions out a second time.
#[test]
fn a_cursor_of_a_lost_run_asks_for_no_page() {
    let server = start(|setup| {
        guarded(setup);
        setup.prepare = Some(Box::new(|mut service| {
            service.restore_runs(&[Run { first: Seq(1), check: Check::new(5) }]);
            service
        }));
    });
    let cursor = publish(&server, "news:1", 2).remove(1);
    let page =
        |cursor: &str| get(&server, &format!("/v1/channels/news:1/history?before={cursor}"), "");
    let own = page(&cursor);
    assert_eq!((own.status, kept(&own), seqs(&own.json())), (200, HOUR, vec![1]), "{own:?}");
    let lost = page(&cursor.replace(".5", ".6"));
    assert_eq!((lost.status, kept(&lost)), (404, "no-store"), "{lost:?}");
}

/// An end that is told again brings a client nowhere: an answer with nothing else is not for good, though it leaves
/// something for the next poll. [service:cache-for-good] [service:ended-before]
#[test]
fn an_end_that_is_told_again_makes_no_answer_final() {
    let server = start(|setup| {
        guarded(setup);
        (setup.hub.limits.pattern_list_max, setup.hub.limits.pattern_steps_max) = (0, 1);
    });
    publish(&server, "news:1", 1);
    let ended = ask(server.addr, "POST", "/v1/channels/news:1/close", KEY, "").json();
    let ended = ended["cursor"].as_str().expect("a cursor");
    for at in 0..20 {
        publish(&server, &format!("other:{at}"), 1);
    }
    let target = format!("/v1/poll?channel=news:1&channel=news:*&cursor={ended}");
    let answered = get(&server, &target, "");
    let body = answered.json();
    assert_eq!((&body["messages"], &body["more"]), (&serde_json::json!([]), &true.into()));
    assert!(body["ended"].as_array().is_some_and(|it| it.len() == 1), "{body}");
    assert_eq!(kept(&answered), MOMENT);
}

/// [service:cache-for-good]
#[test]
fn polls_that_leave_something_for_the_next_are_kept_for_long() {
    let server = start(|setup| {
        guarded(setup);
        setup.limits.poll_messages_max = 2;
    });
    let cursors = publish(&server, "news:1", 5);
    let poll = |cursor: &str| {
        let answered = get(&server, &format!("/v1/poll?channel=news:1&cursor={cursor}"), "");
        let body = answered.json();
        (kept(&answered).to_owned(), seqs(&body), body["more"].as_bool().expect("one"))
    };
    assert_eq!(poll(&cursors[0]), (HOUR.to_owned(), vec![2, 3], true));
    assert_eq!(poll(&cursors[3]), (MOMENT.to_owned(), vec![5], false));
    // A word does not name the epoch.
    assert_eq!(poll("earliest"), (MOMENT.to_owned(), vec![1, 2], true));
}

/// [service:cache-for-good]
#[test]
fn a_gap_is_for_one_client() {
    let server = start(guarded);
    publish(&server, "news:1", 1);
    for cursor in ["19-1", "17-9", "x"] {
        let answered = get(&server, &format!("/v1/poll?channel=news:1&cursor={cursor}"), "");
        assert_eq!(answered.json()["gaps"].as_array().map(Vec::len), Some(1), "{answered:?}");
        assert_eq!(kept(&answered), "no-store", "{cursor}");
    }
}

/// [service:cache-for-good]
#[test]
fn a_message_with_a_time_to_live_is_not_kept() {
    let server = start(guarded);
    let cursors = publish(&server, "news:1", 2);
    let perishable = "/v1/channels/news:1?ttl_ms=60000";
    assert_eq!(ask(server.addr, "POST", perishable, KEY, "x").status, 200);
    publish(&server, "news:1", 1);
    let (first, second) = (&cursors[0], &cursors[1]);
    for (target, wanted) in [
        (format!("/v1/poll?channel=news:1&cursor={second}"), "no-store"),
        (format!("/v1/channels/news:1/history?after={second}&limit=1"), "no-store"),
        (format!("/v1/channels/news:1/history?after={first}&limit=1"), HOUR),
    ] {
        assert_eq!(kept(&get(&server, &target, "")), wanted, "{target}");
    }
}

/// [service:cache-vary]
#[test]
fn kept_answers_say_what_they_depend_on() {
    let server = start(guarded);
    publish(&server, "news:1", 1);
    let page = "Origin: https://app.example\r\n";
    for target in ["/v1/poll?channel=news:1&cursor=earliest", "/v1/channels/news:1/history"] {
        for headers in ["", page] {
            let answered = get(&server, target, headers);
            let lines = answered.head.lines().filter(|line| line.starts_with("Vary: "));
            let lines: Vec<&str> = lines.collect();
            assert_eq!(
                lines,
                ["Vary: Authorization, Cookie, Origin, Last-Event-ID, Accept-Encoding"],
                "{target}"
            );
        }
    }
    // The cursor in the header outranks the one in the target.
    let header = get(&server, "/v1/poll?channel=news:1&cursor=earliest", "Last-Event-ID: 17-1\r\n");
    assert_eq!(seqs(&header.json()), [0_u64; 0]);
    // An open server takes no credentials.
    let open = start(|_| ());
    common::publish(open.addr, "a", "x");
    let answered = get(&open, "/v1/channels/a/history", "");
    assert_eq!(
        (kept(&answered), answered.header("Vary")),
        (MOMENT, Some("Last-Event-ID, Accept-Encoding"))
    );
}

/// [service:history-next]
#[test]
fn a_page_says_where_the_next_begins() {
    let server = start(guarded);
    for at in 1..=7 {
        // In the middle are three that are gone at once.
        let ttl = if (3..=5).contains(&at) { "?ttl_ms=1" } else { "" };
        let target = format!("/v1/channels/news:1{ttl}");
        assert_eq!(ask(server.addr, "POST", &target, KEY, "x").status, 200);
    }
    let begun = Instant::now();
    while get(&server, "/v1/channels/news:1/history", "").json()["messages"][2]["cursor"] != "17-6"
    {
        assert!(begun.elapsed() < PATIENCE, "they do not expire");
    }
    let walk = |part: &str, from: &str| {
        let (mut pages, mut from) = (Vec::new(), from.to_owned());
        loop {
            let target = format!("/v1/channels/news:1/history?limit=2&{part}={from}");
            let page = get(&server, &target, "").json();
            pages.push(seqs(&page));
            assert_eq!(page["more"] == true, page.get("next").is_some(), "{page}");
            let Some(next) = page.get("next") else { return pages };
            from = next.as_str().expect("a cursor").to_owned();
        }
    };
    assert_eq!(walk("after", "0"), [vec![1, 2], vec![], vec![6], vec![7]]);
    assert_eq!(walk("before", "1000"), [vec![6, 7], vec![], vec![2], vec![1]]);
}

//! Pages of history that memory does not have.

use serde_json::Value;

use super::bounds::base36;
use super::naive::{Naive, TOKENS};
use super::{keep_turning, restarted};
use crate::caching::{KEY, guarded};
use crate::common::{Answered, Running, ask, publish};

fn get(server: &Running, query: &str, headers: &str) -> Answered {
    let target = format!("/v1/channels/c/history?{query}");
    keep_turning(server, || ask(server.addr, "GET", &target, headers, ""))
}

/// The texts of a page, its `more` and its `floor`.
fn page(server: &Running, query: &str) -> (Vec<u64>, bool, u64) {
    let page = get(server, query, "").json();
    assert_eq!(page["more"] == true, page["next"].is_string(), "{page}");
    let texts = page["messages"].as_array().expect("messages").iter();
    let number = |it: &Value| it["data"].as_str().expect("a text").parse().expect("a number");
    let floor = page["floor"].as_u64().expect("a number");
    (texts.map(number).collect(), page["more"].as_bool().expect("said"), floor)
}

/// `more` is true exactly if the archive has more.
///
/// [service:history-archive]
#[test]
fn pages_go_on_in_the_archive() {
    let disk = Naive::default();
    let server = restarted(&disk, |_| ());
    assert_eq!(page(&server, "limit=2"), (vec![TOKENS - 1, TOKENS], true, 0));
    assert_eq!(page(&server, "limit=2&before=4"), (vec![2, 3], true, 0));
    assert_eq!(page(&server, "limit=2&before=3"), (vec![1, 2], false, 0));
    assert_eq!(page(&server, "limit=2&before=1"), (vec![], false, TOKENS), "nothing is asked");
    assert_eq!(page(&server, "limit=2&after=7"), (vec![8, 9], true, 0));
    let last_two = format!("limit=2&after={}", TOKENS - 2);
    assert_eq!(page(&server, &last_two), (vec![TOKENS - 1, TOKENS], false, 0));
    disk.disk().floor = 10;
    assert_eq!(page(&server, "limit=1&before=12"), (vec![11], false, 10));
    assert_eq!(page(&server, "limit=1&before=13"), (vec![12], true, 10));
    assert_eq!(page(&server, "limit=1&before=5"), (vec![], false, 10));
    assert_eq!(page(&server, "limit=1&after=5"), (vec![11], true, 10));
    let nothing = get(&server, "limit=0&before=13", "").json();
    assert_eq!((&nothing["messages"], &nothing["more"]), (&serde_json::json!([]), &true.into()));
}

/// A page of no messages says that there are more, and `next` skips none of them.
///
/// [service:history-next]
#[test]
fn a_page_of_nothing_skips_nothing() {
    let disk = Naive::default();
    let server = restarted(&disk, |_| ());
    publish(server.addr, "c", "20001");
    disk.disk().last = TOKENS + 1;
    for after in [5, TOKENS] {
        let nothing = get(&server, &format!("limit=0&after={after}"), "").json();
        assert_eq!(
            (&nothing["messages"], &nothing["more"]),
            (&serde_json::json!([]), &true.into())
        );
        let from =
            nothing["next"].as_str().map_or_else(|| format!("17-{}", base36(after)), str::to_owned);
        assert_eq!(page(&server, &format!("limit=1&after={from}")).0, [after + 1]);
    }
}

/// Each message once, from either end, over memory and archive.
///
/// [service:history-archive] [service:history-next]
#[test]
fn all_pages_together_are_all_messages() {
    let disk = Naive::default();
    let server = restarted(&disk, |_| ());
    let live = 3;
    for seq in TOKENS + 1..=TOKENS + live {
        publish(server.addr, "c", &seq.to_string());
        disk.disk().last = seq;
    }
    let walk = |side: &str, from: &str| {
        let (mut all, mut query) = (Vec::new(), format!("limit=999&{side}={from}"));
        loop {
            let page = get(&server, &query, "").json();
            let messages = page["messages"].as_array().expect("messages").clone();
            all.push(messages);
            let Some(next) = page["next"].as_str() else { return all };
            query = format!("limit=999&{side}={next}");
        }
    };
    let text = |it: &Value| it["data"].as_str().expect("a text").to_owned();
    let expected: Vec<String> = (1..=TOKENS + live).map(|it| it.to_string()).collect();
    let forward: Vec<String> = walk("after", "0").concat().iter().map(text).collect();
    assert!(forward == expected, "{}", forward.len());
    let mut backward = walk("before", "999999");
    backward.reverse();
    let backward: Vec<String> = backward.concat().iter().map(text).collect();
    assert!(backward == expected, "{}", backward.len());
}

/// What the archive has dropped and memory still has is not missing.
///
/// [service:history-archive]
#[test]
fn memory_has_what_the_archive_has_dropped() {
    let disk = Naive::default();
    let server = restarted(&disk, |_| ());
    let first = TOKENS + 1;
    for seq in first..first + 3 {
        publish(server.addr, "c", &seq.to_string());
    }
    (disk.disk().floor, disk.disk().last) = (first + 1, first + 2);
    let all = vec![first, first + 1, first + 2];
    assert_eq!(page(&server, ""), (all.clone(), false, TOKENS));
    assert_eq!(page(&server, "after=3"), (all, false, TOKENS));
    let asked = disk.disk().asked.len();
    assert_eq!(page(&server, "limit=1").0, [first + 2], "memory alone knows");
    assert_eq!(disk.disk().asked.len(), asked);
}

/// The archive may have messages that no subscriber was told of yet.
///
/// [service:history-archive]
#[test]
fn a_page_ends_at_the_head() {
    let disk = Naive::default();
    let server = restarted(&disk, |_| ());
    disk.disk().last = TOKENS + 5;
    let newest = get(&server, "limit=1", "").json();
    assert_eq!(
        (&newest["cursor"], &newest["messages"][0]["data"]),
        (&"17-ffk".into(), &"20000".into())
    );
    let rest = format!("after={}", TOKENS - 1);
    assert_eq!(page(&server, &rest), (vec![TOKENS], false, 0));
    let asked = disk.disk().asked.len();
    assert_eq!(page(&server, &format!("after={TOKENS}")).0, Vec::<u64>::new());
    assert_eq!(disk.disk().asked.len(), asked);
}

/// A page of the archive is kept by caches like any other, with one `Vary`.
///
/// [service:cache-for-good] [service:cache-vary] [service:cors-every-answer]
#[test]
fn pages_of_the_archive_are_for_caches_too() {
    let disk = Naive::default();
    let server = restarted(&disk, |setup| {
        guarded(setup);
        setup.namespaces.rules.subscribe = sockeye_service::Readers::Anyone;
    });
    let origin = "Origin: https://app.example\r\n";
    let vary = "Authorization, Cookie, Origin, Last-Event-ID, Accept-Encoding";
    for (query, headers, kept, varies) in [
        ("before=17-a", "", "public, max-age=3600, immutable", vary),
        ("before=17-a", origin, "public, max-age=3600, immutable", vary),
        ("limit=2", origin, "public, max-age=1", vary),
        ("before=17-a", KEY, "no-store", ""),
        ("before=17-a", &format!("{KEY}{origin}"), "no-store", "Origin"),
    ] {
        let answered = get(&server, query, headers);
        let vary = answered.head.lines().filter_map(|line| line.strip_prefix("Vary: "));
        let vary: Vec<&str> = vary.collect();
        assert_eq!(answered.header("Cache-Control"), Some(kept), "{query} {headers}");
        assert_eq!(vary.join("|"), varies, "{query} {headers}");
        let allowed = answered.header("Access-Control-Allow-Origin");
        assert_eq!(allowed.is_some(), headers.contains("Origin"), "{answered:?}");
        let tag = answered.header("ETag").expect("a tag").to_owned();
        let again = format!("{headers}If-None-Match: \"x\", {tag}\r\n");
        let again = get(&server, query, &again);
        assert_eq!((again.status, again.header("ETag")), (304, Some(tag.as_str())));
        assert_eq!(again.header("Cache-Control"), Some(kept), "{query} {headers}");
    }
}

/// [service:archive-unavailable]
#[test]
fn without_its_archive_a_page_is_refused_and_one_of_memory_is_not() {
    let disk = Naive::default();
    disk.disk().is_broken = true;
    let server = restarted(&disk, |_| ());
    publish(server.addr, "c", "one");
    publish(server.addr, "c", "two");
    let refused = get(&server, "", "");
    assert_eq!((refused.status, &refused.json()["error"]["code"]), (503, &"unavailable".into()));
    assert!(refused.header("Retry-After").is_some());
    assert_eq!(get(&server, &format!("after={TOKENS}"), "").status, 200);
    assert_eq!(get(&server, "limit=1", "").status, 200);
}

//! How much one answer may be: [service:bound-answer], to the byte.

use crate::common::{Running, ask, publish, start};
use serde_json::Value;

/// A text of so many bytes that is written as six times as many.
fn control(bytes: usize) -> String {
    "\u{1}".repeat(bytes)
}

/// Starts a service whose answers may be so long, by either of the bounds; with five messages in `a`,
/// the last but one longer than the others.
fn five(answer_bytes: usize, queue_bytes: usize) -> Running {
    let server = start(|setup| {
        setup.limits.answer_bytes_max = answer_bytes;
        setup.limits.queue_bytes_max = queue_bytes;
    });
    for data in [control(500), control(500), control(500), control(1_100), control(500)] {
        publish(server.addr, "a", &data);
    }
    server
}

fn seqs(answer: &Value) -> Vec<u64> {
    let seq = |message: &Value| {
        let (_, seq) = message["cursor"].as_str().expect("a cursor").split_once('-').expect("one");
        seq.parse().expect("a small number")
    };
    answer["messages"].as_array().expect("a list").iter().map(seq).collect()
}

/// The bytes of all that is listed.
fn listed(body: &str, name: &str) -> usize {
    let from = body.find(&format!("\"{name}\":[")).expect("a list") + name.len() + 4;
    body[from..].find(']').expect("its end")
}

/// The numbers of the messages in each answer to a client that polls until it has all.
fn polled(server: &Running) -> Vec<Vec<u64>> {
    let (mut answers, mut cursor) = (Vec::new(), "earliest".to_owned());
    loop {
        let target = format!("/v1/poll?channel=a&wait=60&cursor={cursor}");
        let answer = ask(server.addr, "GET", &target, "", "").json();
        answers.push(seqs(&answer));
        cursor = answer["cursor"].as_str().expect("a cursor").to_owned();
        let all = answer["more"] == false;
        assert_eq!(answer.get("sync").is_some(), all, "it has caught up once it has all");
        if all {
            return answers;
        }
    }
}

/// The numbers of the messages in each page of history, forwards or backwards.
fn pages(server: &Running, forwards: bool) -> Vec<Vec<u64>> {
    let (mut pages, mut from) = (Vec::new(), if forwards { 0 } else { 1_000 });
    loop {
        let part = if forwards { "after" } else { "before" };
        let target = format!("/v1/channels/a/history?{part}={from}");
        let page = ask(server.addr, "GET", &target, "", "").json();
        let seqs = seqs(&page);
        from = if forwards { *seqs.last().expect("one") } else { seqs[0] };
        pages.push(seqs);
        if page["more"] == false {
            return pages;
        }
    }
}

#[test]
fn polls_and_pages_of_history_are_cut_to_the_byte() {
    let server = five(1, 64 * 1024);
    let one = ask(server.addr, "GET", "/v1/poll?channel=a&cursor=earliest", "", "");
    let bytes = listed(&one.body, "messages");
    assert!(bytes > 3_000, "it is written longer than it is: {bytes}");
    let each = vec![vec![1], vec![2], vec![3], vec![4], vec![5]];
    assert_eq!((polled(&server), pages(&server, true)), (each.clone(), each));
    let three = bytes * 3 + 2;
    for (answer, queue) in [(three, 64 * 1024), (64 * 1024, three)] {
        let server = five(answer, queue);
        let all = vec![vec![1, 2, 3], vec![4], vec![5]];
        assert_eq!((polled(&server), pages(&server, true)), (all.clone(), all));
        assert_eq!(pages(&server, false), [vec![5], vec![4], vec![1, 2, 3]]);
        let server = five(answer - 1, queue - 1);
        let all = vec![vec![1, 2], vec![3], vec![4], vec![5]];
        assert_eq!((polled(&server), pages(&server, true)), (all.clone(), all));
        assert_eq!(pages(&server, false), [vec![5], vec![4], vec![2, 3], vec![1]]);
    }
}

/// An end needs no room in a page, and is not what a page has to have.
#[test]
fn a_page_with_an_end_has_a_message_as_well() {
    let server = five(1, 1);
    ask(server.addr, "POST", "/v1/channels/a/close", "", "");
    let page = ask(server.addr, "GET", "/v1/channels/a/history", "", "").json();
    assert_eq!((seqs(&page), &page["ended"], &page["more"]), (vec![5], &true.into(), &true.into()));
    let polled = polled(&server);
    assert_eq!(polled.concat(), [1, 2, 3, 4, 5]);
}

#[test]
fn what_comes_at_once_for_a_poll_that_waits_is_cut_as_well() {
    let server = start(|setup| setup.limits.queue_bytes_max = 1_000);
    let addr = server.addr;
    let poll = std::thread::spawn(move || ask(addr, "GET", "/v1/poll?channel=a&wait=60", "", ""));
    server.wait_for_streams(1);
    let line = serde_json::json!({"channel": "a", "data": "x".repeat(600)}).to_string() + "\n";
    ask(addr, "POST", "/v1/batch", "", &line.repeat(3));
    let first = poll.join().expect("an answer").json();
    assert_eq!((seqs(&first), &first["more"]), (vec![1], &true.into()));
    let target = format!("/v1/poll?channel=a&cursor={}", first["cursor"].as_str().expect("one"));
    assert_eq!(seqs(&ask(addr, "GET", &target, "", "").json()), [2]);
}

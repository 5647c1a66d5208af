//! The bytes of each form, exactly, and `docs/protocol.md`, which shows them.

mod samples;

use std::collections::BTreeSet;

use samples::{Sample, samples};
use sockeye_hub::Token;
use sockeye_service::wire::{Advice, CloseReason, Code, Command, Limits, publish_json};

const DOC: &str = include_str!("../../../../docs/protocol.md");

/// The fenced blocks with this behind their fence.
fn blocks(info: &str) -> Vec<&'static str> {
    let fence = format!("```{info}\n");
    DOC.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap_or_default()).collect()
}

fn lines(info: &str) -> impl Iterator<Item = &'static str> {
    blocks(info).into_iter().flat_map(str::lines)
}

/// Clients are written against these.
#[test]
fn every_form_is_what_it_has_always_been() {
    for Sample { expected, written } in samples() {
        assert_eq!(written, expected);
    }
}

#[test]
fn what_a_server_says_is_what_the_code_writes() {
    let written: BTreeSet<String> = samples().into_iter().map(|sample| sample.written).collect();
    let events = blocks("text event-stream").into_iter().flat_map(|block| block.split("\n\n"));
    let events = events.map(|event| format!("{}\n\n", event.trim_end()));
    let shown: BTreeSet<String> =
        lines("json server").chain(lines("text server")).map(str::to_owned).chain(events).collect();
    let invented: Vec<_> = shown.difference(&written).collect();
    assert_eq!(invented, [] as [&String; 0], "shown, but never written");
    let hidden: Vec<_> = written.difference(&shown).collect();
    assert_eq!(hidden, [] as [&String; 0], "written, but not shown");
}

#[test]
fn what_a_client_says_is_what_the_code_takes() {
    let mut commands = 0;
    for line in lines("json client") {
        commands += 1;
        let command = Command::parse(line.as_bytes(), &Limits::DEFAULT);
        assert!(command.is_ok(), "{line}: {command:?}");
    }
    let mut publications = 0;
    for line in lines("json publish") {
        publications += 1;
        let publish = publish_json(line.as_bytes(), &Limits::DEFAULT);
        assert!(publish.is_ok(), "{line}: {publish:?}");
    }
    assert_eq!((commands, publications), (11, 3), "blocks were found");
}

#[test]
fn no_block_of_json_is_left_unchecked() {
    let fences = DOC.lines().filter(|line| line.starts_with("```") && *line != "```");
    let known = ["```json server", "```json client", "```json publish", "```text server"];
    let known_texts = ["```text event-stream", "```text http"];
    let checked = |line: &&str| known.contains(line) || known_texts.contains(line);
    let unchecked: Vec<_> = fences.filter(|line| !checked(line)).collect();
    assert_eq!(unchecked, ["```text"], "the form of a cursor");
}

#[test]
fn tables_are_complete() {
    for reason in CloseReason::ALL {
        let row = format!("| {} | `{}` |", reason.code(), reason.as_str());
        let row = DOC.lines().find(|line| line.starts_with(&row)).expect(&row);
        let ours = reason.code() >= 4000;
        let todo = match reason.advice() {
            Advice::Stop => "| stop |",
            Advice::BackOff if ours => "| back off |",
            Advice::BackOff => "| wait `retry_ms` |",
            Advice::Resume => "| come back at once |",
            Advice::Authenticate => "| new credentials |",
        };
        assert!(row.ends_with(todo), "{row}");
    }
    for code in Code::ALL {
        let row = format!("| `{}` | {} |", code.as_str(), code.status().code());
        assert!(DOC.contains(&row), "{row}");
    }
    let Limits {
        channels_max,
        json_depth_max,
        batch_items_max,
        query_pairs_max,
        auth_bytes_max,
        ttl_ms_max,
    } = Limits::DEFAULT;
    let rows = [
        format!("request | {channels_max} |"),
        format!("JSON | {json_depth_max} |"),
        format!("batch | {batch_items_max} |"),
        format!("query | {query_pairs_max} |"),
        format!("`auth` | {auth_bytes_max} bytes |"),
        format!("| `ttl_ms` | {ttl_ms_max} "),
        format!("at most {} bytes of", Token::BYTES_MAX),
    ];
    for row in rows {
        assert!(DOC.contains(&row), "{row}");
    }
}

#[test]
fn credentials_have_their_codes() {
    for refusal in sockeye_auth::Refusal::ALL {
        let row =
            format!("| `{}` | {} | {} |", refusal.code(), refusal.status(), refusal.close_code());
        assert!(DOC.contains(&row), "{row}");
    }
}

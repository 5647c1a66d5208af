//! Each rule of the client's half by itself.

use super::*;

const fn at(epoch: u64, seq: u64) -> Position {
    Position { epoch, seq }
}

fn ledger(cursor: Option<&str>) -> Ledger {
    Ledger::new(vec!["a".to_owned(), "b:*".to_owned()], cursor)
}

#[test]
fn patterns_cover_what_the_hub_says() {
    for (target, channel, wanted) in [
        ("a", "a", true),
        ("a", "a:b", false),
        ("a:*", "a:b", true),
        ("a:*", "a", false),
        ("a:*", "a:b:c", false),
        ("a:>", "a:b:c", true),
        ("a:>", "a", false),
        ("*:b", "x:b", true),
        (">", "x", true),
        ("a:>:c", "a:>:c", true),
        ("a:>:c", "a:b:c", false),
    ] {
        assert_eq!(covers(target, channel), wanted, "{target} {channel}");
    }
}

/// [client:hub-once]
#[test]
fn what_was_shown_is_known_within_its_life_of_the_log() {
    let mut ledger = ledger(Some("1a-5"));
    assert!(ledger.has_shown(at(10, 5)) && ledger.has_shown(at(10, 1)));
    assert!(!ledger.has_shown(at(10, 6)) && !ledger.has_shown(at(11, 1)));
    ledger.show("1a-7", at(10, 7));
    assert!(ledger.has_shown(at(10, 7)) && !ledger.has_shown(at(10, 8)));
    // A cursor without a message shows nothing: what would come below it is not lost.
    ledger.reach("1a-c", at(10, 12));
    assert!(!ledger.has_shown(at(10, 8)));
}

/// [client:hub-cursor]
#[test]
fn a_cursor_goes_back_only_behind_a_gap_of_unknown_size() {
    let mut ledger = ledger(None);
    ledger.reach("1a-5", at(10, 5));
    ledger.reach("1a-3", at(10, 3));
    assert_eq!(ledger.cursor(), Some("1a-5"));
    ledger.reach("10-0", Position::NOWHERE);
    assert_eq!(ledger.cursor(), Some("1a-5"));
    ledger.excuse(Some("a"));
    ledger.reach("1a-3", at(10, 3));
    assert_eq!(ledger.cursor(), Some("1a-3"));
    ledger.reach("1a-2", at(10, 2));
    assert_eq!(ledger.cursor(), Some("1a-3"), "once");
}

/// [client:hub-cursor]
#[test]
fn what_comes_before_the_first_word_moves_no_cursor() {
    let mut ledger = ledger(Some("1a-5"));
    assert_eq!(ledger.hint("1a-9", at(10, 9)), Place::Ours);
    assert_eq!(ledger.hint("1b-9", at(11, 9)), Place::Ours);
    assert_eq!(ledger.cursor(), Some("1a-5"));
    ledger.hint("1a-5~p~q", at(10, 5));
    assert_eq!(ledger.cursor(), Some("1a-5~p~q"), "the same place with a proof");
    ledger.hear();
    ledger.hint("1a-9", at(10, 9));
    assert_eq!(ledger.cursor(), Some("1a-9"));
    ledger.begin();
    ledger.hint("1a-c", at(10, 12));
    assert_eq!(ledger.cursor(), Some("1a-9"));
}

#[test]
fn without_a_cursor_the_first_one_is_taken() {
    for none in [None, Some(""), Some("now")] {
        let mut ledger = ledger(none);
        assert_eq!(ledger.cursor(), None);
        ledger.hint("10-0", Position::NOWHERE);
        assert_eq!(ledger.cursor(), None);
        ledger.hint("1a-9", at(10, 9));
        assert_eq!(ledger.cursor(), Some("1a-9"));
    }
    let mut ledger = ledger(Some("earliest"));
    ledger.hint("1a-9", at(10, 9));
    assert_eq!(ledger.cursor(), Some("earliest"));
}

/// [client:hub-epoch]
#[test]
fn another_life_of_the_log_needs_a_gap_for_all() {
    let mut ledger = ledger(Some("1a-5"));
    assert_eq!(ledger.place(at(11, 1)), Place::Foreign);
    assert_eq!(ledger.place(at(10, 1)), Place::Ours);
    ledger.excuse(Some("a"));
    assert_eq!(ledger.place(at(11, 1)), Place::Foreign, "not for the pattern");
    ledger.excuse(Some("b:*"));
    assert_eq!(ledger.place(at(11, 1)), Place::Ours);
    ledger.show("1b-1", at(11, 1));
    assert_eq!(ledger.place(at(10, 6)), Place::Foreign, "and once");
    ledger.excuse(None);
    assert_eq!(ledger.place(at(12, 1)), Place::Ours);
    assert!(!ledger.has_shown(at(11, 1)));
}

#[test]
fn what_has_ended_is_struck_once() {
    let mut ledger = ledger(None);
    assert!(!ledger.is_struck("a") && !ledger.is_struck("b:1"));
    assert!(ledger.strike("a") && !ledger.strike("a") && !ledger.strike("b:1"));
    assert!(ledger.is_struck("a") && !ledger.is_struck("b:1"));
    assert_eq!(ledger.wanted(), ["b:*"]);
    assert!(ledger.covers("a") && ledger.covers("b:1") && !ledger.covers("c"));
}

#[test]
fn an_end_before_the_cursor_is_known() {
    let head = at(10, 9);
    for (cursor, struck) in [
        (Some("1a-5"), true),
        (Some("1a-4"), false),
        (Some("1b-9"), false),
        (Some("x"), false),
        (None, true),
    ] {
        let mut ledger = ledger(cursor);
        ledger.strike_known(head, &[("a", 5), ("other", 1)]);
        assert_eq!(ledger.is_struck("a"), struck, "{cursor:?}");
    }
}

/// [client:hub-gap] A pattern brings the end of a channel that a log which was put back has not ended yet.
#[test]
fn behind_a_gap_of_unknown_size_a_channel_may_end_again() {
    let mut ledger = ledger(Some("1a-5"));
    assert!(ledger.strike("a") && ledger.is_struck("a"));
    ledger.excuse(Some("b:*"));
    assert!(!ledger.is_struck("a") && !ledger.wants("a"));
}

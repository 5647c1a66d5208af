//! What each refusal of the hub becomes, and what each close asks of a client.

use std::collections::BTreeSet;

use sockeye_hub::{Cursor, Misuse, Refusal, Seq};
use sockeye_service::wire::{Advice, CloseReason, Code, Problem};

/// [service:statuses]
#[test]
fn refusals_of_the_hub() {
    let seq = Seq(3);
    let cases = [
        (Refusal::MessageTooLarge { bytes_max: 9 }, "too_large", 413),
        (Refusal::Key, "bad_key", 400),
        (Refusal::Ended { at: seq }, "channel_ended", 409),
        (Refusal::Unexpected { last: seq }, "expect_failed", 409),
        (Refusal::Forgotten { through: seq }, "expect_failed", 409),
        (Refusal::Undecided { pending: Cursor::default() }, "expect_undecided", 503),
        (Refusal::Backlog, "overloaded", 503),
        (Refusal::Channels, "overloaded", 503),
        (Refusal::Endings, "overloaded", 503),
        (Refusal::Keys, "too_many_keys", 503),
        (Refusal::Patterns, "overloaded", 503),
        (Refusal::PatternsOff, "patterns_off", 403),
        (Refusal::Subscribers, "overloaded", 503),
        (Refusal::Subscriptions, "too_many_subscriptions", 400),
        (Refusal::Subscribed, "already_subscribed", 409),
    ];
    for (refusal, code, status) in cases {
        let problem = Problem::from(refusal);
        assert_eq!((problem.code.as_str(), problem.status().code()), (code, status));
        let setting = if code == "too_large" { " (message_bytes)" } else { "" };
        assert_eq!(problem.message, format!("{refusal}{setting}"));
        assert_eq!(problem.code.is_retryable(), status == 503);
    }
}

/// [service:statuses]
#[test]
fn a_misuse_is_ours_and_is_not_explained() {
    let misuses = [
        Misuse::NotPending,
        Misuse::OutOfOrder { next: Seq(3) },
        Misuse::Pending,
        Misuse::SameEpoch,
    ];
    for misuse in misuses {
        let problem = Problem::from(misuse);
        assert_eq!((problem.code, problem.status().code()), (Code::Internal, 500));
        assert_eq!(problem.message, "the hub could not do that");
    }
}

/// [service:statuses]
#[test]
fn codes_are_words_and_each_has_a_status() {
    let words: BTreeSet<_> = Code::ALL.into_iter().map(Code::as_str).collect();
    assert_eq!(words.len(), Code::ALL.len());
    for code in Code::ALL {
        assert!(code.as_str().bytes().all(|it| it.is_ascii_lowercase() || it == b'_'));
        let status = code.status().code();
        assert!(
            (400..600).contains(&status)
                && sockeye_server::Status::new(status).is_some_and(|it| !it.reason().is_empty()),
            "{code:?}"
        );
        assert_eq!(code.is_retryable(), [429, 503].contains(&status), "{code:?}");
    }
}

/// [service:close-ranges]
#[test]
fn a_close_code_says_by_its_range_what_to_do() {
    let mut last = 0;
    for reason in CloseReason::ALL {
        let code = reason.code();
        assert!(code > last, "in order, and no number twice");
        last = code;
        let advice = match code {
            1001 => Advice::Resume,
            1012 | 1013 | 4100..=4199 => Advice::BackOff,
            4000..=4099 => Advice::Stop,
            4200..=4299 => Advice::Resume,
            4300..=4399 => Advice::Authenticate,
            other => panic!("{other} is in no range"),
        };
        assert_eq!(reason.advice(), advice, "{reason:?}");
        assert!(reason.text(Some(u64::MAX)).len() <= 123, "it fits in a Close frame");
    }
}

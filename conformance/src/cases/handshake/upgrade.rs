//! `Upgrade` and `Connection`.

use super::{Variant, accepted, not_upgraded};

const UPGRADE: &str = "RFC 6455 §4.2.1";
const CONNECTION: &str = "RFC 9110 §7.6.1";
const LISTS: &str = "RFC 9110 §5.6.1.2";

pub(super) const VARIANTS: &[Variant] = &[
    not_upgraded("upgrade-absent", UPGRADE, "A request without Upgrade", |r| r.remove("Upgrade"))
        .status(&[426])
        .header("Upgrade", "websocket"),
    not_upgraded("upgrade-other", UPGRADE, "An upgrade to something else", |r| {
        r.set("Upgrade", "h2c");
    })
    .status(&[426])
    .header("Upgrade", "websocket"),
    not_upgraded("upgrade-longer", UPGRADE, "A longer word is not websocket", |r| {
        r.set("Upgrade", "websockets");
    }),
    not_upgraded("upgrade-inside", UPGRADE, "websocket within a word does not count", |r| {
        r.set("Upgrade", "notwebsocket");
    }),
    not_upgraded("upgrade-versioned", "RFC 9110 §7.8", "websocket/13 is another protocol", |r| {
        r.set("Upgrade", "websocket/13");
    })
    .policy("protocol-version is part of the name, and nobody registered one for websocket"),
    accepted("upgrade-case", UPGRADE, "Upgrade is compared without regard to case", |r| {
        r.set("Upgrade", "WebSocket");
    }),
    accepted("upgrade-list", "RFC 9110 §7.8", "Upgrade is a list", |r| {
        r.set("Upgrade", "h2c, websocket");
    })
    .policy("RFC 6455 speaks of the value, RFC 9110 of a list: the newer and wider one is taken"),
    accepted("upgrade-name-case", "RFC 9110 §5.1", "Header names have no case", |r| {
        r.lines.iter_mut().for_each(|line| {
            let name = line.iter().position(|&b| b == b':').unwrap_or(0);
            line[..name].make_ascii_uppercase();
        });
    }),
    not_upgraded("connection-absent", UPGRADE, "A request without Connection", |r| {
        r.remove("Connection");
    })
    .status(&[426, 400]),
    not_upgraded("connection-keep-alive", UPGRADE, "Connection without upgrade", |r| {
        r.set("Connection", "keep-alive");
    })
    .status(&[426, 400]),
    not_upgraded("connection-notupgrade", CONNECTION, "notupgrade is not upgrade", |r| {
        r.set("Connection", "notupgrade");
    }),
    not_upgraded("connection-upgrade-insecure", CONNECTION, "upgrade-x is not upgrade", |r| {
        r.set("Connection", "keep-alive, upgrade-insecure-requests");
    }),
    not_upgraded("connection-quoted", CONNECTION, "A quoted upgrade is not a token", |r| {
        r.set("Connection", "\"Upgrade\"");
    }),
    accepted("connection-list", UPGRADE, "upgrade as one of several tokens", |r| {
        r.set("Connection", "keep-alive, Upgrade");
    }),
    accepted("connection-list-first", UPGRADE, "upgrade as the first of several tokens", |r| {
        r.set("Connection", "Upgrade,keep-alive");
    }),
    accepted("connection-case", UPGRADE, "Connection is compared without regard to case", |r| {
        r.set("Connection", "uPGRADE");
    }),
    accepted(
        "connection-two-lines",
        "RFC 9110 §5.3",
        "The token on the second of two lines",
        |r| {
            r.set("Connection", "keep-alive");
            r.add("Connection", "Upgrade");
        },
    ),
    accepted(
        "connection-two-lines-first",
        "RFC 9110 §5.3",
        "The token on the first of two lines",
        |r| {
            r.set("Connection", "Upgrade");
            r.add("Connection", "keep-alive");
        },
    ),
    accepted("connection-empty-elements", LISTS, "Empty list elements and tabs are ignored", |r| {
        r.set("Connection", ", ,\tUpgrade\t,");
    }),
];

//! Pages of other sites: browsers add the cookie of who looks at them.

use crate::abuse::peer::{Peer, ask};
use crate::abuse::world::World;

/// Origins that are none of `https://app.example`'s, as header lines.
const FOREIGN: [&str; 14] = [
    "",
    "Origin: https://evil.example\r\n",
    "Origin: null\r\n",
    "Origin: \r\n",
    "Origin: https://app.example.evil.com\r\n",
    "Origin: https://evilapp.example\r\n",
    "Origin: https://evil.com/https://app.example\r\n",
    "Origin: http://app.example\r\n",
    "Origin: https://app.example:444\r\n",
    "Origin: https://app.example:443\r\n",
    "Origin: https://app.example.\r\n",
    "Origin: https://app.example/\r\n",
    "Origin: https://APP.example\r\n",
    "Origin: https://app.example, https://evil.example\r\n",
];

/// Cross-site WebSocket hijacking.
#[test]
fn no_page_of_others_opens_a_socket_in_the_name_of_who_looks_at_it() {
    let world = World::start("hijack");
    let cookie = format!("Cookie: session={}\r\n", world.token(1, "ann", &["chat:1"]));
    let (target, subscribe) = ("/v1/ws", r#"{"type":"subscribe","channels":["chat:1"]}"#);
    let sites = ["", "Sec-Fetch-Site: same-origin\r\n", "Sec-Fetch-Site: none\r\n"];
    for origin in FOREIGN {
        for site in sites {
            let headers = format!("{cookie}{origin}{site}");
            let closed = Peer::upgrade(world.addr, target, &headers).socket().closed();
            assert_eq!(closed, (4002, "origin_not_allowed".to_owned()), "{origin} {site}");
        }
    }
    let twice = "Origin: https://app.example\r\nOrigin: https://evil.example\r\n";
    let answer = Peer::upgrade(world.addr, target, &format!("{cookie}{twice}"));
    match answer.status {
        101 => assert_eq!(answer.socket().closed().0, 4001),
        status => assert_eq!(status, 400),
    }
    let own = format!("{cookie}Origin: https://app.example\r\n");
    let mut socket = Peer::upgrade(world.addr, target, &own).socket();
    socket.send(subscribe);
    assert_eq!(socket.until("subscribed")["channels"][0], "chat:1");
    // A page of others with a ticket of its own is who the ticket says, and the cookie is nothing.
    let ticket = world.ticket(r#"{"user":"eve","channels":["other:1"]}"#);
    let evil = format!("{cookie}Origin: https://evil.example\r\n");
    let target = format!("/v1/ws?ticket={ticket}");
    let mut socket = Peer::upgrade(world.addr, &target, &evil).socket();
    socket.send(subscribe);
    assert_eq!(socket.until("error")["code"], "forbidden");
}

/// Cross-site request forgery, and reading across sites.
#[test]
fn no_page_of_others_publishes_or_reads_with_the_cookie() {
    let world = World::start("forgery");
    let cookie = format!("Cookie: session={}\r\n", world.token(1, "ann", &["chat:1"]));
    let requests = [
        ("POST", "/v1/channels/chat:1"),
        ("POST", "/v1/publish"),
        ("POST", "/v1/batch"),
        ("POST", "/v1/tickets"),
        ("POST", "/v1/channels/chat:1/close"),
        ("GET", "/v1/sse?channel=chat:1"),
        ("GET", "/v1/poll?channel=chat:1&wait=0"),
        ("GET", "/v1/channels/chat:1/history"),
        ("GET", "/v1/position?channel=chat:1"),
    ];
    let body = r#"{"channel":"chat:1","data":"forged"}"#;
    for origin in FOREIGN {
        for (method, target) in requests {
            // What a form can send without a preflight.
            let headers = format!("{cookie}{origin}Content-Type: text/plain\r\n");
            let refused = ask(world.addr, method, target, &headers, body);
            let found = (refused.status, refused.code());
            assert_eq!(found, (403, "origin_not_allowed".to_owned()), "{origin} {target}");
        }
    }
    // Browsers send no Origin with a GET of the page's own site, and say so otherwise.
    let from = |site: &str| {
        let headers = format!("{cookie}Sec-Fetch-Site: {site}\r\n");
        ask(world.addr, "GET", "/v1/position?channel=chat:1", &headers, "")
    };
    assert_eq!(from("same-origin").status, 200);
    for site in ["same-site", "cross-site", "none", "", "same-origin, cross-site"] {
        assert_eq!(from(site).code(), "origin_not_allowed", "{site}");
    }
    assert_eq!(world.messages("chat:1"), 0);
    let own = format!("{cookie}Origin: https://app.example\r\n");
    let answer = ask(world.addr, "POST", "/v1/channels/chat:1", &own, "mine");
    assert_eq!(answer.status, 200, "{}", answer.code());
    assert_eq!(world.messages("chat:1"), 1);
}

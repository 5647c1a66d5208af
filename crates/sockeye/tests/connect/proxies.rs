//! Whose fault it is when a proxy stands in between.

use crate::common::child::bad;
use crate::common::scripted::answer;
use crate::common::{run, unused_addr};

#[test]
fn a_proxy_that_opens_no_tunnel_is_named() {
    let nobody = unused_addr();
    let tunnel = |proxy, answer: &str| {
        format!("the proxy {proxy} opens no tunnel to a.test, port 80: {answer}")
    };
    let refuse = |answer: &str| format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n");
    for (command, url) in [("connect", "ws://a.test/"), ("events", "http://a.test/")] {
        let asked = |proxy: &str, words: &str| {
            bad(&run(&[command, "--proxy", &format!("http://{proxy}"), url]), 1, words);
        };
        asked(
            &nobody.to_string(),
            &format!("cannot connect to the proxy {nobody}: connection refused"),
        );
        for (status, hint) in [
            ("407", "; it asks for credentials: --proxy-user gives them"),
            ("403 Forbidden", ""),
            ("502 Bad Gateway", "; it may not reach that server"),
            ("405 Method Not Allowed", "; is it a proxy?"),
        ] {
            let proxy = answer(refuse(status));
            asked(&proxy.to_string(), &tunnel(proxy, &format!("{status}{hint}")));
        }
        let proxy = answer("SSH-2.0-OpenSSH\r\n\r\n");
        asked(&proxy.to_string(), &format!("{proxy} is no HTTP proxy: "));
        // The tunnel is there, and what is behind it answers.
        let proxy =
            answer("HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
        asked(&proxy.to_string(), "the server answers 404 Not Found");
    }
}

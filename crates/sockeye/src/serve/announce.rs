//! The first words of a server: where it listens, what to try, and the limits that are in force.

use std::fmt::Write as _;

use sockeye_server::Limits;
use sockeye_terminal::{notice, print};

use crate::config::{Config, ListenAddress, ListenConfig, Part};

/// Says where the server listens, with an example for the first listener of channels.
pub(crate) fn announce(addresses: &[ListenAddress], config: &Config) {
    let listeners = || addresses.iter().zip(&config.listen.0);
    let shown = listeners().find(|(_, listener)| listener.parts.has(Part::Channels));
    let shown = shown.or_else(|| listeners().next());
    let Some((address, listener)) = shown else { return };
    let mut others = String::new();
    for (other, listener) in listeners().filter(|(it, _)| *it != address) {
        let _ = write!(others, "\n  and on {}", place(other, listener, config).0);
    }
    let examples = examples(place(address, listener, config), listener, config);
    let told = print::say(format_args!(
        "sockeye {} listens on {}{others}
{examples}
Ctrl-C ends it in good order.",
        env!("CARGO_PKG_VERSION"),
        place(address, listener, config).0
    ));
    // It serves all the same: clients do not read that.
    if let Err(why) = told {
        notice(format_args!("{why}"));
    }
}

/// The URL of a listener or the path of its socket; what curl is told; and the same for a WebSocket.
fn place(
    address: &ListenAddress,
    listener: &ListenConfig,
    config: &Config,
) -> (String, String, String) {
    let tls = if listener.speaks_tls(config.tls.is_some()) { "s" } else { "" };
    match address {
        ListenAddress::Tcp(addr) => {
            // [listen:example-url] Nobody can ask for "all addresses".
            let host = match addr.ip().is_unspecified() {
                true => format!("localhost:{}", addr.port()),
                false => addr.to_string(),
            };
            let place = format!("http{tls}://{addr}");
            (place, format!("http{tls}://{host}"), format!("ws{tls}://{host}"))
        }
        ListenAddress::Unix(path) => {
            let url = format!("--unix-socket {} http{tls}://localhost", path.display());
            (address.to_string(), url.clone(), url)
        }
    }
}

/// Commands to try.
fn examples(
    (_, url, web_socket): (String, String, String),
    listener: &ListenConfig,
    config: &Config,
) -> String {
    let shown = config.shown();
    let credential = shown.map_or(String::new(), |it| {
        format!("-H \"Authorization: {} ${}\" ", it.scheme(), it.variable())
    });
    let authority = config.dev_authority().filter(|_| url.starts_with("https:"));
    let trust = authority.map_or(String::new(), |ca| format!("--cacert {} ", ca.display()));
    let mut text = String::new();
    if config.serves_demo() && listener.parts.has(Part::Demo) {
        let _ = write!(
            text,
            "
  a page to look at       {url}/
  server-sent events      curl {trust}-N {url}/clock
  WebSocket echo          {web_socket}/echo
"
        );
    }
    if listener.parts.has(Part::Health) {
        let _ = write!(text, "\n  health                  curl {trust}{url}/healthz\n");
    }
    if listener.parts.has(Part::Channels) {
        // A URL with a question mark needs quotes, and a socket before it has none.
        let (flag, host) = url.rsplit_once(' ').map_or(("", &*url), |(flag, host)| (flag, host));
        let flag = if flag.is_empty() { String::new() } else { format!("{flag} ") };
        if let Some(it) = shown {
            let _ = write!(
                text,
                "\n  first the credential    export {}='...'    # {}",
                it.variable(),
                it.what()
            );
        }
        let _ = write!(
            text,
            "
  subscribe to a channel  curl {trust}{credential}-N {flag}'{host}/v1/sse?channel=news'
  publish into it         curl {trust}{credential}-d 'hello' {url}/v1/channels/news
  read its history        curl {trust}{credential}{url}/v1/channels/news/history
"
        );
    }
    text
}

/// The limits that are in force, where the machine or the file may have made them others.
pub(crate) fn tell(addresses: &[ListenAddress], config: &Config, limits: &Limits) {
    let listeners: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    log::info!(
        listeners = listeners.join(" "),
        connections = limits.connections_max,
        connections_per_address = limits.connections_per_address_max,
        streams = config.streams(limits.connections_max),
        http2 = limits.http2.is_some(),
        channels = config.limits.channels,
        history_bytes = config.limits.history_bytes,
        publish_bytes = limits.body_bytes_max,
        message_bytes = config.limits.message_bytes,
        queue_bytes = config.limits.queue_bytes,
        workers = config.workers,
        guarded = config.access.is_some(),
        tls = config.tls.is_some(),
        durable = config.data.is_some(),
        shared = config.backbone.is_some();
        "serving"
    );
}

#[cfg(test)]
mod tests {
    use super::place;
    use crate::config::{Config, ListenAddress};

    /// [listen:example-url]
    #[test]
    fn examples_name_a_host_that_one_can_ask() {
        for (text, listens, asked) in [
            (":8443", "http://[::]:8443", "localhost:8443"),
            ("0.0.0.0:80", "http://0.0.0.0:80", "localhost:80"),
            ("127.0.0.1:8080", "http://127.0.0.1:8080", "127.0.0.1:8080"),
            ("[::1]:8080", "http://[::1]:8080", "[::1]:8080"),
        ] {
            let address = ListenAddress::parse(text).expect("an address");
            let config = Config::default();
            let (shown, http, web_socket) = place(&address, &config.listen.0[0], &config);
            assert_eq!(shown, listens);
            assert_eq!((http, web_socket), (format!("http://{asked}"), format!("ws://{asked}")));
        }
    }
}

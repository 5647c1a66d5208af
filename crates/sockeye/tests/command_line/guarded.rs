//! A server that asks who it is: keys, tickets and tokens, from nothing.

use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::json;

use crate::command_line::program::{client, client_of, complaint, good, json_lines, text};
use crate::command_line::subscriber::{Subscriber, TRANSPORTS};
use crate::common::{Serving, serve, serve_anywhere, sockeye};

/// A directory of its own, removed when dropped.
pub(super) struct Room(PathBuf);

impl Room {
    pub(super) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sockeye-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a temporary directory");
        Self(path)
    }

    /// A file in it.
    pub(super) fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("UTF-8").to_owned()
    }

    /// Runs a line of a shell in it.
    fn shell(&self, line: &str, addr: &str) -> Command {
        let program = Path::new(env!("CARGO_BIN_EXE_sockeye")).parent().expect("a directory");
        let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap_or_default());
        let mut command = Command::new("sh");
        command.args(["-c", &line.replace("127.0.0.1:8080", addr)]).current_dir(&self.0);
        command.env("PATH", path).env("SOCKEYE_URL", format!("http://{addr}"));
        for name in ["SOCKEYE_API_KEY", "SOCKEYE_TOKEN", "SOCKEYE_LISTEN", "SOCKEYE_CONFIG"] {
            command.env_remove(name);
        }
        command.stdin(Stdio::null());
        command
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A guarded server with the keys in the room: `shop.key`, `users.key`, `users.pem`.
pub(super) fn guarded(room: &Room) -> Serving {
    let mut config = String::new();
    for (kind, file) in [
        ("api-key", "shop.key"),
        ("HS256", "users.key"),
        ("EdDSA", "users.pem"),
        ("tickets", "ticket.secret"),
    ] {
        let file = room.file(file);
        config += good(&client(&["token", "key", kind, "--out", &file]).output().expect("runs"));
    }
    std::fs::write(room.file("sockeye.toml"), config).expect("written");
    let file = room.file("sockeye.toml");
    serve(sockeye(&["serve", "--listen", "127.0.0.1:0", "--config", &file]))
}

/// The blocks of the README's chapter, line by line.
fn steps() -> Vec<Vec<String>> {
    let readme = include_str!("../../README.md");
    let chapter = readme.split_once("## A guarded server").expect("the chapter").1;
    let chapter = chapter.split("\n## ").next().unwrap_or_default();
    let blocks = chapter.split("```").skip(1).step_by(2);
    let lines = |block: &str| block.lines().skip(1).map(str::to_owned).collect();
    blocks.map(lines).collect()
}

/// What a server prints when it starts has a place for the key in a variable.
#[test]
fn examples_at_the_start_have_a_place_for_the_key() {
    let room = Room::new("examples");
    for (mut serving, has_place) in [(guarded(&room), true), (serve_anywhere(), false)] {
        let (mut commands, mut exports) = (Vec::new(), Vec::new());
        loop {
            let line = serving.says();
            assert!(!line.is_empty(), "it ends: {commands:?}");
            exports.extend(line.split_once("export ").map(|(_, export)| export.to_owned()));
            commands.extend(line.split_once("curl ").map(|(_, command)| command.to_owned()));
            if line.contains("Ctrl-C") {
                break;
            }
        }
        let of_hub: Vec<_> = commands.iter().filter(|command| command.contains("/v1/")).collect();
        assert_eq!(of_hub.len(), 3, "{commands:?}");
        let place = "-H \"Authorization: ApiKey $KEY\" ";
        assert!(of_hub.iter().all(|it| it.starts_with(place) == has_place), "{commands:?}");
        let is_named = exports.iter().any(|it| it.starts_with("KEY='...'    # an API key"));
        assert!(is_named == has_place && exports.len() < 2, "{exports:?}");
    }
}

#[test]
fn the_readme_goes_from_nothing_to_a_guarded_server() {
    let room = Room::new("readme");
    let blocks = steps();
    let [server, clients] = &blocks[..] else { panic!("two blocks: {blocks:?}") };
    let (start, keys) = server.split_last().expect("commands");
    assert_eq!((start.as_str(), server.len()), ("sockeye serve --config sockeye.toml", 5));
    for line in keys {
        let output = room.shell(line, "127.0.0.1:1").output().expect("a shell");
        good(&output);
    }
    let file = room.file("sockeye.toml");
    let serving = serve(sockeye(&["serve", "--config", &file, "--listen", "127.0.0.1:0"]));
    let addr = serving.addr.to_string();

    let (mut before, mut stream, mut outputs) = (String::new(), None, Vec::new());
    for line in clients {
        let line = line.split("  #").next().unwrap_or_default().trim_end();
        if line.starts_with("export ") {
            before = format!("{line}; ");
        } else if line.starts_with("curl -N ") {
            let line = format!("{before}exec {}", line.replace("curl", "curl -s"));
            let mut command = room.shell(&line, &addr);
            let mut child = command.stdout(Stdio::piped()).spawn().expect("a shell");
            let mut events = BufReader::new(child.stdout.take().expect("piped"));
            until(&mut events, "event: $sync");
            stream = Some((child, events));
        } else {
            let output = room.shell(&format!("{before}{line}"), &addr).output().expect("a shell");
            outputs.push(good(&output).to_owned());
        }
    }
    let (mut child, mut events) = stream.expect("an event stream");
    until(&mut events, "data: hello, guarded river");
    child.kill().expect("our child");
    child.wait().expect("our child");
    let [published, token, checked, received] = &outputs[..] else { panic!("{outputs:?}") };
    assert_eq!((published.as_str(), token.as_str()), ("published 1 message\n", ""));
    assert!(checked.starts_with("user       bob\nsubscribe  chat:*\npublish    nothing\nends"));
    let messages = json_lines(received);
    let message = messages.iter().find(|line| line["type"] == "message").expect("a message");
    assert_eq!(message["data"], "hello, guarded river");
}

fn until(events: &mut impl std::io::BufRead, wanted: &str) {
    let mut line = String::new();
    while line.trim_end() != wanted {
        line.clear();
        assert!(events.read_line(&mut line).expect("text") > 0, "it ended before {wanted}");
    }
}

fn run(args: &[&str]) -> Output {
    client(args).output().expect("it starts")
}

#[test]
fn keys_are_new_files_for_their_owner() {
    use std::os::unix::fs::PermissionsExt as _;
    let room = Room::new("keys");
    for (kind, says) in [
        ("api-key", "[[access.api_keys]]"),
        ("HS256", "algorithm = \"HS256\""),
        ("ES256", "algorithm = \"ES256\""),
        ("EdDSA", "algorithm = \"EdDSA\""),
        ("tickets", "[access.tickets]"),
    ] {
        let file = room.file(kind);
        let config = run(&["token", "key", kind, "--out", &file]);
        let config = good(&config);
        let secret = std::fs::read_to_string(&file).expect("it was written");
        assert!(config.contains(says), "{config}");
        assert!(!config.contains(secret.trim()), "the configuration has the secret: {config}");
        let mode = std::fs::metadata(&file).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{kind}");
        let again = run(&["token", "key", kind, "--out", &file]);
        assert!(complaint(&again).contains("is there already"), "{again:?}");
        assert_eq!(text(&again.stdout), "");
        assert_eq!(std::fs::read_to_string(&file).expect("there"), secret, "not written over");
    }
    let file = room.file("odd");
    let odd = run(&["token", "key", "api-key", "--out", &file, "--name", "a\nb"]);
    assert!(complaint(&odd).contains("user's name"), "{odd:?}");
    let odd = run(&["token", "key", "tickets", "--out", &file, "--kid", "k"]);
    assert!(complaint(&odd).contains("--kid"), "{odd:?}");
    assert!(!Path::new(&file).exists());
    let rsa = run(&["token", "key", "RS256", "--out", &file]);
    assert_eq!(rsa.status.code(), Some(2));
}

#[test]
fn tokens_of_each_algorithm_are_taken_and_checked() {
    let room = Room::new("tokens");
    let mut config = String::new();
    for algorithm in ["HS256", "ES256", "EdDSA"] {
        let args = ["token", "key", algorithm, "--kid", algorithm, "--out", &room.file(algorithm)];
        config += good(&run(&args));
    }
    let file = room.file("sockeye.toml");
    std::fs::write(&file, config + "[access.jwt]\nissuer = \"me\"\naudience = \"hub\"\n")
        .expect("written");
    for algorithm in ["HS256", "ES256", "EdDSA"] {
        let key = room.file(algorithm);
        let new = ["token", "new", "--key", &key, "--algorithm", algorithm, "--user", "ann \u{1b}"];
        let new = [&new[..7], &["ann", "--channel", "a:*", "--publish", "b"]].concat();
        let names = ["--kid", algorithm, "--issuer", "me", "--audience", "hub"];
        let made = run(&[&new[..], &names].concat());
        let token = good(&made).trim_end();
        let check = run(&["token", "check", "--json", "--config", &file, token]);
        let said = &json_lines(good(&check))[0];
        assert_eq!((&said["user"], &said["channels"]), (&json!("ann"), &json!(["a:*"])));
        assert_eq!(said["publish"], json!(["b"]));

        for (without, code) in [(2, "token_issuer"), (4, "token_audience")] {
            let made = run(&[&new[..], &names[..without]].concat());
            let check = run(&["token", "check", "--json", "--config", &file, good(&made).trim()]);
            assert!(complaint(&check).ends_with(&format!("({code})")), "{check:?}");
            assert_eq!(json_lines(text(&check.stdout))[0]["error"]["code"], code);
        }
        let other = [&new[..], &["--kid", "nobody", "--issuer", "me", "--audience", "hub"]];
        let made = run(&other.concat());
        let check = run(&["token", "check", "--config", &file, good(&made).trim()]);
        assert!(complaint(&check).ends_with("(token_key_unknown)"), "{check:?}");
    }
}

#[test]
fn what_cannot_be_made_or_checked_is_said() {
    let room = Room::new("odd");
    let key = room.file("k");
    good(&run(&["token", "key", "HS256", "--out", &key]));
    let new = |args: &[&str]| {
        let base = ["token", "new", "--key", &key, "--algorithm"];
        complaint(&run(&[&base[..], args].concat())).to_owned()
    };
    assert!(new(&["HS256", "--channel", "a b"]).contains("neither a channel nor a pattern"));
    assert!(new(&["EdDSA"]).contains("private key"));
    assert!(new(&["HS256", "--user", "a\u{7}"]).ends_with("(token_claims)"));
    let long = "c".repeat(200);
    let many = [&["HS256"][..], &["--channel", &long].repeat(60)].concat();
    assert!(new(&many).ends_with("(token_too_long)"), "{}", new(&many));
    let life = run(&["token", "new", "--key", &key, "--algorithm", "HS256", "--life", "1"]);
    assert_eq!(life.status.code(), Some(2));
    assert!(text(&life.stderr).contains("like 500ms, 30s"), "{life:?}");

    let open = room.file("open.toml");
    std::fs::write(&open, "").expect("written");
    let check = run(&["token", "check", "--config", &open, "x"]);
    assert!(complaint(&check).contains("has no [access]"), "{check:?}");
    std::fs::write(&open, "[access]\nsubscribe = [\">\"]\n").expect("written");
    let check = run(&["token", "check", "--config", &open, "x"]);
    assert!(complaint(&check).contains("has no [access.jwt]"), "{check:?}");
}

#[test]
fn tickets_for_who_may_issue_them() {
    let room = Room::new("tickets");
    let serving = guarded(&room);
    let key = room.file("shop.key");
    let ticket =
        |args: &[&str]| client_of(&serving, &["ticket"]).args(args).output().expect("it starts");
    let issued = ticket(&["--api-key-file", &key, "--user", "ann", "--channel", "a", "--json"]);
    let issued = &json_lines(good(&issued))[0];
    assert_eq!((&issued["user"], &issued["channels"]), (&json!("ann"), &json!(["a"])));
    let text_of = issued["ticket"].as_str().expect("a ticket");
    let target = format!("/v1/poll?channel=a&cursor=now&wait=0&ticket={text_of}");
    assert!(serving.connect().ask("GET", &target, "").starts_with("HTTP/1.1 200 "));
    assert!(serving.connect().ask("GET", &target, "").starts_with("HTTP/1.1 401 "));

    let nobody = ticket(&["--channel", "a"]);
    assert!(complaint(&nobody).contains("(credentials_required); SOCKEYE_API_KEY"), "{nobody:?}");
    let bad = ticket(&["--api-key-file", &key, "--channel", "a b"]);
    assert!(complaint(&bad).contains("(bad_channel)"), "{bad:?}");
    let wrong = ticket(&["--api-key", "sk_wrong_wrong_wrong_wrong"]);
    assert!(complaint(&wrong).contains("(api_key_unknown)"), "{wrong:?}");
    let none = ticket(&["--api-key-file", &room.file("nothing")]);
    assert!(complaint(&none).starts_with("cannot read "), "{none:?}");

    // A user's token gives tickets for the user and no more.
    let new = ["token", "new", "--algorithm", "EdDSA", "--key", &room.file("users.pem")];
    let made = run(&[&new[..], &["--user", "bob", "--channel", "a"]].concat());
    std::fs::write(room.file("bob"), good(&made)).expect("written");
    let bob = ["--token-file", &room.file("bob")];
    good(&ticket(&[&bob[..], &["--user", "bob", "--channel", "a"]].concat()));
    for more in [&["--user", "ann", "--channel", "a"][..], &["--user", "bob", "--channel", "b"]] {
        let refused = ticket(&[&bob[..], more].concat());
        assert!(complaint(&refused).contains("(forbidden)"), "{refused:?}");
    }
    let open = serve_anywhere();
    let refused = client_of(&open, &["ticket"]).output().expect("it starts");
    assert!(complaint(&refused).contains("an open server has no tickets"), "{refused:?}");
}

/// Of nodes that share a log, `conformance/cluster` asks.
#[test]
fn nodes_are_shown_to_operators_only() {
    let room = Room::new("nodes");
    let serving = guarded(&room);
    let nodes =
        |args: &[&str]| client_of(&serving, &["nodes"]).args(args).output().expect("it starts");
    let nobody = nodes(&[]);
    assert!(complaint(&nobody).contains("(credentials_required); SOCKEYE_API_KEY"), "{nobody:?}");
    let shop = nodes(&["--api-key-file", &room.file("shop.key")]);
    assert!(complaint(&shop).contains("(forbidden)"), "{shop:?}");
    let open = serve_anywhere();
    for args in [&["nodes"][..], &["nodes", "--json"]] {
        let alone = client_of(&open, args).output().expect("it starts");
        assert!(complaint(&alone).contains("it has no backbone"), "{alone:?}");
    }
}

/// Keys and tokens, from the environment and from files, over each transport.
#[test]
fn clients_say_who_they_are() {
    let room = Room::new("clients");
    let serving = guarded(&room);
    let key = room.file("shop.key");
    let made = run(&[
        "token",
        "new",
        "--algorithm",
        "HS256",
        "--key",
        &room.file("users.key"),
        "--channel",
        "a:*",
        "--publish",
        "a:mine",
    ]);
    let (token, file) = (good(&made).trim().to_owned(), room.file("token"));
    std::fs::write(&file, &token).expect("written");

    let publish = |args: &[&str], env: &[(&str, &str)]| {
        let mut command = client_of(&serving, &["publish"]);
        command.args(args).envs(env.iter().copied()).output().expect("it starts")
    };
    let text_of_key = std::fs::read_to_string(&key).expect("the key");
    let both = [("SOCKEYE_API_KEY", text_of_key.trim()), ("SOCKEYE_TOKEN", &*token)];
    for transport in TRANSPORTS {
        let args = ["--transport", transport, "--quiet", "--count", "4", "--token-file", &file];
        let mut subscriber = Subscriber::live(&serving, &[&args[..], &["a:mine"]].concat());
        good(&publish(&["a:mine", "1"], &both[..1]));
        good(&publish(&["a:mine", "2"], &both[1..]));
        good(&publish(&["--api-key-file", &key, "a:mine", "3"], &both[1..]));
        good(&publish(&["--token-file", &file, "a:mine", "4"], &both));
        for wanted in ["1", "2", "3", "4"] {
            assert_eq!(subscriber.data(), wanted, "{transport}");
        }
        subscriber.wait_for_good_end();

        let args = ["subscribe", "--transport", transport, "--token-file", &file, "b"];
        let refused = client_of(&serving, &args).output().expect("it starts");
        assert!(complaint(&refused).contains("forbidden"), "{transport}: {refused:?}");
    }
    assert!(complaint(&publish(&["a:mine", "x"], &both)).contains("which one?"));
    assert!(complaint(&publish(&["a:1", "x"], &both[1..])).ends_with("(forbidden)"));
    assert!(complaint(&publish(&["a:1", "x"], &[])).contains("credentials_required"));
    let args = ["--api-key-file", &key, "--token-file", &file, "a", "x"];
    assert_eq!(publish(&args, &[]).status.code(), Some(2));
}

/// A stream that ends for its credentials is not come back to with the same ones.
#[test]
fn a_token_that_ends_ends_the_subscription() {
    let room = Room::new("ends");
    let serving = guarded(&room);
    for transport in ["ws", "sse", "poll"] {
        let key = room.file("users.key");
        let new = ["token", "new", "--algorithm", "HS256", "--key", &key, "--channel", "a"];
        let made = run(&[&new[..], &["--life", "3s"]].concat());
        let mut command = client_of(&serving, &["subscribe", "--quiet", "--transport", transport]);
        let output = command.arg("a").env("SOCKEYE_TOKEN", good(&made).trim()).output();
        let output = output.expect("it starts");
        assert_eq!(output.status.code(), Some(1), "{transport}: {output:?}");
        let said = text(&output.stderr).lines().next().unwrap_or_default();
        assert!(said.contains("expired"), "{transport}: {said}");
        assert!(text(&output.stdout).contains("\"sync\""), "it had begun: {transport}");
    }
}

#[test]
fn a_token_is_as_old_as_the_configuration_lets_it_be() {
    let room = Room::new("age");
    let (key, file) = (room.file("k"), room.file("sockeye.toml"));
    let config = run(&["token", "key", "HS256", "--out", &key]);
    let config = good(&config).to_owned();
    let made = run(&["token", "new", "--algorithm", "HS256", "--key", &key]);
    let check = |more: &str| {
        std::fs::write(&file, format!("{config}[access.jwt]\n{more}\n")).expect("written");
        run(&["token", "check", "--config", &file, good(&made).trim()])
    };
    good(&check("max_age_seconds = 3600\nleeway_seconds = 60"));
    let old = check("max_age_seconds = 0");
    assert!(complaint(&old).ends_with("(token_too_old)"), "{old:?}");
    assert!(complaint(&check("leeway_seconds = 61")).contains("too much leeway"));
}

//! A guarded server in a process of its own, its log, and who belongs there.
#![allow(unreachable_pub, reason = "shared by the files of one test")]

use std::net::SocketAddr;
use std::path::PathBuf;

use sockeye_auth::{Algorithm, Grants, Identity, Limits, SigningKey, TokenClaims};

use crate::abuse::peer::{Answer, ask};
use crate::common::{Serving, serve, sockeye};

/// The back end's key.
pub const KEY: &str = "sk_a_back_end_s_key_of_a_good_length_01";
/// The public halves that every attacker has.
pub const PUBLIC: [(&str, &str); 3] = [
    ("rsa", include_str!("../../../auth/tests/tokens/rsa.pem")),
    ("p256", include_str!("../../../auth/tests/tokens/p256.pem")),
    ("ed25519", include_str!("../../../auth/tests/tokens/ed25519.pem")),
];

/// The server.
pub struct World {
    pub serving: Serving,
    pub addr: SocketAddr,
    room: PathBuf,
    /// What signs good tokens: `HS256`, `ES256` and `EdDSA`, each under its name as `kid`.
    pub keys: Vec<SigningKey>,
}

impl World {
    pub fn start(name: &str) -> Self {
        Self::start_with(name, "")
    }

    /// With more configuration in front of all tables.
    pub fn start_with(name: &str, more: &str) -> Self {
        let room = std::env::temp_dir().join(format!("abuse-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&room).expect("a temporary directory");
        let write = |file: &str, text: &str| std::fs::write(room.join(file), text).expect(file);
        let mut config = format!(
            "{more}\n[access]\nsubscribe = [\"public:>\"]\norigins = [\"https://app.example\"]\n\
             [[access.api_keys]]\nname = \"shop\"\nkey_file = \"shop.key\"\n\
             subscribe = [\">\"]\npublish = [\">\"]\ntickets = [\">\"]\n\
             [access.tickets]\nsecret_file = \"ticket.secret\"\n\
             [access.jwt]\ncookie = \"session\"\n"
        );
        write("shop.key", KEY);
        write("ticket.secret", &"s".repeat(40));
        let mut keys = Vec::new();
        let mut add = |algorithm: &str, kid: &str, text: &str| {
            write(&format!("{kid}.pem"), text);
            config += &format!(
                "[[access.jwt.keys]]\nalgorithm = \"{algorithm}\"\nkid = \"{kid}\"\n\
                 file = \"{kid}.pem\"\n"
            );
        };
        for algorithm in [Algorithm::Hs256, Algorithm::Es256, Algorithm::EdDsa] {
            let text = SigningKey::generate(algorithm).expect("a key");
            let key = match algorithm {
                Algorithm::Hs256 => SigningKey::hs256(text.as_bytes()),
                _ => SigningKey::from_pem(algorithm, &text),
            };
            let key = key.expect("a key").with_kid(algorithm.name());
            add(algorithm.name(), algorithm.name(), &key.public_pem().unwrap_or(text));
            keys.push(key);
        }
        for ((kid, pem), algorithm) in PUBLIC.into_iter().zip(["RS256", "ES256", "EdDSA"]) {
            add(algorithm, kid, pem);
        }
        write("sockeye.toml", &config);
        let file = room.join("sockeye.toml");
        let args = ["serve", "--listen", "127.0.0.1:0", "--config", file.to_str().expect("UTF-8")];
        let mut command = sockeye(&args);
        let log = std::fs::File::create(room.join("log")).expect("a file");
        command.env("RUST_LOG", "trace").stderr(log);
        let serving = serve(command);
        Self { addr: serving.addr, serving, room, keys }
    }

    /// A file beside its configuration.
    pub fn file(&self, name: &str) -> PathBuf {
        self.room.join(name)
    }

    /// What the server has written to standard error.
    pub fn log(&self) -> Vec<u8> {
        std::fs::read(self.room.join("log")).expect("the log")
    }

    /// A token that is good, signed by one of the keys.
    pub fn token(&self, key: usize, user: &str, channels: &[&str]) -> String {
        token_of(&self.keys[key], user, channels)
    }

    /// As the back end.
    pub fn with_key(&self, method: &str, target: &str, body: &str) -> Answer {
        ask(self.addr, method, target, &format!("Authorization: ApiKey {KEY}\r\n"), body)
    }

    /// A ticket from the back end.
    pub fn ticket(&self, wanted: &str) -> String {
        let answer = self.with_key("POST", "/v1/tickets", wanted);
        assert_eq!(answer.status, 200, "{}", answer.code());
        answer.json()["ticket"].as_str().expect("a ticket").to_owned()
    }

    /// How many messages a channel has.
    pub fn messages(&self, channel: &str) -> usize {
        let target = format!("/v1/channels/{channel}/history?limit=100");
        let answer = self.with_key("GET", &target, "");
        answer.json()["messages"].as_array().expect("a list").len()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.room);
    }
}

pub fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    u64::try_from(since.expect("after 1970").as_millis()).expect("not that late")
}

/// A token for an hour.
pub fn token_of(key: &SigningKey, user: &str, channels: &[&str]) -> String {
    let grants = || Grants::new(channels.iter().copied(), &Limits::default()).expect("names");
    let identity = Identity {
        user: Some(user.to_owned()),
        subscribe: grants(),
        publish: grants(),
        ends_ms: Some(now_ms() + 3_600_000),
        ..Identity::anonymous()
    };
    key.token(&identity, &TokenClaims::default()).expect("signed")
}

//! What `docs/operations.md` tells an operator to type, and the files that it names; what `docs/clients.md` tells
//! anybody.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

#[cfg(feature = "redis")]
use crate::common::{serve, sockeye};
use crate::common::{serve_anywhere, unused_addr};

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

fn read(name: &str) -> String {
    fs::read_to_string(docs().join(name)).expect("the document is there")
}

/// A directory of its own for a test, gone with it.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("sockeye-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).expect("a directory");
        Self(dir)
    }

    /// Runs a script with the program in its path; what it said on both streams.
    fn bash(&self, script: &str, listen: &str) -> (bool, String, String) {
        let program = Path::new(env!("CARGO_BIN_EXE_sockeye")).parent().expect("a directory");
        let path = std::env::var("PATH").unwrap_or_default();
        let done = Command::new("timeout")
            .args(["--kill-after=5", "240", "bash", "-euo", "pipefail", "-c", script])
            .current_dir(&self.0)
            .env("PATH", format!("{}:{path}", program.display()))
            .env("SOCKEYE_LISTEN", listen)
            .stdin(Stdio::null())
            .output()
            .expect("bash runs");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        (done.status.success(), text(done.stdout), text(done.stderr))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The content of the fenced blocks of a kind.
fn blocks<'t>(text: &'t str, kind: &str) -> Vec<&'t str> {
    let fence = format!("\n```{kind}\n");
    let opened = text.split(&fence).skip(1);
    opened.map(|rest| rest.split("\n```").next().expect("closed")).collect()
}

#[test]
fn the_session_of_the_handbook_runs_as_it_stands_there() {
    let text = read("operations.md");
    let session = text.split("\n## Behind a proxy").next().expect("the first part");
    let script = blocks(session, "sh").join("\n");
    let addr = unused_addr().to_string();
    let script = script.replace("127.0.0.1:8080", &addr);
    // Operators look before they go on. The drain ends a reload that has only begun.
    let (reload, reloaded) = ("kill -HUP \"$server\"", "the configuration was read again");
    assert!(script.contains(" --data data &\n") && script.contains(reload), "{script}");
    let script = script.replace(" --data data &\n", " --data data 2> >(tee log >&2) &\n");
    let wait = format!("{reload}\nuntil grep -q '{reloaded}' log; do sleep 0.05; done");
    let script = script.replace(reload, &wait);
    let place = Place::new("handbook");
    let (succeeded, out, log) = place.bash(&script, &addr);
    assert!(succeeded, "{out}\n{log}");
    assert_eq!(out.matches("sockeye.toml: good").count(), 2, "{out}");
    assert!(out.contains("sockeye_published_total 1\n"), "{out}");
    assert!(out.contains("\"level\":\"logged\""), "{out}");
    for said in [reloaded, "draining", "bye"] {
        assert!(log.contains(said), "{said}: {log}");
    }
}

#[test]
fn the_clients_of_the_document_run_as_it_says() {
    let server = serve_anywhere();
    let script = blocks(&read("clients.md"), "sh").join("\n");
    let script = script.replace("127.0.0.1:8080", &server.addr.to_string());
    let place = Place::new("clients");
    let (succeeded, out, said) = place.bash(&script, "127.0.0.1:0");
    assert!(succeeded, "{out}\n{said}");
    for printed in
        ["hello\n1000\n", "\"type\":\"text\",\"data\":\"{\\\"type\\\":\\\"pong\\\"", "00ff\nid: "]
    {
        assert!(out.contains(printed), "{printed}: {out}");
    }
    // In the stream's form, as JSON, 3 + 2 that go on from each other, and the one before a reader that left.
    let seconds = out.match_indices("\"n\":").chain(out.match_indices("\\\"n\\\":")).count();
    assert_eq!(seconds, 1 + 1 + 3 + 2 + 1, "{out}");
    assert!(fs::read_to_string(place.0.join("place")).is_ok_and(|id| id.len() == 11));
}

// Some have Redis, and need its driver.
#[cfg(feature = "redis")]
#[test]
fn configurations_in_the_documents_could_be_served() {
    let place = Place::new("configurations");
    let keys = "mkdir secrets && echo secret > secrets/redis.secret && sockeye token key api-key --out secrets/back-end.key \
                && sockeye token key tickets --out secrets/ticket.secret";
    assert!(place.bash(keys, "127.0.0.1:0").0, "keys are made");
    let manifests = [read("kubernetes.yaml"), read("kubernetes-nodes.yaml")];
    let embedded = manifests.each_ref().map(|manifest| {
        let embedded = manifest.split("sockeye.toml: |\n").nth(1).expect("a configuration");
        embedded.split("\n---").next().expect("an end").replace("\n    ", "\n")
    });
    let (operations, sources) = (read("operations.md"), read("sources.md"));
    let mut checked = 0;
    // The check opens files of certificates: those of the documents are beside the file here.
    assert!(place.bash("sockeye cert --out .", "127.0.0.1:0").0, "a certificate is made");
    let here = |line: &str| match line.split_once(" = ") {
        Some(("cert", _)) => "cert = \"cert.pem\"\n".to_owned(),
        Some(("key", _)) => "key = \"key.pem\"\n".to_owned(),
        _ => format!("{line}\n"),
    };
    let pages = [operations, sources];
    let in_pages = pages.iter().flat_map(|page| blocks(page, "toml"));
    let all = in_pages.chain(embedded.iter().map(|it| it.trim_start()));
    // A program without a driver refuses it; that of packages has all.
    let drivers = [
        ("amqp://", cfg!(feature = "amqp")),
        ("nats://", cfg!(feature = "nats")),
        ("kafka://", cfg!(feature = "kafka")),
    ];
    for config in all {
        checked += 1;
        if drivers.iter().any(|(scheme, is_there)| config.contains(scheme) && !is_there) {
            continue;
        }
        let config: String = config.lines().map(here).collect();
        fs::write(place.0.join("sockeye.toml"), &config).expect("written");
        let (succeeded, _, problem) =
            place.bash("sockeye config check sockeye.toml", "127.0.0.1:0");
        assert!(succeeded, "{problem}\n{config}");
    }
    assert_eq!(checked, 13);
    // The drain has to end before the pod is killed.
    let number = |text: &str, name: &str| {
        let value =
            text.split(name).nth(1).expect("it is said").trim_start_matches([' ', '=', ':']);
        let digits = value.find(|it: char| !it.is_ascii_digit()).unwrap_or(value.len());
        value[..digits].parse::<u32>().expect("a number")
    };
    for (manifest, embedded) in manifests.iter().zip(&embedded) {
        let phases = ["accept =", "window =", "rest ="].map(|it| number(embedded, it));
        let phases: u32 = phases.iter().sum();
        assert!(phases < number(manifest, "terminationGracePeriodSeconds:"));
    }
}

#[cfg(feature = "redis")]
#[test]
fn alerts_ask_for_what_is_counted_and_are_explained() {
    let (rules, operations) = (read("alerts.yml"), read("operations.md"));
    let place = Place::new("alerts");
    // Certificates have figures where there is TLS, and orders where some are ordered.
    let config = place.0.join("sockeye.toml");
    let text = "data = \"data\"\n\
        [[listen]]\naddress = \"127.0.0.1:0\"\ntls = false\n[[listen]]\naddress = \"127.0.0.1:0\"\n\
        [tls.acme]\ndirectory = \"https://127.0.0.1:1/\"\nnames = [\"a.example\"]\n\
        contact = \"ops@a.example\"\nagree_to_terms = true\ndir = \"acme\"\n";
    fs::write(&config, text).expect("written");
    let server = serve(sockeye(&["serve", "--config", config.to_str().expect("UTF-8")]));
    let (_, page) = server.connect().fetch("GET", "/metrics");
    // A shared log has figures in the place of a disk, also while nobody is there.
    let nowhere = format!("redis://{}", unused_addr());
    let shared = ["serve", "--listen", "127.0.0.1:0", "--backbone", &nowhere];
    let (_, more) = serve(sockeye(&shared)).connect().fetch("GET", "/metrics");
    let page = page + &more;
    // A source, too, also while nobody is there.
    let text = format!("[source.a]\nurl = \"{nowhere}?list=l\"\nchannel = \"c\"\n");
    fs::write(&config, text).expect("written");
    let file = config.to_str().expect("UTF-8");
    let source = serve(sockeye(&["serve", "--listen", "127.0.0.1:0", "--config", file]));
    let (_, more) = source.connect().fetch("GET", "/metrics");
    let page = page + &more;
    let is_name = |it: char| it.is_ascii_lowercase() || it == '_';
    let asked = rules.match_indices("sockeye_").map(|(at, _)| {
        let rest = &rules[at..];
        &rest[..rest.find(|it| !is_name(it)).unwrap_or(rest.len())]
    });
    let asked: Vec<&str> = asked.collect();
    assert!(asked.len() >= 8, "{asked:?}");
    for name in asked {
        let (sample, labelled) = (format!("\n{name} "), format!("\n{name}{{"));
        assert!(page.contains(&sample) || page.contains(&labelled), "{name} is not counted");
    }
    for rule in rules.split("alert: ").skip(1) {
        let name = rule.lines().next().expect("a name");
        assert!(operations.contains(&format!("`{name}`")), "{name} is not explained");
    }
}

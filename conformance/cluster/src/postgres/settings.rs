//! Servers and tables that cannot keep the promise.

use sockeye_backbone::{Rejection, TroubleKind};

use super::{PostgresServer, beginning, node};
use crate::common::{assert_all, assert_same};
use crate::faults::{Check, refusal};
use crate::node::Node;
use crate::server::LogServer as _;

pub(super) const CHECKS: &[Check] = &[
    ("postgres: servers that may lose what they acknowledge are refused", servers),
    ("postgres: tables that forget, or are others, are refused", tables),
    ("postgres: a server that is set right is taken, and left when it is set wrong", set_right),
    ("postgres: a commit that is not kept for one role is refused for that role", of_role),
    ("postgres: a full disk rejects by name, and leaves no hole", full),
];

/// A trigger that fails as a full disk does. The disk of the test stays as it is.
pub(super) const REFUSE: &str = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
     $$BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END$$; \
     CREATE TRIGGER refuse BEFORE INSERT ON sockeye EXECUTE FUNCTION refuse()";

/// The node of a URL is refused for its settings, with this advice.
fn assert_refused(url: &str, advice: &str) {
    let trouble = refusal(&mut node("a", url));
    assert_eq!(trouble.kind, TroubleKind::Settings, "{trouble}");
    assert!(trouble.text.contains(advice), "{trouble}");
}

fn servers() {
    for (settings, advice) in [
        ("synchronous_commit = off", "ALTER SYSTEM SET synchronous_commit = on"),
        ("fsync = off", "ALTER SYSTEM SET fsync = on"),
        ("default_transaction_read_only = on", "SET default_transaction_read_only = off"),
    ] {
        assert_refused(&PostgresServer::start_with(settings).url(), advice);
    }
    let server = PostgresServer::start_with("synchronous_commit = local");
    beginning("a", &server.url());
}

fn tables() {
    let server = PostgresServer::start();
    let url = server.url();
    beginning("a", &url);
    server.ask("CREATE VIEW a_view AS TABLE sockeye; CREATE TABLE other (id int)");
    assert_refused(&format!("{url}?table=a_view"), "is no plain table");
    assert_refused(&format!("{url}?table=other"), "has other columns (id integer)");
    assert_refused(&format!("{url}/nowhere"), "has no database \"nowhere\"");
    for (change, advice, undo) in [
        ("SET UNLOGGED", "ALTER TABLE sockeye SET LOGGED", "SET LOGGED"),
        ("ENABLE ROW LEVEL SECURITY", "DISABLE ROW LEVEL SECURITY", "DISABLE ROW LEVEL SECURITY"),
    ] {
        server.ask(&format!("ALTER TABLE sockeye {change}"));
        assert_refused(&url, advice);
        server.ask(&format!("ALTER TABLE sockeye {undo}"));
    }
    server.ask("CREATE TABLE head AS TABLE sockeye_head; DELETE FROM sockeye_head");
    assert_refused(&url, "without its head: drop or truncate both tables");
    server.ask("INSERT INTO sockeye_head SELECT one, 2, life, fence, last FROM head");
    let trouble = refusal(&mut node("a", &url));
    assert_eq!(trouble.kind, TroubleKind::Version, "{trouble}");
    assert!(trouble.text.ends_with("of the format 2: update this node"), "{trouble}");
    server.ask("UPDATE sockeye_head SET format = 1");
    let mut node = node("a", &url);
    node.wait("it is taken", Node::is_up);
}

fn set_right() {
    let server = PostgresServer::start_with("synchronous_commit = off");
    let mut node = node("a", &server.url());
    refusal(&mut node);
    server.ask("ALTER SYSTEM SET synchronous_commit = on");
    server.ask("SELECT pg_reload_conf()");
    node.begin();
    assert!(node.is_up());
    server.ask("ALTER SYSTEM SET synchronous_commit = off");
    server.ask("SELECT pg_reload_conf()");
    node.wait("it is left", |it| it.trouble().is_some());
    assert_eq!(node.trouble().map(|it| it.kind), Some(TroubleKind::Settings));
}

fn of_role() {
    let server = PostgresServer::start();
    beginning("a", &server.url());
    server.ask("CREATE ROLE hasty LOGIN SUPERUSER; ALTER ROLE hasty SET synchronous_commit = off");
    let url = server.url().replace("sockeye@", "hasty@") + "/sockeye";
    assert_refused(&url, "or of the role or the database that has it off");
}

fn full() {
    let server = PostgresServer::start();
    let mut node = beginning("a", &server.url());
    node.offer(5);
    node.settle();
    server.ask(REFUSE);
    node.offer(10);
    node.wait("they are rejected", |it| !it.rejections.is_empty());
    let Rejection::Full(trouble) = &node.rejections[0] else { panic!("{:?}", node.rejections) };
    assert_eq!(trouble.kind, TroubleKind::Full);
    assert!(trouble.text.contains("its disk or memory is full (53100: could not"), "{trouble}");
    assert_eq!(node.ups, 1, "the connection goes on");
    server.ask("DROP TRIGGER refuse ON sockeye");
    node.settle();
    assert_all(&node, 15);
    assert_same(&server, &node);
}

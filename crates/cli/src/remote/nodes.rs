//! `sockeye nodes`: shows the nodes that share the log of a server.

use clap::Args;
use serde::Deserialize;
use sockeye_terminal::plain::{JsonLine, plain};
use sockeye_terminal::{Failure, print};

use super::args::ServerOptions;
use super::{Break, Remote};

const EXAMPLES: &str = "\
Examples:
  sockeye nodes
  sockeye nodes --url https://hub.example --api-key-file operator.key
  sockeye nodes --json | jq 'select(.lag > 1000)'

Any node answers for all. A node tells of itself every 5 seconds, and counts as there for 20 seconds after
that, so a node that was killed is shown for so long. The node that answers is marked with *. A server that asks
for credentials takes API keys with `nodes = true`.

The exit status is 0 and standard output has the nodes, or it is 1 and standard error says why not.";

/// The columns of the table.
const HEADS: [&str; 8] = ["NODE", "NAME", "RELEASE", "ENTRIES", "RULES", "HEAD", "LAG", "LEASE"];

/// The options of `sockeye nodes`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct NodesOptions {
    #[command(flatten)]
    server: ServerOptions,

    /// Print a JSON object for each node, a line each, instead of a table.
    #[arg(long)]
    json: bool,
}

#[derive(Deserialize)]
struct Answer {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    node: String,
    name: String,
    release: Option<String>,
    entries: u64,
    rules: Option<String>,
    head: u64,
    lag: u64,
    lease_ms: u64,
    own: bool,
}

impl Node {
    fn json(&self) -> String {
        JsonLine::default()
            .field("node", &self.node)
            .field("name", &self.name)
            .maybe("release", self.release.as_deref())
            .field("entries", &self.entries)
            .maybe("rules", self.rules.as_deref())
            .field("head", &self.head)
            .field("lag", &self.lag)
            .field("lease_ms", &self.lease_ms)
            .field("own", &self.own)
            .end()
    }

    fn cells(&self) -> [String; 8] {
        let maybe = |text: &Option<String>| text.as_deref().map_or_else(|| "-".into(), plain);
        [
            plain(&self.node),
            plain(&self.name),
            maybe(&self.release),
            format!("v{}", self.entries),
            maybe(&self.rules),
            self.head.to_string(),
            self.lag.to_string(),
            format!("{}s", self.lease_ms / 1_000),
        ]
    }
}

/// Asks once and prints what came.
pub fn run(options: &NodesOptions) -> Result<(), Failure> {
    let remote = Remote::new(&options.server)?;
    let nodes = ask(&remote).map_err(|end| explain(end, &remote))?;
    if nodes.is_empty() {
        return Err(Failure("the server shares its log with no others: it has no backbone".into()));
    }
    if options.json {
        return nodes.iter().try_for_each(|node| print::say(format_args!("{}", node.json())));
    }
    table(&nodes).iter().try_for_each(|line| print::say(format_args!("{line}")))
}

fn ask(remote: &Remote) -> Result<Vec<Node>, Break> {
    let mut requests = remote.requests()?;
    let body = remote.get(&mut requests, "/v1/nodes")?;
    let answer: Answer = serde_json::from_slice(&body)
        .map_err(|error| Break::Final(format!("the server's answer is strange: {error}")))?;
    Ok(answer.nodes)
}

/// The lines of the table, and one that says whose rules are others than those of the node that has answered.
fn table(nodes: &[Node]) -> Vec<String> {
    let rows: Vec<[String; 8]> = nodes.iter().map(Node::cells).collect();
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([HEADS[column].len()]).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..HEADS.len()).map(width).collect();
    let line = |mark: char, cells: &[String]| {
        let cells = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        format!("{mark} {}", cells.collect::<Vec<_>>().join("  ")).trim_end().to_owned()
    };
    let mut lines = vec![line(' ', &HEADS.map(str::to_owned))];
    let own = nodes.iter().find(|node| node.own);
    lines.extend(
        nodes.iter().zip(&rows).map(|(node, row)| line(if node.own { '*' } else { ' ' }, row)),
    );
    let is_other =
        |node: &&Node| own.is_some_and(|own| own.rules != node.rules && node.rules.is_some());
    let others: Vec<String> = nodes.iter().filter(is_other).map(|node| plain(&node.node)).collect();
    if !others.is_empty() {
        lines.push(format!(
            "other rules than those of the node that answers: {}",
            others.join(", ")
        ));
    }
    lines
}

fn explain(end: Break, remote: &Remote) -> Failure {
    let hint = match end {
        Break::Final(_) if remote.authorization.is_none() => {
            "; SOCKEYE_API_KEY or --api-key-file says who asks"
        }
        _ => "",
    };
    Failure(format!("{}{hint}", end.into_text()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(number: u8, rules: Option<&str>) -> Node {
        Node {
            node: format!("0{number}"),
            name: "host\u{1b}[31m".to_owned(),
            release: (number != 2).then(|| "0.1.0".to_owned()),
            entries: 3,
            rules: rules.map(str::to_owned),
            head: 1_000,
            lag: u64::from(number),
            lease_ms: 17_999,
            own: number == 1,
        }
    }

    #[test]
    fn nodes_are_a_table_that_stays_one() {
        let lines = table(&[node(1, Some("aa")), node(2, None), node(3, Some("bb"))]);
        assert_eq!(
            lines,
            [
                "  NODE  NAME            RELEASE  ENTRIES  RULES  HEAD  LAG  LEASE",
                "* 01    host\\u{1b}[31m  0.1.0    v3       aa     1000  1    17s",
                "  02    host\\u{1b}[31m  -        v3       -      1000  2    17s",
                "  03    host\\u{1b}[31m  0.1.0    v3       bb     1000  3    17s",
                "other rules than those of the node that answers: 03",
            ]
        );
    }

    #[test]
    fn a_node_is_a_line_of_json() {
        let line = node(1, Some("aa")).json();
        let read: Node = serde_json::from_str(&line).unwrap();
        assert_eq!(read.json(), line);
        assert!(line.starts_with(r#"{"node":"01","name":"host"#), "{line}");
        assert!(!node(2, None).json().contains("release"), "it says nothing of it");
    }
}

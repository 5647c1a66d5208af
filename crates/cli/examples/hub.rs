//! The hub's clients as a program of their own: without an argument it prints its help.

use clap::{CommandFactory as _, Parser};
use sockeye_cli::{PublishOptions, SubscribeOptions, TicketOptions};
use sockeye_terminal::Failure;

/// Publishes to a hub, subscribes to it, or gets a ticket from it.
#[derive(Parser)]
enum Hub {
    /// Publish messages to a channel.
    Publish(PublishOptions),
    /// Print the messages of channels.
    Subscribe(SubscribeOptions),
    /// Get a one-time ticket.
    Ticket(TicketOptions),
}

fn main() -> Result<(), Failure> {
    if std::env::args_os().len() == 1 {
        return sockeye_terminal::print::text(&Hub::command().render_help().to_string());
    }
    match Hub::parse() {
        Hub::Publish(options) => sockeye_cli::publish(&options),
        Hub::Subscribe(options) => sockeye_cli::subscribe(&options),
        Hub::Ticket(options) => sockeye_cli::ticket(&options),
    }
}

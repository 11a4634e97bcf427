//! The command line and the environment.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use ipnet::IpNet;
use postrider_application::links::PublicUrl;
use postrider_domain::CircuitRules;
use postrider_outbound::parse_networks;
use secrecy::SecretString;

/// Accepts an event once and delivers it to every endpoint that asked for it.
#[derive(Parser)]
#[command(version, about, propagate_version = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// What is logged to standard error: error, warn, info, debug, or a filter such as
    /// `warn,delivery.attempted=info`, which shows one line for each attempt.
    #[arg(long, global = true, value_name = "FILTER", env = "POSTRIDER_LOG", default_value = "warn")]
    pub(crate) log: String,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Run the whole system in this process.
    ///
    /// Starts the API, the workers and a small receiver on one port, and needs nothing else: no cloud
    /// account, no database, no queue. The first start makes a tenant named demo with an endpoint that points
    /// at the receiver, publishes an event, and shows that its signed webhook arrived. Ctrl-C stops it once
    /// the attempts under way are over and on record; what was accepted survives any other end, too.
    #[command(after_help = EXAMPLES)]
    Dev(DevConfig),
}

const EXAMPLES: &str = "\
Examples:
  postrider dev                           data in .postrider/, API on http://127.0.0.1:8080
  postrider dev --in-memory --addr 127.0.0.1:0   nothing is kept, any free port
  POSTRIDER_PLATFORM_KEY=... postrider dev       with a key that may create tenants";

/// How `postrider dev` runs.
#[derive(Args)]
pub(crate) struct DevConfig {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", env = "POSTRIDER_ADDR", default_value = "127.0.0.1:8080")]
    pub(crate) addr: SocketAddr,

    /// The folder that keeps everything.
    #[arg(long, value_name = "FOLDER", env = "POSTRIDER_DATA", default_value = ".postrider")]
    pub(crate) data: PathBuf,

    /// Keep nothing: everything is gone when the process ends.
    #[arg(long, conflicts_with = "data")]
    pub(crate) in_memory: bool,

    /// Do not make the tenant demo and publish an event.
    #[arg(long)]
    pub(crate) no_demo: bool,

    /// Networks whose addresses receivers may have although they are not public, over plain http too:
    /// comma-separated, such as 10.1.0.0/16. Empty for none.
    #[arg(
        long,
        value_name = "CIDRS",
        env = "POSTRIDER_ALLOW_CIDRS",
        default_value = "127.0.0.0/8,::1/128",
        value_parser = parse_allowed
    )]
    pub(crate) allow_cidrs: Allowed,

    /// After how many failures in a row deliveries to an endpoint are held back.
    #[arg(long, value_name = "NUMBER", env = "POSTRIDER_CIRCUIT_FAILURES", default_value_t = 10)]
    pub(crate) circuit_failures: u32,

    /// For how many seconds at first; twice as long each time that the endpoint still fails then, up to an hour.
    #[arg(long, value_name = "SECONDS", env = "POSTRIDER_CIRCUIT_RECOVERY_SECONDS", default_value_t = 300)]
    pub(crate) circuit_recovery_seconds: u64,

    /// The address under which others reach this API, such as `https://events.example.com`: what links to data begin
    /// with. Default: where it listens, unless that is every address of the machine; then no endpoint gets links.
    #[arg(long, value_name = "URL", env = "POSTRIDER_PUBLIC_URL")]
    pub(crate) public_url: Option<PublicUrl>,

    /// The operator's key, which administers tenants; nobody is the operator without it.
    #[arg(long, value_name = "KEY", env = "POSTRIDER_PLATFORM_KEY", hide_env_values = true, value_parser = parse_key)]
    pub(crate) platform_key: Option<SecretString>,
}

impl DevConfig {
    /// When circuits open.
    pub(crate) fn circuit_rules(&self) -> anyhow::Result<CircuitRules> {
        let recovery = Duration::from_secs(self.circuit_recovery_seconds);
        let rules = CircuitRules { failures: self.circuit_failures, recovery };
        rules.check().map_err(|problem| anyhow::anyhow!("--circuit-{}: {}", problem.field, problem.message))
    }
}

/// Networks that the operator allows.
#[derive(Clone)]
pub(crate) struct Allowed(pub(crate) Vec<IpNet>);

fn parse_allowed(text: &str) -> Result<Allowed, String> {
    parse_networks(text).map(Allowed).map_err(|error| error.to_string())
}

fn parse_key(text: &str) -> Result<SecretString, String> {
    if text.len() < 16 {
        return Err(
            "a platform key has at least 16 characters; make one with: openssl rand -hex 32".to_owned()
        );
    }
    Ok(SecretString::from(text))
}

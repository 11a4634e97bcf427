//! The start of a function: logs, the SDK, and the ports it asks for, each built from the variables that name
//! its resources.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use postrider_application::deliver::CircuitRules;
use postrider_application::links::PublicUrl;
use postrider_application::ports::{Blobs, Clock, Entropy, Freshness, Queue, QueueName, Table, Vault};
use postrider_application::system::{SystemClock, SystemEntropy};
use postrider_aws::{DynamoTable, S3Blobs, Sdk, SecretNames, SecretsManagerVault, SqsQueues, TableNames};

use crate::environment::{ConfigError, Environment};
use crate::logs;

/// A function that starts.
pub struct Start {
    environment: Environment,
    sdk: Sdk,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
}

impl Start {
    /// Begins to log, as `POSTRIDER_LOG` says, and prepares the SDK: `AWS_REGION`, credentials, and
    /// `AWS_ENDPOINT_URL` for another endpoint than AWS's own.
    ///
    /// # Errors
    /// When a variable is missing or wrong.
    pub fn begin() -> Result<Self, ConfigError> {
        let environment = Environment::of_process();
        logs::begin(&environment)?;
        let region = environment.required("AWS_REGION")?;
        let sdk = Sdk::new(region, environment.optional("AWS_ENDPOINT_URL"));
        Ok(Self { environment, sdk, clock: Arc::new(SystemClock), entropy: Arc::new(SystemEntropy) })
    }

    /// The tables: `POSTRIDER_CONFIG_TABLE` and `POSTRIDER_LEDGER_TABLE`.
    ///
    /// # Errors
    /// When a variable is missing.
    pub fn table(&self) -> Result<Arc<dyn Table>, ConfigError> {
        let names = TableNames {
            config: self.environment.required("POSTRIDER_CONFIG_TABLE")?.to_owned(),
            ledger: self.environment.required("POSTRIDER_LEDGER_TABLE")?.to_owned(),
        };
        Ok(Arc::new(DynamoTable::new(self.sdk.dynamodb(), names)))
    }

    /// The queues that the function sends to: `POSTRIDER_QUEUE_<NAME>_URL` for each, such as
    /// `POSTRIDER_QUEUE_EVENTS_DLQ_URL`.
    ///
    /// # Errors
    /// When a variable is missing.
    pub fn queues(&self, names: &[QueueName]) -> Result<Arc<dyn Queue>, ConfigError> {
        let urls: Result<HashMap<_, _>, _> =
            names.iter().map(|name| Ok((*name, self.queue_url(*name)?))).collect();
        Ok(Arc::new(SqsQueues::new(self.sdk.sqs(), urls?)))
    }

    fn queue_url(&self, queue: QueueName) -> Result<String, ConfigError> {
        let name = queue.to_string().to_uppercase().replace('-', "_");
        self.environment.required(&format!("POSTRIDER_QUEUE_{name}_URL")).map(str::to_owned)
    }

    /// The bucket of large payloads: `POSTRIDER_BUCKET`.
    ///
    /// # Errors
    /// When the variable is missing.
    pub fn blobs(&self) -> Result<Arc<dyn Blobs>, ConfigError> {
        let bucket = self.environment.required("POSTRIDER_BUCKET")?;
        Ok(Arc::new(S3Blobs::new(self.sdk.bucket(bucket))))
    }

    /// The secrets: `POSTRIDER_MASTER_KEY_SECRET` and `POSTRIDER_PLATFORM_KEY_SECRET`, names or ARNs. A
    /// function names only those that it may read. They are read now, so that the first request does not wait.
    ///
    /// # Errors
    /// When both variables are missing.
    pub async fn vault(&self) -> Result<Arc<dyn Vault>, ConfigError> {
        const MASTER: &str = "POSTRIDER_MASTER_KEY_SECRET";
        const PLATFORM: &str = "POSTRIDER_PLATFORM_KEY_SECRET";
        let name = |variable| self.environment.optional(variable).map(str::to_owned);
        let names = SecretNames { master: name(MASTER), platform: name(PLATFORM) };
        if names.master.is_none() && names.platform.is_none() {
            return Err(ConfigError::Missing(format!("{MASTER} or {PLATFORM}")));
        }
        let (reads_master, reads_platform) = (names.master.is_some(), names.platform.is_some());
        let vault = SecretsManagerVault::new(self.sdk.secrets_manager(), names, self.clock.clone());
        // What cannot be read now is asked for again by the first request, which then fails or succeeds.
        let master = async {
            if reads_master && let Err(error) = vault.master_keys(Freshness::Known).await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the master key was not read in advance"
                );
            }
        };
        let platform = async {
            if reads_platform && let Err(error) = vault.platform_key().await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the platform key was not read in advance"
                );
            }
        };
        tokio::join!(master, platform);
        Ok(Arc::new(vault))
    }

    /// The address under which others reach the API, for links to data: `POSTRIDER_PUBLIC_URL`, default none, and
    /// then no endpoint gets links.
    ///
    /// # Errors
    /// When it is not such an address.
    pub fn public_url(&self) -> Result<Option<PublicUrl>, ConfigError> {
        self.environment.parsed("POSTRIDER_PUBLIC_URL")
    }

    /// The private networks that receivers may be in: `POSTRIDER_ALLOW_CIDRS`, separated by commas, default none.
    ///
    /// # Errors
    /// When one of them is not a network.
    pub fn allowed_networks(&self) -> Result<Vec<IpNet>, ConfigError> {
        self.environment.list("POSTRIDER_ALLOW_CIDRS")
    }

    /// When circuits open: after `POSTRIDER_CIRCUIT_FAILURES` failures in a row, default 10, and for
    /// `POSTRIDER_CIRCUIT_RECOVERY_SECONDS` at first, default 300.
    ///
    /// # Errors
    /// When one of them is not a number, or out of its bounds.
    pub fn circuit_rules(&self) -> Result<CircuitRules, ConfigError> {
        let default = CircuitRules::default();
        let recovery = self.environment.parsed("POSTRIDER_CIRCUIT_RECOVERY_SECONDS")?;
        let rules = CircuitRules {
            failures: self.environment.parsed("POSTRIDER_CIRCUIT_FAILURES")?.unwrap_or(default.failures),
            recovery: recovery.map_or(default.recovery, Duration::from_secs),
        };
        let variable = |field: &str| match field {
            "failures" => "POSTRIDER_CIRCUIT_FAILURES".to_owned(),
            _ => "POSTRIDER_CIRCUIT_RECOVERY_SECONDS".to_owned(),
        };
        rules
            .check()
            .map_err(|problem| ConfigError::Wrong { name: variable(&problem.field), reason: problem.message })
    }
}

//! Clients, and tables, queues, a bucket and secrets that nobody else uses.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::Credentials;
use aws_sdk_dynamodb::config::retry::{RetryPartition, TokenBucket};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType, TimeToLiveSpecification,
};
use http_body_util::Full;
use hyper::Request;
use hyper::header::HOST;
use postrider_application::ports::table::IndexName;
use postrider_application::ports::{Clock, QueueName, TableName};
use postrider_aws::{
    Backoff, Bucket, DynamoTable, S3Blobs, SecretNames, SecretsManagerVault, SqsQueues, TableNames,
};
use postrider_testkit::contracts::queue::Receives;
use postrider_testkit::unique::unique;

use crate::{emulator, proxy};

/// The secrets' texts.
pub(crate) const MASTER: &str = "an-example-of-a-random-text-with-43-characters";
pub(crate) const PLATFORM: &str = "an-example-of-a-platform-key-with-32-characters";

/// Clients of one endpoint.
#[derive(Clone)]
pub(crate) struct Clients {
    pub(crate) dynamodb: aws_sdk_dynamodb::Client,
    pub(crate) sqs: aws_sdk_sqs::Client,
    pub(crate) secrets: aws_sdk_secretsmanager::Client,
    config: SdkConfig,
}

impl Clients {
    /// Clients of the emulator itself, as patient as they need be.
    pub(crate) async fn direct() -> Self {
        Self::at(emulator::address(), Duration::from_secs(60)).await
    }

    /// Clients with the retries of the real ones and shorter waits, so that failures take little time. Nothing
    /// limits how many retries there are in all: a run with this many failures would soon have none left.
    pub(crate) async fn at(address: &str, attempt: Duration) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(5))
            .operation_attempt_timeout(attempt)
            .operation_timeout(attempt * 4)
            .build();
        let retries = RetryConfig::standard()
            .with_max_attempts(3)
            .with_initial_backoff(Duration::from_millis(5))
            .with_max_backoff(Duration::from_millis(20));
        let config = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "tests"))
            .endpoint_url(format!("http://{address}"))
            .timeout_config(timeouts)
            .retry_config(retries)
            .load()
            .await;
        let partition = || RetryPartition::custom("tests").token_bucket(TokenBucket::unlimited()).build();
        let dynamodb = aws_sdk_dynamodb::config::Builder::from(&config).retry_partition(partition());
        let sqs = aws_sdk_sqs::config::Builder::from(&config).retry_partition(partition());
        let secrets = aws_sdk_secretsmanager::config::Builder::from(&config).retry_partition(partition());
        Self {
            dynamodb: aws_sdk_dynamodb::Client::from_conf(dynamodb.build()),
            sqs: aws_sdk_sqs::Client::from_conf(sqs.build()),
            secrets: aws_sdk_secretsmanager::Client::from_conf(secrets.build()),
            config,
        }
    }

    fn bucket(&self, name: &str) -> Bucket {
        let partition = RetryPartition::custom("tests").token_bucket(TokenBucket::unlimited()).build();
        Bucket::new(&self.config, name).with_retry_partition(&partition)
    }
}

/// What a deployment consists of.
#[derive(Clone)]
pub(crate) struct Deployment {
    pub(crate) direct: Clients,
    pub(crate) tables: TableNames,
    pub(crate) urls: HashMap<QueueName, String>,
    pub(crate) bucket: String,
    pub(crate) secrets: SecretNames,
}

impl Deployment {
    pub(crate) async fn create() -> Self {
        let direct = Clients::direct().await;
        let prefix = unique("postrider");
        let name = |part: &str| format!("{prefix}-{part}");
        for table in TableName::ALL {
            create_table(&direct.dynamodb, table, &name(table.as_str())).await;
        }
        let mut urls = HashMap::new();
        for queue in QueueName::all() {
            let created =
                direct.sqs.create_queue().queue_name(name(&queue.to_string())).send().await.unwrap();
            urls.insert(queue, created.queue_url.unwrap());
        }
        create_bucket(&prefix).await;
        for (part, text) in [("master", MASTER), ("platform", PLATFORM)] {
            direct.secrets.create_secret().name(name(part)).secret_string(text).send().await.unwrap();
        }
        Self {
            direct,
            tables: TableNames { config: name("config"), ledger: name("ledger") },
            urls,
            bucket: prefix.clone(),
            secrets: SecretNames { master: Some(name("master")), platform: Some(name("platform")) },
        }
    }

    pub(crate) fn table(&self, clients: &Clients) -> DynamoTable {
        DynamoTable::new(clients.dynamodb.clone(), self.tables.clone()).with_backoff(quick())
    }

    pub(crate) fn queues(&self, clients: &Clients) -> SqsQueues {
        SqsQueues::new(clients.sqs.clone(), self.urls.clone()).with_backoff(quick())
    }

    pub(crate) fn blobs(&self, clients: &Clients) -> S3Blobs {
        S3Blobs::new(clients.bucket(&self.bucket))
    }

    pub(crate) fn vault(&self, clients: &Clients, clock: Arc<dyn Clock>) -> SecretsManagerVault {
        SecretsManagerVault::new(clients.secrets.clone(), self.secrets.clone(), clock)
    }
}

/// Waits that are over soon, as many as there really are.
fn quick() -> Backoff {
    Backoff { first: Duration::from_millis(1), longest: Duration::from_millis(4), ..Backoff::default() }
}

async fn create_bucket(name: &str) {
    let request = Request::put(format!("/{name}")).header(HOST, emulator::address());
    let answer = proxy::forward(request.body(Full::default()).unwrap()).await.unwrap();
    assert!(answer.status().is_success(), "{answer:?}");
}

/// As `postrider-embedded` defines them.
async fn create_table(client: &aws_sdk_dynamodb::Client, table: TableName, name: &str) {
    let attribute = |name: &str| {
        let text = AttributeDefinition::builder().attribute_type(ScalarAttributeType::S);
        text.attribute_name(name).build().unwrap()
    };
    let keys = |hash: &str, range: &str| {
        let key = |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind);
        vec![key(hash, KeyType::Hash).build().unwrap(), key(range, KeyType::Range).build().unwrap()]
    };
    let mut request = client
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest)
        .set_key_schema(Some(keys("pk", "sk")))
        .attribute_definitions(attribute("pk"))
        .attribute_definitions(attribute("sk"));
    if table == TableName::Ledger {
        for index in IndexName::ALL {
            let (hash, range) = index.key_attributes();
            let keys_only = Projection::builder().projection_type(ProjectionType::KeysOnly).build();
            let definition = GlobalSecondaryIndex::builder()
                .index_name(index.as_str())
                .set_key_schema(Some(keys(hash, range)))
                .projection(keys_only);
            request = request
                .attribute_definitions(attribute(hash))
                .attribute_definitions(attribute(range))
                .global_secondary_indexes(definition.build().unwrap());
        }
    }
    request.send().await.unwrap();
    if table == TableName::Ledger {
        let ttl = TimeToLiveSpecification::builder().attribute_name("expires_at").enabled(true);
        let request = client.update_time_to_live().table_name(name);
        request.time_to_live_specification(ttl.build().unwrap()).send().await.unwrap();
    }
}

#[async_trait]
impl Receives for Deployment {
    async fn receive(&self, queue: QueueName) -> Vec<String> {
        let url = &self.urls[&queue];
        let request = self.direct.sqs.receive_message().queue_url(url).max_number_of_messages(10);
        let received = request.visibility_timeout(60).send().await.unwrap();
        let mut bodies = Vec::new();
        for message in received.messages.unwrap_or_default() {
            let receipt = message.receipt_handle.unwrap();
            self.direct.sqs.delete_message().queue_url(url).receipt_handle(receipt).send().await.unwrap();
            bodies.push(message.body.unwrap());
        }
        bodies
    }
}

//! The functions as they are packaged, with their budgets and what template.yaml gives each of them.

use std::net::SocketAddr;

/// The length of the operator's key and of the master key's text, as Secrets Manager would generate them.
const SECRET_CHARACTERS: usize = 64;

/// A function's name, which is that of its folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Function {
    Ingest,
    Fanout,
    DeliverWebhook,
    DeadLetter,
    Schedule,
    Query,
    Manage,
}

impl Function {
    /// All of them, in the way of an event.
    pub(crate) const ALL: [Self; 7] = [
        Self::Ingest,
        Self::Fanout,
        Self::DeliverWebhook,
        Self::DeadLetter,
        Self::Schedule,
        Self::Query,
        Self::Manage,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Fanout => "fanout",
            Self::DeliverWebhook => "deliver-webhook",
            Self::DeadLetter => "dead-letter",
            Self::Schedule => "schedule",
            Self::Query => "query",
            Self::Manage => "manage",
        }
    }

    /// How large the program may be, in bytes.
    pub(crate) const fn size_budget(self) -> u64 {
        match self {
            Self::Ingest | Self::Fanout | Self::DeliverWebhook | Self::Query => 8_000_000,
            Self::DeadLetter | Self::Schedule | Self::Manage => 16_000_000,
        }
    }

    /// Its variables, the tables' aside.
    const fn variables(self) -> &'static [Variable] {
        use Variable::{AllowCidrs, Bucket, MasterKey, PlatformKey, PublicUrl, QueueUrl};
        const EVENTS: Variable = QueueUrl("EVENTS", "events");
        const WEBHOOK: Variable = QueueUrl("WEBHOOK", "webhook");
        const EXPRESS: Variable = QueueUrl("WEBHOOK_EXPRESS", "webhook-express");
        match self {
            Self::Ingest => &[EVENTS, Bucket, PlatformKey],
            Self::Fanout => &[EVENTS, WEBHOOK, EXPRESS, Bucket],
            Self::DeliverWebhook => &[
                EVENTS,
                WEBHOOK,
                EXPRESS,
                QueueUrl("WEBHOOK_DLQ", "webhook-dlq"),
                Bucket,
                MasterKey,
                AllowCidrs,
                PublicUrl,
            ],
            Self::DeadLetter => &[QueueUrl("EVENTS_DLQ", "events-dlq")],
            Self::Schedule => &[EVENTS, WEBHOOK, EXPRESS, MasterKey],
            Self::Query => &[Bucket, MasterKey, PlatformKey],
            Self::Manage => {
                &[EVENTS, WEBHOOK, EXPRESS, Bucket, MasterKey, PlatformKey, AllowCidrs, PublicUrl]
            }
        }
    }

    /// The whole environment: what Lambda sets, what the template sets, and where AWS is.
    pub(crate) fn environment(self, runtime_api: SocketAddr, aws: SocketAddr) -> Vec<(String, String)> {
        let lambda = [
            ("AWS_LAMBDA_RUNTIME_API", runtime_api.to_string()),
            ("AWS_LAMBDA_FUNCTION_NAME", format!("bench-{}", self.name())),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256".to_owned()),
            ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
            ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/bench-{}", self.name())),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "bench".to_owned()),
            ("AWS_LAMBDA_LOG_FORMAT", "JSON".to_owned()),
            ("AWS_LAMBDA_LOG_LEVEL", "TRACE".to_owned()),
            ("AWS_EXECUTION_ENV", "AWS_Lambda_provided.al2023".to_owned()),
            ("AWS_REGION", "eu-west-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "bench".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "bench".to_owned()),
            ("AWS_SESSION_TOKEN", "bench".to_owned()),
            ("AWS_ENDPOINT_URL", format!("http://{aws}")),
            ("_HANDLER", "bootstrap".to_owned()),
            ("TZ", ":UTC".to_owned()),
            ("LANG", "en_US.UTF-8".to_owned()),
            ("POSTRIDER_LOG", "info".to_owned()),
            ("POSTRIDER_CONFIG_TABLE", "bench-config".to_owned()),
            ("POSTRIDER_LEDGER_TABLE", "bench-ledger".to_owned()),
            // Deliveries that fail are to wait for their next attempt, however many there are.
            ("POSTRIDER_CIRCUIT_FAILURES", "1000000".to_owned()),
        ];
        let lambda = lambda.into_iter().map(|(name, value)| (name.to_owned(), value));
        lambda.chain(self.variables().iter().map(|variable| variable.set(aws))).collect()
    }
}

/// A variable of template.yaml.
#[derive(Debug, Clone, Copy)]
enum Variable {
    /// The URL of a queue: its part of the variable's name, and its name.
    QueueUrl(&'static str, &'static str),
    Bucket,
    MasterKey,
    PlatformKey,
    AllowCidrs,
    PublicUrl,
}

impl Variable {
    fn set(self, aws: SocketAddr) -> (String, String) {
        match self {
            Self::QueueUrl(part, queue) => {
                (format!("POSTRIDER_QUEUE_{part}_URL"), format!("http://{aws}/123456789012/{queue}"))
            }
            Self::Bucket => ("POSTRIDER_BUCKET".to_owned(), "bench".to_owned()),
            Self::MasterKey => ("POSTRIDER_MASTER_KEY_SECRET".to_owned(), "master-key".to_owned()),
            Self::PlatformKey => ("POSTRIDER_PLATFORM_KEY_SECRET".to_owned(), "platform-key".to_owned()),
            // Where the receiver of this program is.
            Self::AllowCidrs => ("POSTRIDER_ALLOW_CIDRS".to_owned(), "127.0.0.0/8".to_owned()),
            Self::PublicUrl => ("POSTRIDER_PUBLIC_URL".to_owned(), "https://events.example.com".to_owned()),
        }
    }
}

/// The value of a secret, by its name: nothing that would look like one elsewhere.
pub(crate) fn secret(name: &str) -> String {
    name.replace('-', "").chars().cycle().take(SECRET_CHARACTERS).collect()
}

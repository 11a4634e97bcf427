//! What `template.yaml` says about the system is what the code says.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use postrider_application::ports::QueueName;
use postrider_application::ports::table::{IndexName, TableName};
use postrider_application::reconcile;
use yaml_rust2::{Yaml, YamlLoader};

use crate::root;
use crate::routes::{Rule, code_routes};

/// The template. Its reader drops tags: `!Ref Name` is the text `Name`, `!FindInMap [...]` a list.
struct Template(Yaml);

/// A function of the template.
struct Function<'a> {
    /// Its folder in `functions/`.
    name: String,
    properties: &'a Yaml,
}

impl Template {
    fn read() -> Self {
        let text = fs::read_to_string(root().join("template.yaml")).unwrap();
        Self(YamlLoader::load_from_str(&text).unwrap().remove(0))
    }

    /// The resources of a type, by their logical ids.
    fn resources(&self, kind: &str) -> BTreeMap<&str, &Yaml> {
        let resources = self.0["Resources"].as_hash().unwrap().iter();
        let wanted = resources.filter(|(_, resource)| resource["Type"].as_str() == Some(kind));
        wanted.map(|(id, resource)| (id.as_str().unwrap(), &resource["Properties"])).collect()
    }

    fn functions(&self) -> Vec<Function<'_>> {
        let functions = self.resources("AWS::Serverless::Function").into_values().map(|properties| {
            let code = text(&properties["CodeUri"]);
            let name = code.strip_prefix("target/lambda/").and_then(|name| name.strip_suffix('/')).unwrap();
            Function { name: name.to_owned(), properties }
        });
        functions.collect()
    }

    /// A number, perhaps from a mapping.
    fn number(&self, value: &Yaml) -> i64 {
        match value.as_vec().map(Vec::as_slice) {
            Some([map, first, second]) => {
                self.0["Mappings"][text(map)][text(first)][text(second)].as_i64().unwrap()
            }
            _ => value.as_i64().unwrap(),
        }
    }

    /// What a function's role allows: each action with each resource.
    fn allowed(&self, function: &Function<'_>) -> BTreeSet<(String, String)> {
        let roles = self.resources("AWS::IAM::Role");
        let role = roles[text(&function.properties["Role"]).strip_suffix(".Arn").unwrap()];
        let policies = role["Policies"].as_vec().unwrap().iter();
        let statements = policies.flat_map(|policy| policy["PolicyDocument"]["Statement"].as_vec().unwrap());
        let pairs = statements.flat_map(|statement| {
            assert_eq!(text(&statement["Effect"]), "Allow");
            let resources = one_or_more(&statement["Resource"]);
            one_or_more(&statement["Action"]).into_iter().flat_map(move |action| {
                resources.clone().into_iter().map(move |resource| (action.clone(), resource))
            })
        });
        pairs.collect()
    }
}

fn text(value: &Yaml) -> &str {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value:?}"))
}

fn one_or_more(value: &Yaml) -> Vec<String> {
    match value.as_vec() {
        Some(values) => values.iter().map(|value| text(value).to_owned()).collect(),
        None => vec![text(value).to_owned()],
    }
}

fn named(name: impl std::fmt::Display) -> String {
    format!("${{AWS::StackName}}-{name}")
}

#[test]
fn a_queue_hides_its_messages_for_six_times_as_long_as_their_function_may_run() {
    let template = Template::read();
    let queues = template.resources("AWS::SQS::Queue");
    let mut consumed = BTreeSet::new();
    for function in template.functions() {
        let timeout = template.number(&function.properties["Timeout"]);
        let Some(events) = function.properties["Events"].as_hash() else { continue };
        for event in events.values().filter(|event| text(&event["Type"]) == "SQS") {
            let source = &event["Properties"];
            let queue = text(&source["Queue"]).strip_suffix(".Arn").unwrap();
            consumed.insert(text(&queues[queue]["QueueName"]).to_owned());
            assert_eq!(template.number(&queues[queue]["VisibilityTimeout"]), 6 * timeout, "{queue}");
            assert_eq!(one_or_more(&source["FunctionResponseTypes"]), ["ReportBatchItemFailures"], "{queue}");
            assert!(!source["ScalingConfig"]["MaximumConcurrency"].is_badvalue(), "{queue} has no limit");
            for action in ["ReceiveMessage", "DeleteMessage", "GetQueueAttributes"] {
                let needed = (format!("sqs:{action}"), format!("{queue}.Arn"));
                assert!(template.allowed(&function).contains(&needed), "{}: {needed:?}", function.name);
            }
        }
    }
    let expected: BTreeSet<_> = QueueName::all().into_iter().map(named).chain([named("inbox")]).collect();
    assert_eq!(consumed, expected);
}

#[test]
fn the_queues_are_the_codes_and_give_up_to_the_same_ones() {
    let template = Template::read();
    let resources = template.resources("AWS::SQS::Queue");
    let by_name: BTreeMap<_, _> =
        resources.iter().map(|(id, queue)| (text(&queue["QueueName"]), (*id, *queue))).collect();
    for queue in QueueName::all() {
        let (_, resource) = by_name[named(queue).as_str()];
        assert_eq!(resource["SqsManagedSseEnabled"].as_bool(), Some(true), "{queue}");
        let Some(dead) = queue.dead_letter_queue() else {
            assert_eq!(resource["MessageRetentionPeriod"].as_i64(), Some(14 * 24 * 3600), "{queue}");
            continue;
        };
        let (id, resource_of_dead) = by_name[named(dead).as_str()];
        assert_eq!(text(&resource["RedrivePolicy"]["deadLetterTargetArn"]), format!("{id}.Arn"), "{queue}");
        let sources = one_or_more(&resource_of_dead["RedriveAllowPolicy"]["sourceQueueArns"]);
        let giving = QueueName::all().into_iter().filter(|giving| giving.dead_letter_queue() == Some(dead));
        let giving: Vec<_> = giving.map(|giving| format!(":{}", named(giving))).collect();
        assert_eq!(sources.len(), giving.len(), "{dead}");
        for (source, giving) in sources.iter().zip(giving) {
            assert!(source.ends_with(&giving), "{dead}: {source}");
        }
    }
}

#[test]
fn the_tables_are_the_codes() {
    let template = Template::read();
    let tables = template.resources("AWS::DynamoDB::Table");
    let expected: BTreeSet<_> =
        TableName::ALL.map(|table| format!("{}Table", capitalised(table.as_str()))).into();
    assert_eq!(tables.keys().map(|id| (*id).to_owned()).collect::<BTreeSet<_>>(), expected);
    for (id, table) in tables {
        let indexes = if id == "LedgerTable" { &IndexName::ALL[..] } else { &[] };
        let mut attributes = BTreeSet::from(["pk", "sk"]);
        assert_eq!(keys(table), ("pk", "sk"), "{id}");
        let found: BTreeMap<_, _> = table["GlobalSecondaryIndexes"]
            .as_vec()
            .into_iter()
            .flatten()
            .map(|index| {
                assert_eq!(text(&index["Projection"]["ProjectionType"]), "KEYS_ONLY", "{id}");
                (text(&index["IndexName"]), keys(index))
            })
            .collect();
        for index in indexes {
            let (hash, range) = index.key_attributes();
            attributes.extend([hash, range]);
        }
        assert_eq!(found, indexes.iter().map(|index| (index.as_str(), index.key_attributes())).collect());
        let defined = table["AttributeDefinitions"].as_vec().unwrap().iter().map(|attribute| {
            assert_eq!(text(&attribute["AttributeType"]), "S", "{id}");
            text(&attribute["AttributeName"])
        });
        assert_eq!(defined.collect::<BTreeSet<_>>(), attributes, "{id}");
        let expires = table["TimeToLiveSpecification"]["AttributeName"].as_str();
        assert_eq!(expires, (id == "LedgerTable").then_some("expires_at"), "{id}");
    }
}

fn keys(table: &Yaml) -> (&str, &str) {
    let keys = table["KeySchema"].as_vec().unwrap();
    assert_eq!((text(&keys[0]["KeyType"]), text(&keys[1]["KeyType"]), keys.len()), ("HASH", "RANGE", 2));
    (text(&keys[0]["AttributeName"]), text(&keys[1]["AttributeName"]))
}

fn capitalised(name: &str) -> String {
    name[..1].to_uppercase() + &name[1..]
}

#[test]
fn every_function_has_its_resource_its_log_and_samples() {
    let template = Template::read();
    let logs = template.resources("AWS::Logs::LogGroup");
    let folders = fs::read_dir(root().join("functions")).unwrap();
    let folders = folders.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let functions = template.functions();
    let names: BTreeSet<_> = functions.iter().map(|function| function.name.clone()).collect();
    assert_eq!(folders.collect::<BTreeSet<_>>(), names);
    for Function { name, properties } in functions {
        assert_eq!(text(&properties["FunctionName"]), named(&name));
        let log = logs[text(&properties["LoggingConfig"]["LogGroup"])];
        assert_eq!(text(&log["LogGroupName"]), format!("/aws/lambda/{}", named(&name)));
        assert_eq!(text(&log["RetentionInDays"]), "LogRetentionDays");
        let samples =
            fs::read_dir(root().join("events").join(&name)).unwrap_or_else(|_| panic!("events/{name}"));
        let mut count = 0;
        for sample in samples.map(|entry| entry.unwrap().path()) {
            let read = serde_json::from_slice::<serde_json::Value>(&fs::read(&sample).unwrap());
            assert!(read.is_ok(), "{}: {read:?}", sample.display());
            count += 1;
        }
        assert!(count > 0, "events/{name} is empty");
    }
}

/// What a function knows of is what it may use: a queue to send to, the bucket, a secret. Nothing is allowed for
/// everything, or everything for anything.
#[test]
fn a_function_may_use_what_it_knows_of_and_nothing_else() {
    let template = Template::read();
    for function in template.functions() {
        let variables = function.properties["Environment"]["Variables"].as_hash();
        let known = |prefix: &str, suffix: &str| -> BTreeSet<String> {
            let variables = variables.into_iter().flatten();
            let wanted =
                variables.filter(|(name, _)| text(name).starts_with(prefix) && text(name).ends_with(suffix));
            wanted.map(|(_, value)| text(value).to_owned()).collect()
        };
        let allowed = template.allowed(&function);
        let name = &function.name;
        let usable = |action: &str| -> BTreeSet<String> {
            let wanted = allowed.iter().filter(|(allowed, _)| allowed == action);
            wanted.map(|(_, resource)| resource.trim_end_matches(".Arn").to_owned()).collect()
        };
        for (action, resource) in &allowed {
            assert!(!action.contains('*') && resource != "*", "{name}: {action} for {resource}");
        }
        let mut queues = known("POSTRIDER_QUEUE_", "_URL");
        // It reads this one, and knows its name to tell its two sources apart.
        if name == "dead-letter" {
            queues.remove("EventsDeadLetterQueue");
        }
        // Lambda sends there for it.
        let sends: BTreeSet<_> =
            usable("sqs:SendMessage").into_iter().filter(|queue| queue != "BusDeadLetterQueue").collect();
        assert_eq!(sends, queues, "{name}");
        assert_eq!(usable("secretsmanager:GetSecretValue"), known("POSTRIDER_", "_SECRET"), "{name}");
        let objects = usable("s3:GetObject").len() + usable("s3:PutObject").len();
        assert_eq!(objects > 0, !known("POSTRIDER_BUCKET", "").is_empty(), "{name}");
    }
}

/// What the code writes into a log is what a filter looks for there, and what it counts is what an alarm watches.
#[test]
fn the_alarm_of_a_gap_waits_for_the_line_that_says_so() {
    let template = Template::read();
    let filters = template.resources("AWS::Logs::MetricFilter");
    let (_, filter) = filters.into_iter().next().unwrap();
    assert_eq!(text(&filter["FilterPattern"]), format!("{{ $.target = \"{}\" }}", reconcile::GAP));
    let functions = template.functions();
    let schedule = functions.iter().find(|function| function.name == "schedule").unwrap();
    assert_eq!(text(&filter["LogGroupName"]), text(&schedule.properties["LoggingConfig"]["LogGroup"]));
    let counted = &filter["MetricTransformations"][0];
    let alarms = template.resources("AWS::CloudWatch::Alarm");
    let watches = |alarm: &Yaml| {
        alarm["Namespace"] == counted["MetricNamespace"] && alarm["MetricName"] == counted["MetricName"]
    };
    assert_eq!(alarms.values().filter(|alarm| watches(alarm)).count(), 1);
}

#[test]
fn every_request_goes_to_the_function_that_answers_it() {
    let template = Template::read();
    let integrations = template.resources("AWS::ApiGatewayV2::Integration");
    let functions = template.resources("AWS::Serverless::Function");
    let routes = template.resources("AWS::ApiGatewayV2::Route").into_values().map(|route| {
        let integration =
            text(&route["Target"]).strip_prefix("integrations/${").unwrap().trim_end_matches('}');
        let function = text(&integrations[integration]["IntegrationUri"]).trim_end_matches(".Arn");
        let code = text(&functions[function]["CodeUri"]);
        Rule::new(text(&route["RouteKey"]), code.trim_start_matches("target/lambda/").trim_end_matches('/'))
    });
    let rules: Vec<Rule> = routes.collect();
    let mut used = BTreeSet::new();
    let code = code_routes();
    assert!(code.len() > 25, "only {} routes were found in shared/http-api", code.len());
    for route in code {
        let rule = rules.iter().max_by_key(|rule| rule.fits(&route.method, &route.path)).unwrap();
        assert!(
            rule.fits(&route.method, &route.path).is_some(),
            "nothing answers {} {}",
            route.method,
            route.path
        );
        used.insert(&rule.key);
        if let Some(function) = route.function {
            assert_eq!(rule.function, function, "{} {} goes by {:?}", route.method, route.path, rule.key);
        }
    }
    for rule in rules.iter().filter(|rule| rule.key != "$default") {
        assert!(used.contains(&rule.key), "{:?} leads nothing anywhere", rule.key);
    }
}

//! `kill -9` under load, again and again.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use postrider_tests::random::{Random, fresh};
use postrider_tests::settings::{scaled, settings};
use postrider_tests::{Answer, Endpoint, Receiver, Tenant, harness, pages, wait};
use serde_json::json;

use crate::laboratory::Laboratory;
use crate::publishers::{self, Published};
use crate::repeats::{Kill, Repeats, explain};

/// How often the server is killed.
const ROUNDS: usize = 20;

/// For how long a server runs, in milliseconds: some do not get far, some have a lot under way.
const LIFE_MILLIS: (u64, u64) = (20, 1_200);

/// The longest time that a receiver takes to answer, so that many requests are in flight.
const MOST_DELAY: Duration = Duration::from_millis(30);

/// How long some answers take.
const SLOW: Duration = Duration::from_millis(800);

/// How long everything may take to arrive in the end: what was in flight at the last kill comes again when
/// its time in the queue is over.
const USUAL: Duration = Duration::from_secs(180);

pub(crate) async fn what_was_accepted_is_delivered() {
    let seed = settings().seed.unwrap_or_else(fresh);
    harness::say(&format!("kill: to repeat these random choices, set POSTRIDER_TEST_SEED={seed}"));
    let mut random = Random::seeded(seed);
    let laboratory = Laboratory::new();
    let receiver = Receiver::start().await;
    let ok = || Answer::ok().after_up_to(MOST_DELAY);
    // What shares a batch with a slow answer stays in the queue although it is on record.
    receiver
        .cycle("/steady", (0..12).map(|number| if number == 0 { Answer::ok().after(SLOW) } else { ok() }));
    receiver.cycle("/flaky", [ok(), Answer::status(500).after_up_to(MOST_DELAY), ok(), ok()]);

    let mut server = laboratory.start();
    let tenant = Tenant::create(&laboratory.platform(&server), "crashes").await;
    tenant.fast_endpoint(&receiver.url("/steady"), json!({})).await;
    let retry = json!({"strategy": "fixed", "initial_delay": 0.2, "max_attempts": 50});
    let flaky = tenant.fast_endpoint(&receiver.url("/flaky"), json!({"retry": retry})).await;
    let publishers = publishers::start(tenant.admin.clone(), &mut random);
    let rounds = scaled(ROUNDS);
    let mut kills = Vec::new();
    for _ in 0..rounds {
        // Not waiting for anything: this is the random moment.
        tokio::time::sleep(Duration::from_millis(random.between(LIFE_MILLIS.0, LIFE_MILLIS.1))).await;
        let begun = Instant::now();
        server.kill();
        kills.push(Kill { begun, ended: Instant::now() });
        server = laboratory.start();
        publishers.go_on_with(tenant.admin.at(server.url()));
    }
    let published: Vec<_> = publishers.finish().await.into_iter().flatten().collect();
    let tenant = Tenant { id: tenant.id, admin: tenant.admin.at(server.url()) };
    assert_recorded(&tenant, &published).await;
    let steady = assert_delivered(&receiver, "/steady", &published, &kills);
    let flaky = check_flaky(&tenant, &flaky, assert_delivered(&receiver, "/flaky", &published, &kills)).await;
    let unsure = published.iter().filter(|event| event.tries > 1).count();
    harness::say(&format!(
        "kill: {rounds} kills; {} events accepted, {unsure} of them not at the first try; {} deliveries, {} \
         requests repeated, answered at most {:.0?} before their kill",
        published.len(),
        steady.delivered.len() + flaky.delivered.len(),
        steady.repeated + flaky.repeated,
        steady.longest.max(flaky.longest),
    ));
}

/// Waits until every event that was acknowledged is on record as delivered to both endpoints.
async fn assert_recorded(tenant: &Tenant, published: &[Published]) {
    let what = "every accepted event to be delivered to both endpoints";
    wait::within(USUAL, what, async || {
        let rows = pages::all(&tenant.admin, "/v1/deliveries?status=delivered", 100).await;
        let ids = pages::texts(&rows, "event_id");
        let listed = ids.iter().map(String::as_str);
        let mut counts = std::collections::HashMap::<&str, usize>::new();
        listed.for_each(|id| *counts.entry(id).or_default() += 1);
        let missing: Vec<_> = published.iter().filter(|event| counts.get(&*event.id) != Some(&2)).collect();
        match missing.first() {
            None => Ok(()),
            Some(first) => {
                Err(format!("{} of {} are not, such as {}", missing.len(), published.len(), first.id))
            }
        }
    })
    .await;
    // An event that was never acknowledged may have been accepted all the same, and is delivered then.
    wait::within(USUAL, "nothing to be left", async || {
        let mut left = Vec::new();
        for status in ["pending", "retrying", "parked", "failed", "cancelled"] {
            left.extend(pages::all(&tenant.admin, &format!("/v1/deliveries?status={status}"), 100).await);
        }
        if left.is_empty() { Ok(()) } else { Err(format!("{} deliveries, such as {}", left.len(), left[0])) }
    })
    .await;
}

/// Checks that what was acknowledged arrived as it was, and that no repetition was without need.
fn assert_delivered(receiver: &Receiver, path: &str, published: &[Published], kills: &[Kill]) -> Repeats {
    let repeats = explain(receiver.requests(path), published, kills);
    let ids: HashSet<_> = published.iter().map(|event| &event.id).collect();
    assert_eq!(ids.len(), published.len(), "an id was given twice");
    for event in published {
        let request = repeats.delivered.get(&event.id);
        let request = request.unwrap_or_else(|| panic!("{} never arrived at {path}", event.id));
        assert_eq!(request.json()["data"], event.data, "{}", event.id);
    }
    repeats
}

/// Checks that failed attempts were recorded and repeated as the policy says.
async fn check_flaky(tenant: &Tenant, flaky: &Endpoint, repeats: Repeats) -> Repeats {
    let rows = pages::all(&tenant.admin, &format!("/v1/endpoints/{}/deliveries", flaky.id), 100).await;
    let tried_again = rows.iter().filter(|row| row["attempt_count"].as_u64() > Some(1)).count();
    assert!(tried_again * 10 > rows.len(), "{tried_again} of {} deliveries were tried again", rows.len());
    let letters = pages::all(&tenant.admin, "/v1/dead-letters", 100).await;
    assert!(letters.is_empty(), "{letters:?}");
    repeats
}

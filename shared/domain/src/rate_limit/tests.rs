use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

const BEGIN: u64 = 1_770_000_000_000;

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(BEGIN + millis)
}

fn fresh(count: usize) -> Demand {
    Demand { fresh: count, ..Demand::default() }
}

#[test]
fn a_full_bucket_gives_its_burst_then_soon_what_comes_and_slots_to_the_rest() {
    let limit = RateLimit { per_second: 10.0, burst: 10 };
    let mut bucket = Bucket::default();
    let turns = bucket.serve(&limit, at(0), fresh(15)).fresh;
    assert_eq!(turns[..10], [Turn::Token(at(0)); 10]);
    assert_eq!(turns[10..12], [Turn::Token(at(100)), Turn::Token(at(200))]);
    // Rounded up to a quarter of a second.
    assert_eq!(turns[12..], [500, 500, 500].map(|millis| Turn::Later(at(millis))));
    let waited = Demand { waited: 3, ..fresh(1) };
    let supply = bucket.serve(&limit, at(500), waited);
    assert_eq!(supply.waited, [Turn::Token(at(500)); 3]);
    assert_eq!(supply.credit, 0.0, "all tokens are spent");
    assert_eq!(supply.fresh, [Turn::Token(at(600))]);
}

#[test]
fn who_comes_later_is_behind_those_who_wait() {
    let limit = RateLimit { per_second: 1.0, burst: 1 };
    let mut bucket = Bucket::default();
    bucket.serve(&limit, at(0), fresh(3));
    // A token came, and belongs to the first on the list.
    let supply = bucket.serve(&limit, at(1_000), fresh(1));
    assert_eq!(supply.fresh, [Turn::Later(at(3_000))]);
    assert_eq!(supply.credit, 0.0);
    let waited = Demand { waited: 1, ..Demand::default() };
    assert_eq!(bucket.serve(&limit, at(1_000), waited).waited, [Turn::Token(at(1_000))]);
}

#[test]
fn who_does_not_wait_is_told_when_to_come_again() {
    let limit = RateLimit { per_second: 2.0, burst: 1 };
    let mut bucket = Bucket::default();
    let impatient = Demand { fresh: 2, horizon: Some(Duration::ZERO), ..Demand::default() };
    let turns = bucket.serve(&limit, at(0), impatient).fresh;
    assert_eq!(turns, [Turn::Token(at(0)), Turn::Later(at(500))]);
    assert_eq!(bucket.booked_until, 0);
    let ahead = Demand { fresh: 3, horizon: Some(Duration::from_secs(1)), ..Demand::default() };
    let turns = bucket.serve(&limit, at(0), ahead).fresh;
    assert_eq!(turns, [Turn::Token(at(500)), Turn::Token(at(1_000)), Turn::Later(at(1_500))]);
}

#[test]
fn a_limit_that_is_raised_shortens_the_list() {
    let (slow, fast) = (RateLimit::steady(0.1), RateLimit::steady(100.0));
    let mut bucket = Bucket::default();
    bucket.serve(&slow, at(0), fresh(1_001));
    assert_eq!(bucket.booked_until / 1_000_000, BEGIN + 10_000_000);
    let turns = bucket.serve(&fast, at(0), fresh(1)).fresh;
    assert_eq!(turns, [Turn::Later(at(10_250))]);
}

#[test]
fn what_an_instance_used_is_forgiven_slowly() {
    let mut allowance = Allowance::new(RateLimit::steady(100.0), at(0));
    assert_eq!((0..30).filter(|_| allowance.take(at(0))).count(), 20);
    assert_eq!((0..30).filter(|_| allowance.take(at(10_000))).count(), 5);
    assert_eq!(allowance.unpaid(at(10_000)), 20.0);
    allowance.paid(0.0, at(10_000));
    assert!(!allowance.take(at(1_000_000)), "an empty bucket is asked each time");
}

#[test]
fn fields_out_of_bounds_are_named() {
    let fields = |per_second, burst| {
        let problems = RateLimit { per_second, burst }.check().err().unwrap_or_default();
        problems.into_iter().map(|problem| problem.field).collect::<Vec<_>>()
    };
    assert_eq!(fields(0.09, 0), ["per_second", "burst"]);
    assert_eq!(fields(f64::NAN, 100_001), ["per_second", "burst"]);
    assert!(fields(0.1, 1).is_empty() && fields(100_000.0, 100_000).is_empty());
    assert_eq!(RateLimit::steady(0.1).burst, 1);
    assert_eq!(RateLimit::steady(2.5).burst, 3);
}

/// Instances that share a bucket, as they come in any order; answers when tokens were used.
fn share(limit: RateLimit, instances: usize, steps: &[(u16, u8, u8)]) -> Vec<u64> {
    let mut bucket = Bucket::default();
    let mut allowances = vec![Allowance::new(limit, at(0)); instances];
    let mut waiting: VecDeque<Timestamp> = VecDeque::new();
    let (mut millis, mut used) = (0, Vec::new());
    for (wait, instance, count) in steps {
        millis += u64::from(*wait);
        let now = at(millis);
        let allowance = &mut allowances[usize::from(*instance) % instances];
        let mut fresh = 0;
        for _ in 0..*count {
            if allowance.take(now) { used.push(millis) } else { fresh += 1 }
        }
        let waited = waiting.iter().filter(|slot| **slot <= now).count();
        if waited + fresh == 0 {
            continue;
        }
        waiting.retain(|slot| *slot > now);
        let demand = Demand { unpaid: allowance.unpaid(now), waited, fresh, horizon: None };
        let supply = bucket.serve(&limit, now, demand);
        allowance.paid(supply.credit, now);
        for turn in supply.waited.into_iter().chain(supply.fresh) {
            match turn {
                Turn::Token(at) => used.push(at.as_millis() - BEGIN),
                Turn::Later(slot) => waiting.push_back(slot),
            }
        }
    }
    used.sort_unstable();
    used
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Whoever asks whenever for however many: in no ten seconds is a tenth more used than the limit and its burst.
    #[test]
    fn the_limit_holds_in_every_ten_seconds(
        per_second in prop_oneof![0.1_f64..10.0, 10.0_f64..1_000.0],
        burst in 1_u32..300,
        steps in proptest::collection::vec((0_u16..400, 0_u8..4, 0_u8..100), 1..300),
    ) {
        let limit = RateLimit { per_second, burst };
        let used = share(limit, INSTANCES as usize, &steps);
        let allowed = per_second * 10.0 * 1.1 + f64::from(burst);
        for (index, begin) in used.iter().enumerate() {
            let count = used[index..].iter().take_while(|at| **at < begin + 10_000).count();
            prop_assert!(count as f64 <= allowed + 1.0, "{count} of {allowed} from {begin} on");
        }
    }

    /// While somebody waits, tokens are not left unused: slots are as dense as the rate.
    #[test]
    fn slots_are_as_dense_as_the_rate(per_second in 0.1_f64..1_000.0, burst in 1_u32..300, count in 1_usize..2_000) {
        let limit = RateLimit { per_second, burst };
        let turns = Bucket::default().serve(&limit, at(0), fresh(count)).fresh;
        let last = turns.iter().map(|turn| turn.at().as_millis() - BEGIN).max().unwrap();
        let needed = (count as f64 - f64::from(burst)).max(0.0) / per_second * 1000.0;
        prop_assert!(last as f64 >= needed - 1.0 && last as f64 <= needed + 251.0, "{last} for {needed}");
    }
}

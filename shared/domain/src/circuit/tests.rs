use proptest::prelude::*;

use super::*;

const RULES: CircuitRules = CircuitRules { failures: 3, recovery: Duration::from_secs(60) };
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

const fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(1_000_000_000_000 + seconds * 1_000)
}

/// A circuit that opened at the moment 0.
fn opened() -> Circuit {
    let mut circuit = Circuit::default();
    for _ in 0..3 {
        assert!(circuit.learn(at(0), Finding::Failure("503"), Pass::Ordinary, &RULES));
    }
    circuit
}

fn fail_probe(circuit: &mut Circuit, now: Timestamp) {
    let probe = circuit.grant(now).unwrap();
    assert!(circuit.learn(now, Finding::Failure("503"), probe, &RULES));
}

#[test]
fn it_opens_after_failures_in_a_row_and_says_so_once() {
    let mut circuit = Circuit::default();
    let fail = |circuit: &mut Circuit| circuit.learn(at(0), Finding::Failure("503"), Pass::Ordinary, &RULES);
    assert!(fail(&mut circuit) && fail(&mut circuit));
    assert_eq!(circuit.admission(at(0)), Admission::Free);
    assert!(circuit.learn(at(0), Finding::Success, Pass::Ordinary, &RULES));
    assert!(circuit.is_untroubled());
    let circuit = opened();
    assert_eq!(circuit.admission(at(59)), Admission::Refused(Some(at(60))));
    assert_eq!(circuit.admission(at(60)), Admission::AsProbe);
    assert_eq!(circuit.notices, [Notice::Opened { at: at(0) }, Notice::Probe { at: at(60) }]);
    assert_eq!((circuit.failures, circuit.failing_since), (3, Some(at(0))));
    assert_eq!(circuit.last_error.as_deref(), Some("503"));
    // What was under way tells nothing new.
    let mut later = circuit.clone();
    assert!(!fail(&mut later) && !later.learn(at(1), Finding::Success, Pass::Ordinary, &RULES));
    assert_eq!(later, circuit);
}

#[test]
fn a_success_of_a_receiver_that_works_changes_nothing() {
    let mut circuit = Circuit::default();
    assert!(!circuit.learn(at(0), Finding::Success, Pass::Ordinary, &RULES));
    assert_eq!(circuit, Circuit::default());
}

#[test]
fn what_is_rejected_neither_counts_nor_resets() {
    let mut circuit = Circuit::default();
    circuit.learn(at(0), Finding::Failure("503"), Pass::Ordinary, &RULES);
    let before = circuit.clone();
    for finding in [Finding::Answered, Finding::Nothing] {
        assert!(!circuit.learn(at(1), finding, Pass::Ordinary, &RULES));
    }
    assert_eq!(circuit, before);
}

#[test]
fn three_probes_pass_and_a_dead_workers_place_becomes_free() {
    let mut circuit = opened();
    assert_eq!(circuit.grant(at(59)), None);
    for _ in 0..3 {
        assert!(circuit.grant(at(60)).is_some());
    }
    assert_eq!(circuit.grant(at(60)), None);
    let lease = PROBE_LEASE.as_secs();
    assert_eq!(circuit.admission(at(61)), Admission::Refused(Some(at(60 + lease))));
    assert_eq!(circuit.check_at.map(|check| check > at(61)), Some(true));
    assert!(circuit.grant(at(60 + lease)).is_some());
}

#[test]
fn a_clock_a_little_behind_granted_a_fourth_probe() {
    let mut circuit = opened();
    let (ahead, behind) = (at(62), at(60));
    assert!((0..3).all(|_| circuit.grant(ahead).is_some()));
    assert!(circuit.grant(behind).is_none(), "{:?}", circuit.state);
    assert_eq!(circuit.admission(at(62).after(PROBE_LEASE)), Admission::AsProbe);
}

#[test]
fn the_first_success_closes_it_and_everything_goes_on() {
    let mut circuit = opened();
    let (one, two) = (circuit.grant(at(60)).unwrap(), circuit.grant(at(60)).unwrap());
    circuit.done(&[Notice::Opened { at: at(0) }], at(60));
    assert!(circuit.learn(at(61), Finding::Success, one, &RULES));
    assert_eq!((&circuit.state, circuit.failures, circuit.openings), (&CircuitState::Closed, 0, 0));
    assert_eq!(circuit.notices, [Notice::Closed { at: at(61) }, Notice::Release]);
    assert_eq!(circuit.check_at, Some(at(121)), "should nobody do it");
    // The other probe was under way: one failure of a circuit that is closed.
    assert!(circuit.learn(at(62), Finding::Failure("503"), two, &RULES));
    assert_eq!((&circuit.state, circuit.failures), (&CircuitState::Closed, 1));
    circuit.done(&[Notice::Closed { at: at(61) }, Notice::Release], at(62));
    assert_eq!(circuit.check_at, None);
}

#[test]
fn failing_probes_double_the_wait_up_to_an_hour() {
    let mut circuit = opened();
    let mut now = at(0);
    for expected in [60, 120, 240, 480, 960, 1920, 3600, 3600] {
        let CircuitState::Open { until: Some(until), .. } = circuit.state else { panic!("{circuit:?}") };
        assert_eq!(until.since(now).as_secs(), expected);
        now = until;
        fail_probe(&mut circuit, now);
    }
    let opened = circuit.notices.iter().filter(|notice| matches!(notice, Notice::Opened { .. }));
    assert_eq!(opened.count(), 1);
}

#[test]
fn a_second_failing_probe_does_not_double_again() {
    let mut circuit = opened();
    let (one, two) = (circuit.grant(at(60)).unwrap(), circuit.grant(at(60)).unwrap());
    assert!(circuit.learn(at(61), Finding::Failure("x"), one, &RULES));
    assert!(!circuit.learn(at(62), Finding::Failure("x"), two, &RULES));
    assert_eq!(circuit.admission(at(62)), Admission::Refused(Some(at(61 + 120))));
}

#[test]
fn a_probe_that_is_refused_closes_it_but_does_not_end_the_outage() {
    let mut circuit = opened();
    let probe = circuit.grant(at(60)).unwrap();
    assert!(circuit.learn(at(61), Finding::Answered, probe, &RULES));
    assert_eq!((&circuit.state, circuit.failing_since), (&CircuitState::Closed, Some(at(0))));
    assert!(circuit.learn(at(62), Finding::Failure("503"), Pass::Ordinary, &RULES));
    assert_eq!(circuit.admission(at(62)), Admission::Refused(Some(at(62 + 120))));
}

#[test]
fn a_probe_that_tells_nothing_gives_its_place_back() {
    let mut circuit = opened();
    let probe = circuit.grant(at(60)).unwrap();
    circuit.notices.clear();
    assert!(circuit.learn(at(60), Finding::Nothing, probe, &RULES));
    assert_eq!(circuit.state, CircuitState::HalfOpen { leases: vec![] });
    assert!(!circuit.learn(at(60), Finding::Nothing, probe, &RULES), "it has none any more");
    assert_eq!(circuit.check_at, Some(at(60)));
}

#[test]
fn opened_by_hand_it_stays_open() {
    let mut circuit = Circuit::default();
    circuit.open_by_hand(at(0), None, "key_x");
    assert_eq!(circuit.admission(at(1_000_000)), Admission::Refused(None));
    assert!(!circuit.learn(at(1), Finding::Success, Pass::Ordinary, &RULES));
    circuit.done(&[Notice::Opened { at: at(0) }], at(1));
    assert_eq!(circuit.check_at, None);
    circuit.close_by_hand(at(2));
    assert_eq!(circuit.notices, [Notice::Closed { at: at(2) }, Notice::Release]);
    let days = 3 * DAY.as_secs();
    circuit.open_by_hand(at(3), Some(at(days)), "key_x");
    assert_eq!(circuit.admission(at(days - 1)), Admission::Refused(Some(at(days))));
    assert!(circuit.grant(at(days)).is_some());
}

#[test]
fn a_clock_that_went_back_does_not_keep_it_open() {
    let circuit = opened();
    let hours_before = Timestamp::from_millis(at(0).as_millis() - 3 * 3_600_000);
    assert_eq!(circuit.admission(hours_before), Admission::AsProbe);
    let mut half_open = circuit;
    half_open.grant(at(60)).unwrap();
    assert_eq!(half_open.admission(hours_before), Admission::AsProbe);
}

#[test]
fn five_days_of_failures_disable_the_endpoint_after_three_warnings() {
    let mut circuit = opened();
    let (mut warned, mut now) = (Vec::new(), at(60));
    loop {
        fail_probe(&mut circuit, now);
        let notices = std::mem::take(&mut circuit.notices);
        if notices.iter().any(|notice| matches!(notice, Notice::Disable { .. })) {
            break;
        }
        warned.extend(notices.iter().filter_map(|notice| match notice {
            Notice::Warning { percent, since } if *since == at(0) => Some((*percent, now.since(*since))),
            _ => None,
        }));
        now = now.after(Duration::from_secs(3600));
    }
    assert_eq!(warned.iter().map(|(percent, _)| *percent).collect::<Vec<_>>(), WARNINGS);
    assert!(warned.iter().all(|(percent, after)| *after >= DISABLED_AFTER * u32::from(*percent) / 100));
    assert!((DISABLED_AFTER..DISABLED_AFTER + DAY).contains(&now.since(at(0))));
    let notice = Notice::Disable { since: at(0) };
    circuit.notices = vec![notice];
    circuit.done(&[notice], now);
    assert_eq!((circuit.notices.len(), circuit.check_at), (0, None));
    circuit.reset();
    assert!(circuit.is_untroubled() && circuit.last_failure_at.is_some());
}

#[test]
fn without_attempts_nobody_is_disabled() {
    let mut circuit = opened();
    circuit.notices.clear();
    circuit.review(at(0).after(DISABLED_AFTER + DAY));
    assert_eq!(circuit.notices, []);
    // Two failures in a week are no outage.
    let mut circuit = Circuit::default();
    for now in [at(0), at(0).after(DAY * 6)] {
        circuit.learn(now, Finding::Failure("503"), Pass::Ordinary, &RULES);
    }
    assert_eq!(circuit.notices, []);
}

#[test]
fn an_idle_open_circuit_is_looked_at_less_and_less() {
    let mut circuit = opened();
    let (mut now, mut waits) = (at(60), Vec::new());
    for _ in 0..8 {
        circuit.put_off(now);
        let next = circuit.check_at.unwrap();
        waits.push(next.since(now).as_secs() / 60);
        now = next;
    }
    assert_eq!(waits, [5, 5, 10, 20, 40, 60, 60, 60]);
}

#[test]
fn notices_that_nobody_could_act_on_are_bounded() {
    let mut circuit = Circuit::default();
    for second in 0..100 {
        circuit.open_by_hand(at(second), None, "key_x");
        circuit.close_by_hand(at(second));
    }
    assert!(circuit.notices.len() <= 16);
    assert_eq!(circuit.notices.last(), Some(&Notice::Release));
}

#[test]
fn rules_have_bounds() {
    assert!(CircuitRules::default().check().is_ok());
    assert!(CircuitRules { failures: 0, ..RULES }.check().is_err());
    assert!(CircuitRules { recovery: Duration::ZERO, ..RULES }.check().is_err());
    assert!(CircuitRules { recovery: LONGEST_RECOVERY * 2, ..RULES }.check().is_err());
    assert_eq!(RULES.wait(u32::MAX), LONGEST_RECOVERY);
}

/// What can happen to a circuit.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// Time passes, in seconds.
    Wait(u64),
    /// The clock goes back.
    Back(u64),
    /// An attempt asks to pass.
    Ask,
    /// One of the attempts under way ends.
    End(usize, Finding<'static>),
    /// One of them never ends.
    Die(usize),
    /// Whoever did what the notices say reports it.
    Done,
    Review,
    PutOff,
}

fn step() -> impl Strategy<Value = Step> {
    let finding = prop_oneof![
        2 => Just(Finding::Success),
        6 => Just(Finding::Failure("x")),
        1 => Just(Finding::Answered),
        1 => Just(Finding::Nothing)
    ];
    prop_oneof![
        3 => (0_u64..100).prop_map(Step::Wait),
        1 => (0_u64..20_000).prop_map(Step::Wait),
        1 => (0_u64..5_000).prop_map(Step::Back),
        8 => Just(Step::Ask),
        8 => (any::<usize>(), finding).prop_map(|(which, finding)| Step::End(which, finding)),
        1 => any::<usize>().prop_map(Step::Die),
        2 => Just(Step::Done),
        1 => Just(Step::Review),
        1 => Just(Step::PutOff),
    ]
}

proptest! {
    #[test]
    fn whatever_happens(steps in proptest::collection::vec(step(), 0..400)) {
        let (mut circuit, mut now) = (Circuit::default(), at(1_000_000));
        let mut under_way: Vec<Pass> = Vec::new();
        let mut has_gone_back = false;
        for step in steps {
            let before = circuit.clone();
            match step {
                Step::Wait(seconds) => now = now.after(Duration::from_secs(seconds)),
                Step::Back(seconds) => {
                    now = Timestamp::from_millis(now.as_millis() - seconds * 1_000);
                    has_gone_back = true;
                }
                Step::Ask => match circuit.admission(now) {
                    Admission::Free => under_way.push(Pass::Ordinary),
                    Admission::AsProbe => under_way.push(circuit.grant(now).unwrap()),
                    Admission::Refused(_) => prop_assert_eq!(circuit.grant(now), None),
                },
                Step::End(which, finding) if !under_way.is_empty() => {
                    let pass = under_way.swap_remove(which % under_way.len());
                    let changed = circuit.learn(now, finding, pass, &RULES);
                    prop_assert!(changed || circuit == before);
                    if finding == Finding::Success && changed {
                        prop_assert!(circuit.is_untroubled(), "a success ends an outage");
                    }
                }
                Step::Die(which) if !under_way.is_empty() => {
                    under_way.swap_remove(which % under_way.len());
                }
                Step::Done => circuit.done(&before.notices, now),
                Step::Review => circuit.review(now),
                Step::PutOff if circuit.check_at.is_some() => circuit.put_off(now),
                _ => {}
            }
            // At most three probes at a time.
            let probes = under_way.iter().filter(|pass| matches!(pass, Pass::Probe(lease) if is_held(*lease, now)));
            if !has_gone_back {
                prop_assert!(probes.count() <= PROBES, "{:?}", circuit);
            }
            // It opens and closes only with a word for it, and never twice in a row.
            let opened = |notices: &[Notice]| notices.iter().filter(|n| matches!(n, Notice::Opened { .. })).count();
            if before.state == CircuitState::Closed && circuit.state != CircuitState::Closed {
                prop_assert!(opened(&circuit.notices) > 0);
                prop_assert!(circuit.failures >= RULES.failures);
            }
            if before.state != CircuitState::Closed && circuit.state == CircuitState::Closed {
                prop_assert!(circuit.notices.contains(&Notice::Release));
            }
            // Nobody has to remember it: what is not closed is looked at some day, and nothing is open for long.
            let is_disabled = matches!(step, Step::Done)
                && before.notices.iter().any(|notice| matches!(notice, Notice::Disable { .. }));
            if is_disabled {
                circuit.reset();
            }
            if circuit.state != CircuitState::Closed || !circuit.notices.is_empty() {
                prop_assert!(circuit.check_at.is_some(), "{:?}", circuit);
            }
            let is_refused = |at| matches!(circuit.admission(at), Admission::Refused(_));
            prop_assert!(!is_refused(now) || !is_refused(now.after(LONGEST_RECOVERY)), "{:?}", circuit);
            prop_assert!(circuit.notices.len() <= 20);
        }
    }
}

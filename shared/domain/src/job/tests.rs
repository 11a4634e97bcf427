use proptest::prelude::*;

use super::*;

fn job(rate: u32) -> Job {
    let id = "job_01K8Z3V5Q2T9N4B7C6D5E4F3G2".parse().unwrap();
    let task = Task::Redrive(Redrive::default());
    let now = Timestamp::from_millis(1_000_000);
    Job::new(id, "acme".parse().unwrap(), task, Rate::new(rate).unwrap(), "key_x", now)
}

fn portion(sent: u64, goes_on: bool) -> Portion {
    Portion { counts: Counts { sent, ..Counts::default() }, cursor: Some(format!("after {sent}")), goes_on }
}

#[test]
fn portions_add_up_and_the_next_one_waits_as_the_rate_says() {
    let mut job = job(10);
    let now = Timestamp::from_millis(2_000_000);
    job.advance(&portion(50, true), now);
    assert_eq!((job.state, job.portion, job.counts.sent), (JobState::Running, 2, 50));
    assert_eq!(job.not_before, now.after(Duration::from_secs(5)));
    assert_eq!((job.started_at, job.ended_at), (Some(now), None));
    let later = job.not_before;
    job.advance(&Portion { cursor: None, ..portion(3, false) }, later);
    assert_eq!((job.state, job.counts.sent, job.ended_at), (JobState::Done, 53, Some(later)));
    assert_eq!(job.cursor.as_deref(), Some("after 50"), "what was looked at stays so");
    assert_eq!(job.cancel(later), Err(JobStateError::NotCancellable(JobState::Done)));
    assert_eq!(job.resume(later.after(STALLED)), Err(JobStateError::Over(JobState::Done)));
}

#[test]
fn a_job_that_was_called_off_stays_so_and_counts_what_was_under_way() {
    let mut job = job(10);
    let now = Timestamp::from_millis(2_000_000);
    job.cancel(now).unwrap();
    job.advance(&portion(50, true), now.after(STALLED));
    assert_eq!((job.state, job.counts.sent, job.ended_at), (JobState::Cancelled, 50, Some(now)));
    assert_eq!(job.resume(now), Err(JobStateError::Over(JobState::Cancelled)));
}

#[test]
fn a_job_is_resumed_when_it_failed_or_stands_still() {
    let mut job = job(10);
    let now = Timestamp::from_millis(2_000_000);
    assert_eq!(job.resume(job.not_before.after(Duration::from_secs(899))), Err(JobStateError::AtWork));
    job.resume(job.not_before.after(STALLED)).unwrap();
    assert_eq!((job.state, job.portion), (JobState::Pending, 2));
    job.advance(&portion(50, true), now);
    job.fail("no more", now);
    assert_eq!((job.state, job.error.as_deref()), (JobState::Failed, Some("no more")));
    job.resume(now).unwrap();
    assert_eq!((job.state, job.portion, job.error, job.ended_at), (JobState::Running, 4, None, None));
    assert_eq!(job.not_before, now.after(Duration::from_secs(5)), "resuming makes it no faster");
}

proptest! {
    #[test]
    fn no_second_has_more_deliveries_than_the_rate_allows(per_second in 1_u32..=1000) {
        let rate = Rate::new(per_second).unwrap();
        let portion = rate.portion();
        prop_assert!((10..=1000).contains(&portion));
        prop_assert!(portion as u32 >= per_second, "a portion lasts for a second at least");
        // Two portions, the second one after the first one's time.
        let second = rate.time_for(portion as u64);
        let moments: Vec<_> =
            (0..portion).map(|i| rate.delay(i)).chain((0..portion).map(|i| second + rate.delay(i))).collect();
        for (first, begin) in moments.iter().enumerate() {
            let within = moments[first..].iter().take_while(|at| **at < *begin + Duration::from_secs(1));
            // Delays are whole milliseconds, rounded down.
            prop_assert!(within.count() <= per_second as usize + 1);
        }
    }
}

#[test]
fn a_rate_has_bounds() {
    assert_eq!(Rate::new(0), Err(RateError));
    assert_eq!(Rate::new(1001), Err(RateError));
    assert_eq!(Rate::default().per_second(), 100);
}

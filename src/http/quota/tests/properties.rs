//! Whatever is sent, no limit is exceeded, and what there is is used.

use proptest::prelude::*;

use super::sharing::process;
use super::*;

fn limits() -> impl Strategy<Value = Vec<RateLimit>> {
    let one = (1_u32..40, prop_oneof![100_u64..3_000, 3_000_u64..60_000]);
    prop::collection::vec(one.prop_map(|(requests, per)| limit(requests, Duration::from_millis(per))), 1..4)
}

/// A request of one task: which bucket, what it costs, how long it takes.
type Step = (usize, u32, u64);

const PATHS: [&str; 3] = ["members", "a/1", "b/1"];

/// Units that arrived at a time, for one bucket.
type Arrivals = Vec<(Instant, u32)>;

/// Most units in any sliding window.
fn most_units(per: Duration, arrivals: &Arrivals) -> u32 {
    let mut arrivals = arrivals.clone();
    arrivals.sort();
    let within = |(index, (first, _)): (usize, &(Instant, u32))| -> u32 {
        arrivals[index..].iter().take_while(|(other, _)| *other - *first < per).map(|(_, units)| units).sum()
    };
    arrivals.iter().enumerate().map(within).max().unwrap_or(0)
}

/// Seconds in which requests of these costs can be sent one after the other, if short limits are paced and no window is
/// ever exceeded.
fn shortest_time(limits: &[RateLimit], costs: &[u32]) -> f64 {
    let mut sent: Vec<(f64, u32)> = Vec::new();
    for cost in costs {
        let mut at = sent.last().map_or(0.0, |(last, _)| *last);
        for limit in limits {
            let (per, requests) = (limit.per.as_secs_f64(), limit.requests.get());
            let mut units = *cost;
            let full = sent.iter().rev().find(|(_, other)| {
                units += other;
                units > requests
            });
            at = full.map_or(at, |(first, _)| at.max(first + per));
            if let (true, Some((last, before))) = (limit.per <= SECOND * 2, sent.last()) {
                at = at.max(last + per / f64::from(requests) * f64::from(*before));
            }
        }
        sent.push((at, *cost));
    }
    sent.last().map_or(0.0, |(last, _)| *last)
}

/// What arrived in the client's bucket, and in those of `a` and `b`, by what several tasks send.
async fn interleaved(quotas: Vec<Arc<Quota>>, tasks: Vec<Vec<Step>>) -> [Arrivals; 3] {
    let running: Vec<_> = tasks
        .into_iter()
        .enumerate()
        .map(|(number, steps)| {
            let quota = Arc::clone(&quotas[number % quotas.len()]);
            tokio::spawn(async move {
                let mut arrived = Vec::new();
                for (bucket, cost, latency) in steps {
                    let turn = quota.turn_for(PATHS[bucket], cost, (latency % 3) as i32).await;
                    sleep(Duration::from_millis(latency)).await;
                    arrived.push((bucket, Instant::now(), cost));
                    quota.answered(&turn);
                }
                arrived
            })
        })
        .collect();
    let mut arrivals = [Vec::new(), Vec::new(), Vec::new()];
    for task in running {
        for (bucket, at, cost) in task.await.unwrap() {
            arrivals[0].push((at, cost));
            if bucket > 0 {
                arrivals[bucket].push((at, cost));
            }
        }
    }
    arrivals
}

fn steps(tasks: usize) -> impl Strategy<Value = Vec<Vec<Step>>> {
    prop::collection::vec(prop::collection::vec((0_usize..3, 1_u32..4, 0_u64..95), 1..40), 1..tasks)
}

/// Limits large enough for the dearest request.
fn enough(limits: Vec<RateLimit>) -> Vec<RateLimit> {
    limits.into_iter().map(|one| limit(one.requests.get() + 3, one.per)).collect()
}

fn with_buckets(limits: [Vec<RateLimit>; 3]) -> (ClientPlan, [Vec<RateLimit>; 3]) {
    let limits = limits.map(enough);
    let mut plan = client(&limits[0]);
    plan.quota.buckets = vec![bucket("a", &limits[1]), bucket("b", &limits[2])];
    (plan, limits)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// One after the other: neither sending times nor arrivals exceed any limit.
    #[test]
    fn no_window_is_ever_exceeded(
        limits in limits(),
        latencies in prop::collection::vec((0_u64..60, 0_u64..100), 1..150),
    ) {
        let (sent, arrived) = paused(async {
            let (mut sent, mut arrived) = (Vec::<Instant>::new(), Vec::new());
            let quota = quota_that_knows_the_way(&limits);
            for (there, back) in &latencies {
                let turn = quota.turn().await;
                sent.push(Instant::now());
                sleep(Duration::from_millis(*there)).await;
                arrived.push(Instant::now());
                sleep(Duration::from_millis(*back)).await;
                quota.answered(&turn);
            }
            (sent, arrived)
        });
        for limit in &limits {
            prop_assert!(most_in(limit.per, &sent) <= limit.requests.get() as usize);
            prop_assert!(most_in(limit.per, &arrived) <= limit.requests.get() as usize);
        }
    }

    /// Many buckets, costs and priorities, side by side, with jitter within what is assumed of it.
    #[test]
    fn parallel_requests_exceed_no_bucket(
        limits in [limits(), limits(), limits()],
        tasks in steps(8),
    ) {
        let (plan, limits) = with_buckets(limits);
        let arrivals = paused(async {
            let quota = alone(&plan);
            quota.book().know_the_way();
            interleaved(vec![Arc::new(quota)], tasks).await
        });
        for (limits, arrivals) in limits.iter().zip(&arrivals) {
            for limit in limits {
                prop_assert!(most_units(limit.per, arrivals) <= limit.requests.get(), "{limit:?}");
            }
        }
    }

    /// The same from several processes.
    #[test]
    fn processes_exceed_no_bucket(
        limits in [limits(), limits(), limits()],
        tasks in steps(6),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let (plan, limits) = with_buckets(limits);
        let arrivals = paused(async {
            let start = Instant::now();
            let process = |_| {
                let quota = process(&plan, dir.path(), start);
                quota.book().know_the_way();
                Arc::new(quota)
            };
            interleaved((0..3).map(process).collect(), tasks).await
        });
        for (limits, arrivals) in limits.iter().zip(&arrivals) {
            for limit in limits {
                prop_assert!(most_units(limit.per, arrivals) <= limit.requests.get(), "{limit:?}");
            }
        }
    }

    /// Whoever has enough to do uses at least 95 % of what the limits leave: of all together, whatever it costs and
    /// however many processes do it, and less where a server says that it allows less.
    #[test]
    fn who_has_enough_to_do_uses_what_there_is(
        limits in limits(),
        costs in prop::collection::vec(1_u32..4, 60..200),
        processes in 1_usize..4,
        told in prop::option::of((0_usize..4, 2_u32..5)),
    ) {
        let limits = enough(limits);
        // The first answer that each has says that one of the limits is a part of that only.
        let lower = told.and_then(|(index, part)| {
            let units = limits.get(index)?.requests.get() / part;
            (units > 3).then(|| (index, limit(units, limits[index].per)))
        });
        let mut allowed = limits.clone();
        if let Some((index, lower)) = lower {
            allowed[index] = lower;
        }
        let dir = tempfile::tempdir().unwrap();
        let plan = client(&limits);
        let mut sent = paused(async {
            let start = Instant::now();
            let (mut sent, mut tasks) = (Vec::new(), Vec::new());
            let quotas: Vec<_> = (0..processes).map(|_| process(&plan, dir.path(), start)).collect();
            for quota in &quotas {
                quota.book().know_the_way();
                let turn = quota.turn().await;
                sent.push((turn.at, Instant::now(), 1));
                quota.answered(&turn);
                if let Some((_, lower)) = lower {
                    let limit = Some(lower.requests.get().into());
                    quota.heed(&turn, &Advice { limit, window: Some(lower.per), ..Advice::default() });
                }
            }
            for (number, quota) in quotas.into_iter().enumerate() {
                let own: Vec<u32> = costs.iter().copied().skip(number).step_by(processes).collect();
                tasks.push(tokio::spawn(async move {
                    let mut sent = Vec::new();
                    for cost in own {
                        let turn = quota.turn_for("members", cost, 0).await;
                        sent.push((turn.at, Instant::now(), cost));
                        quota.answered(&turn);
                    }
                    sent
                }));
            }
            for task in tasks {
                sent.extend(task.await.unwrap());
            }
            sent
        });
        sent.sort();
        let arrivals: Arrivals = sent.iter().map(|(_, at, cost)| (*at, *cost)).collect();
        for limit in &allowed {
            prop_assert!(most_units(limit.per, &arrivals) <= limit.requests.get(), "{limit:?} of {limits:?}");
        }
        let costs: Vec<u32> = arrivals.iter().map(|(_, cost)| *cost).collect();
        let taken = (arrivals[arrivals.len() - 1].0 - arrivals[0].0).as_secs_f64();
        let ideal = shortest_time(&allowed, &costs);
        // How long the last request of each was on its way, the others are not told.
        let untold = 0.15 * processes as f64;
        prop_assert!(taken * 0.95 <= ideal + untold, "{taken} s in place of {ideal} s under {allowed:?}, {costs:?}");
    }
}

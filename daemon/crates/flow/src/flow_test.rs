//! Promises of the whole, held against many requests.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::limits::{LIST_SEATS_MAX, REBALANCE_INTERVAL};
use crate::{Asked, Flow, LEVELS, Level, Listing, Room, Schema, Target, Verdict, wanted};

const ROOM: Room = Room {
    seats: 600,
    waiting: 1000,
};

/// Numbers that are the same in each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

fn started(room: Room) -> Flow {
    let mut flow = Flow::new(room);
    let (levels, schemas): (Vec<_>, Vec<_>) =
        wanted().into_iter().partition(|one| one.plural == LEVELS);
    let levels = levels.iter().filter_map(|one| Level::read(&one.object));
    let schemas = schemas.iter().map(|one| Schema::read(&one.object));
    flow.configure(schemas.collect(), levels.collect(), Duration::ZERO);
    flow
}

const PODS: Target<'static> = Target::Resource {
    group: "",
    resource: "pods",
    subresource: "",
    namespace: "a",
};

fn groups(user: &str) -> Vec<String> {
    let mut groups = vec!["system:authenticated".to_owned()];
    match user {
        user if user.starts_with("system:serviceaccount:") => {
            groups.push("system:serviceaccounts".into());
        }
        user if user.starts_with("system:node:") => groups.push("system:nodes".into()),
        "admin" => groups.push("system:masters".into()),
        _ => {}
    }
    groups
}

fn arrive(flow: &mut Flow, user: &str, objects: u64, now: Duration) -> crate::Arrival {
    let groups = groups(user);
    let asked = Asked {
        user,
        groups: &groups,
        verb: "list",
        target: PODS,
    };
    flow.arrive(&asked, now, || {
        Some(Listing {
            objects,
            ..Listing::default()
        })
    })
}

fn schema_of(flow: &mut Flow, user: &str, verb: &str, target: Target<'_>) -> (String, String) {
    let groups = groups(user);
    let asked = Asked {
        user,
        groups: &groups,
        verb,
        target,
    };
    let arrival = flow.arrive(&asked, Duration::ZERO, || None);
    flow.finish(arrival.id, false, Duration::ZERO);
    (arrival.schema.to_string(), arrival.level.to_string())
}

#[test]
fn requests_belong_where_upstream_has_them() {
    let mut flow = Flow::new(ROOM);
    let named = |one: &crate::Wanted| {
        let mut object = one.object.clone();
        object["metadata"]["uid"] = object["metadata"]["name"].clone();
        object
    };
    let all = wanted();
    let levels = all.iter().filter(|one| one.plural == LEVELS);
    let levels = levels.filter_map(|one| Level::read(&named(one))).collect();
    let schemas = all.iter().filter(|one| one.plural != LEVELS);
    let schemas = schemas.map(|one| Schema::read(&named(one))).collect();
    flow.configure(schemas, levels, Duration::ZERO);
    let lease = Target::Resource {
        group: "coordination.k8s.io",
        resource: "leases",
        subresource: "",
        namespace: "kube-system",
    };
    let dns = "system:serviceaccount:kube-system:dns";
    let cases = [
        ("admin", "list", PODS, "exempt", "exempt"),
        ("jane", "get", Target::Path("/readyz"), "probes", "exempt"),
        (
            "jane",
            "get",
            Target::Path("/readyz/etcd"),
            "probes",
            "exempt",
        ),
        (
            "jane",
            "get",
            Target::Path("/api"),
            "global-default",
            "global-default",
        ),
        ("jane", "list", PODS, "global-default", "global-default"),
        (
            dns,
            "update",
            lease,
            "system-leader-election",
            "leader-election",
        ),
        (
            dns,
            "list",
            lease,
            "kube-system-service-accounts",
            "workload-high",
        ),
        (
            "system:node:a",
            "update",
            lease,
            "system-node-high",
            "node-high",
        ),
        ("system:node:a", "get", PODS, "system-nodes", "system"),
        (
            "system:kube-scheduler",
            "list",
            PODS,
            "kube-scheduler",
            "workload-high",
        ),
        (
            "system:serviceaccount:a:b",
            "list",
            PODS,
            "service-accounts",
            "workload-low",
        ),
    ];
    for (user, verb, target, schema, level) in cases {
        let found = schema_of(&mut flow, user, verb, target);
        assert_eq!(found, (schema.to_owned(), level.to_owned()), "{user}");
    }
    let nobody = Asked {
        user: "",
        groups: &[],
        verb: "get",
        target: PODS,
    };
    let arrival = flow.arrive(&nobody, Duration::ZERO, || None);
    assert_eq!(&*arrival.schema, "catch-all");
}

#[test]
fn without_any_object_there_are_the_mandatory_ones() {
    let mut flow = Flow::new(ROOM);
    assert!(matches!(
        arrive(&mut flow, "admin", 1, Duration::ZERO).verdict,
        Verdict::Runs
    ));
    for _ in 0..ROOM.seats {
        assert_eq!(
            arrive(&mut flow, "jane", 1, Duration::ZERO).verdict,
            Verdict::Runs
        );
    }
    let refused = arrive(&mut flow, "jane", 1, Duration::ZERO).verdict;
    assert_eq!(refused, Verdict::Refused(1));
    assert_eq!(
        arrive(&mut flow, "admin", 1, Duration::ZERO).verdict,
        Verdict::Runs
    );
}

#[test]
fn whoever_asks_for_everything_delays_others_by_a_few_requests_only() {
    let mut flow = started(ROOM);
    let mut now = Duration::ZERO;
    let mut running = BTreeSet::new();
    let mut waiting = 0;
    for _ in 0..2000 {
        let arrival = arrive(&mut flow, "elephant", 100_000, now);
        match arrival.verdict {
            Verdict::Runs => _ = running.insert(arrival.id),
            Verdict::Waits => waiting += 1,
            Verdict::Refused(_) => {}
        }
    }
    assert!(waiting > 50, "{waiting}");
    for mouse in 0..20 {
        let name = format!("mouse-{mouse}");
        let arrival = arrive(&mut flow, &name, 1, now);
        assert_ne!(arrival.verdict, Verdict::Refused(1), "{name}");
        let mut steps = 0;
        let mut runs = arrival.verdict == Verdict::Runs;
        while !runs {
            now += Duration::from_millis(20);
            steps += 1;
            let first = running.pop_first().unwrap();
            for woken in flow.finish(first, false, now) {
                running.insert(woken.id);
                runs |= woken.id == arrival.id;
            }
            assert!(steps <= 3, "{name} waits for {steps}");
        }
        running.remove(&arrival.id);
        for woken in flow.finish(arrival.id, false, now) {
            running.insert(woken.id);
        }
    }
}

#[test]
fn a_level_that_needs_seats_gets_those_that_others_do_not() {
    let mut flow = started(ROOM);
    let bot = "system:serviceaccount:a:b";
    let mut now = Duration::ZERO;
    let count = |flow: &mut Flow, now| {
        let mut ids = Vec::new();
        loop {
            let arrival = arrive(flow, bot, 1, now);
            match arrival.verdict {
                Verdict::Runs => ids.push(arrival.id),
                _ => return ids,
            }
        }
    };
    let first = count(&mut flow, now).len();
    let mut more = 0;
    for _ in 0..3 {
        now += REBALANCE_INTERVAL;
        more += flow.rebalance(now).len();
        more += count(&mut flow, now).len();
    }
    assert!(first < 245 && first + more > 245, "{first} and then {more}");
    assert!(first + more <= 650);
    // What others may not lend is theirs.
    let leader = flow_runs(&mut flow, "system:kube-scheduler", now);
    assert!(leader >= 40, "{leader}");
}

fn flow_runs(flow: &mut Flow, user: &str, now: Duration) -> usize {
    let runs = |_| arrive(flow, user, 1, now).verdict == Verdict::Runs;
    (0..600).map(runs).filter(|runs| *runs).count()
}

#[test]
fn queues_are_bounded_and_the_longest_makes_room_for_another() {
    let room = Room {
        seats: 60,
        waiting: 120,
    };
    let mut flow = started(room);
    let now = Duration::ZERO;
    let (mut waiting, mut refused) = (BTreeSet::new(), 0);
    for _ in 0..500 {
        let arrival = arrive(&mut flow, "elephant", 1, now);
        match arrival.verdict {
            Verdict::Waits => _ = waiting.insert(arrival.id),
            Verdict::Refused(_) => refused += 1,
            Verdict::Runs => {}
        }
    }
    assert!(refused > 300 && waiting.len() < room.waiting, "{waiting:?}");
    let mut waits = 0;
    for mouse in 0..5 {
        let arrival = arrive(&mut flow, &format!("mouse-{mouse}"), 1, now);
        waits += usize::from(arrival.verdict == Verdict::Waits);
        for woken in arrival.woken {
            assert!(matches!(woken.verdict, Verdict::Refused(_)));
            assert!(waiting.remove(&woken.id), "only the elephant goes");
        }
    }
    assert!(waits > 0);
}

#[test]
fn whatever_happens_nothing_is_lost_and_nobody_starves() {
    for seed in 0..20 {
        let mut numbers = Numbers(seed);
        let room = Room {
            seats: 20 + numbers.below(200) as u32,
            waiting: 20 + numbers.below(400) as usize,
        };
        let mut flow = started(room);
        let mut now = Duration::ZERO;
        let (mut running, mut waiting) = (BTreeMap::new(), BTreeMap::new());
        let users = [
            "admin",
            "jane",
            "joe",
            "system:node:a",
            "system:serviceaccount:a:b",
            "system:serviceaccount:kube-system:dns",
            "system:kube-scheduler",
        ];
        let settle = |woken: Vec<crate::Woken>,
                      running: &mut BTreeMap<u64, Duration>,
                      waiting: &mut BTreeMap<u64, Duration>,
                      now: Duration| {
            for one in woken {
                let since = waiting.remove(&one.id).expect("only who waits is woken");
                assert!(since <= now);
                match one.verdict {
                    Verdict::Runs => assert!(running.insert(one.id, now).is_none()),
                    Verdict::Refused(after) => assert!((1..=32).contains(&after)),
                    Verdict::Waits => panic!("who is woken waits no longer"),
                }
            }
        };
        for _ in 0..3000 {
            now += Duration::from_micros(numbers.below(3000));
            match numbers.below(10) {
                0..=5 => {
                    let user = users[numbers.below(users.len() as u64) as usize];
                    let arrival = arrive(&mut flow, user, numbers.below(3000), now);
                    match arrival.verdict {
                        Verdict::Runs => assert!(running.insert(arrival.id, now).is_none()),
                        Verdict::Waits => assert!(waiting.insert(arrival.id, now).is_none()),
                        Verdict::Refused(_) => assert_ne!(user, "admin"),
                    }
                    settle(arrival.woken, &mut running, &mut waiting, now);
                }
                6 => {
                    let some = waiting.keys().nth(numbers.below(50) as usize).copied();
                    if let Some(id) = some {
                        waiting.remove(&id);
                        let (verdict, woken) = flow.give_up(id, numbers.below(2) == 0, now);
                        assert!(matches!(verdict, Verdict::Refused(_)));
                        settle(woken, &mut running, &mut waiting, now);
                    }
                }
                7 if numbers.below(20) == 0 => {
                    let woken = flow.rebalance(now);
                    settle(woken, &mut running, &mut waiting, now);
                }
                _ => {
                    let some = running.keys().nth(numbers.below(30) as usize).copied();
                    if let Some(id) = some {
                        running.remove(&id);
                        let woken = flow.finish(id, false, now);
                        settle(woken, &mut running, &mut waiting, now);
                    }
                }
            }
            let held = flow.levels.values();
            let queued: usize = held.map(|held| held.queues.waiting).sum();
            assert_eq!(queued, waiting.len());
            assert!(queued <= room.waiting + 7 * 6);
        }
        // If only those end that run, all others get their turn.
        while let Some((id, _)) = running.pop_first() {
            now += Duration::from_millis(1);
            let woken = flow.finish(id, false, now);
            settle(woken, &mut running, &mut waiting, now);
            if running.is_empty() && !waiting.is_empty() {
                now += REBALANCE_INTERVAL;
                let woken = flow.rebalance(now);
                settle(woken, &mut running, &mut waiting, now);
            }
        }
        assert!(waiting.is_empty(), "{waiting:?}");
        assert!(flow.is_idle());
        assert!(flow.levels.values().all(|held| held.queues.demand() == 0.0));
    }
}

#[test]
fn a_level_that_goes_lets_those_end_that_are_in_it() {
    let mut flow = started(ROOM);
    let now = Duration::ZERO;
    let mut last = 0;
    loop {
        let arrival = arrive(&mut flow, "jane", 1, now);
        if arrival.verdict != Verdict::Runs {
            assert_eq!(arrival.verdict, Verdict::Waits);
            break;
        }
        last = arrival.id;
    }
    flow.configure(Vec::new(), Vec::new(), now);
    assert!(!flow.has_level("global-default"));
    assert!(flow.levels.contains_key("global-default"));
    assert!(!flow.levels.contains_key("system"));
    let mut left = last;
    while left > 0 {
        flow.finish(left, false, now);
        left -= 1;
    }
    flow.finish(last + 1, false, now);
    assert!(!flow.levels.contains_key("global-default"));
    assert!(flow.is_idle());
}

#[test]
fn a_list_is_never_wider_than_its_level_lets() {
    let mut flow = started(ROOM);
    arrive(&mut flow, "jane", u64::MAX, Duration::ZERO);
    let level = &flow.levels["global-default"];
    assert_eq!(level.queues.seats, u64::from(LIST_SEATS_MAX.min(49 / 6)));
    let dump = flow.dump();
    let line = dump
        .lines()
        .find(|line| line.starts_with("global-default,"));
    let cells: Vec<&str> = line.unwrap().split(',').map(str::trim).collect();
    assert_eq!(
        cells,
        [
            "global-default",
            "0",
            "false",
            "false",
            "0",
            "1",
            "1",
            "0",
            "0",
            "0"
        ]
    );
}

#[test]
fn metrics_have_upstreams_names() {
    let mut flow = started(ROOM);
    let id = arrive(&mut flow, "jane", 1, Duration::ZERO).id;
    flow.finish(id, false, Duration::from_millis(30));
    let (mut text, mut family) = (skerry_metrics::Text::default(), 0);
    while flow.metrics(family, &mut text) {
        family += 1;
    }
    let text = text.into_string();
    let labels = "priority_level=\"global-default\",flow_schema=\"global-default\"";
    for line in [
        format!("apiserver_flowcontrol_dispatched_requests_total{{{labels}}} 1"),
        format!("apiserver_flowcontrol_current_executing_requests{{{labels}}} 0"),
        format!(
            "apiserver_flowcontrol_request_execution_seconds_bucket{{{labels},type=\"regular\",le=\"0.05\"}} 1"
        ),
        "apiserver_flowcontrol_nominal_limit_seats{priority_level=\"workload-low\"} 245".into(),
        "apiserver_flowcontrol_lower_limit_seats{priority_level=\"workload-low\"} 24".into(),
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
}

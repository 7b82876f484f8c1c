//! Members that are started at another place find the others, and are found.

#![allow(clippy::unwrap_used)]

mod cluster;

use cluster::{Cluster, free_address, propose, put, run, settled, until};

/// Gives a member that does not run another place; returns its URL.
fn move_away(cluster: &mut Cluster, place: usize) -> String {
    let address = free_address();
    let url = format!("https://{address}");
    let config = &mut cluster.boxes[place].config;
    config.peer_address = address;
    config.member.peer_urls = vec![url.clone()];
    url
}

/// Moves the members of some places, and waits until all know where everybody is and go on.
async fn moves(count: usize, movers: &[usize], hints: bool) {
    let mut cluster = Cluster::of(count).await;
    propose(&cluster.any(), put("before", "v")).await.unwrap();
    for place in 0..count {
        if movers.contains(&place) {
            cluster.kill(place).await;
        }
    }
    let mut urls: Vec<String> = cluster
        .boxes
        .iter()
        .map(|one| one.config.member.peer_urls[0].clone())
        .collect();
    for place in movers {
        urls[*place] = move_away(&mut cluster, *place);
    }
    for one in &mut cluster.boxes {
        one.config.peer_hints = if hints { urls.clone() } else { Vec::new() };
    }
    for place in movers {
        cluster.restart(*place);
    }
    until("all know where everybody is", || {
        (0..count).all(|place| {
            let status = cluster.handle(place).status();
            let known = status
                .members
                .iter()
                .map(|(_, member, _)| &member.peer_urls);
            let mut known: Vec<&String> = known.flatten().collect();
            let mut expected: Vec<&String> = urls.iter().collect();
            known.sort();
            expected.sort();
            known == expected
        })
    })
    .await;
    for place in 0..count {
        let handle = cluster.handle(place);
        settled(|| propose(&handle, put("after", "v"))).await;
    }
    cluster.stop_all().await;
}

#[test]
fn a_member_that_has_moved_tells_the_others() {
    run(moves(3, &[0], false));
}

#[test]
fn two_that_have_moved_find_each_other_by_the_one_that_stayed() {
    run(moves(3, &[1, 2], false));
}

#[test]
fn all_may_move_where_they_are_told_of_the_places() {
    run(moves(3, &[0, 1, 2], true));
}

#[test]
fn one_that_is_alone_may_move() {
    run(moves(1, &[0], false));
}

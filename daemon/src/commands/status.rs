//! `skerry status`: what this node's server thinks of its cluster, in words.

use std::fmt::Write as _;

use anyhow::Context as _;
use serde_json::{Value, json};
use skerry_consensus::{Role, Status};

use super::print;
use crate::admin::Client;
use crate::config::Settings;
use crate::strangers;

const USAGE: &str = "\
usage:
  skerry status [flags]   who leads, who is a member, how far this server has come

The flags are those of `skerry server`; --data-dir and --node-ip say which server is asked.
";

/// Where the server answers what [`run`] asks, below the administrators' routes.
pub(crate) const ROUTE: &str = "status";

/// Runs the command that the words ask for.
pub(crate) fn run(words: &[String]) -> anyhow::Result<()> {
    if words.iter().any(|word| word == "--help" || word == "-h") {
        return print(USAGE);
    }
    let settings = Settings::load(words, std::env::vars()).context("configuration")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (answer, others) = runtime.block_on(async {
        let client = Client::of(&settings)?;
        let answer = client.get(&format!("/v1-skerry/admin/{ROUTE}")).await?;
        anyhow::Ok((answer, other_clusters(&client).await))
    })?;
    let mut text = crate::foreign::table(&answer).unwrap_or_else(|| table(&answer));
    for other in others {
        let _ = writeln!(text, "{other}");
    }
    print(&text)
}

/// What this node's server says of clusters that it has met besides its own.
pub(super) async fn other_clusters(client: &Client) -> Vec<String> {
    let answer = client
        .get(&format!("/v1-skerry/admin/{}", strangers::ROUTE))
        .await;
    serde_json::from_value(answer.unwrap_or_default()).unwrap_or_default()
}

/// What the server answers: ids in hex, as etcdctl shows them.
pub(crate) fn answer(status: &Status) -> Value {
    let members: Vec<Value> = status
        .members
        .iter()
        .map(|(id, member, learner)| {
            json!({
                "id": format!("{id:x}"),
                "name": member.name,
                "peerURLs": member.peer_urls,
                "learner": learner,
                "leader": status.leader == Some(*id),
                "self": status.member_id == *id,
            })
        })
        .collect();
    json!({
        "clusterID": format!("{:x}", status.cluster_id),
        "role": role(status.role),
        "term": status.term,
        "committedIndex": status.committed_index,
        "appliedIndex": status.applied_index,
        "members": members,
    })
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Leader => "leader",
        Role::Follower => "follower",
        Role::Candidate => "candidate",
        Role::Learner => "learner",
    }
}

fn table(answer: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let members = answer["members"].as_array().map_or(&[][..], Vec::as_slice);
    let mut out = format!(
        "cluster {}, term {}: this server is {}, at {} of {} entries\n",
        text(&answer["clusterID"]),
        answer["term"],
        text(&answer["role"]),
        answer["appliedIndex"],
        answer["committedIndex"],
    );
    if !members.iter().any(|member| member["leader"] == true) {
        out.push_str("no leader: reads go on, writes are refused\n");
    }
    for member in members {
        let urls = member["peerURLs"].as_array().map_or(&[][..], Vec::as_slice);
        let urls: Vec<String> = urls.iter().map(text).collect();
        let mut marks = Vec::new();
        for mark in ["leader", "learner", "self"] {
            if member[mark] == true {
                marks.push(mark);
            }
        }
        let _ = writeln!(
            out,
            "{}  {}  {}  {}",
            text(&member["id"]),
            text(&member["name"]),
            urls.join(","),
            marks.join(" ")
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use skerry_consensus::Member;

    use super::*;

    #[test]
    fn what_a_server_says_of_its_cluster_is_told_in_words() {
        let member = |n: u64| Member {
            name: format!("n{n}"),
            peer_urls: vec![format!("https://127.0.0.{n}:2380")],
            client_urls: Vec::new(),
        };
        let mut status = Status {
            cluster_id: 0xc1,
            member_id: 2,
            role: Role::Follower,
            leader: Some(1),
            term: 7,
            committed_index: 41,
            applied_index: 40,
            members: vec![(1, member(1), false), (2, member(2), true)],
            out_of_reach: false,
            fatal: None,
        };
        let told = table(&answer(&status));
        assert_eq!(
            told,
            "cluster c1, term 7: this server is follower, at 40 of 41 entries\n\
             1  n1  https://127.0.0.1:2380  leader\n\
             2  n2  https://127.0.0.2:2380  learner self\n"
        );
        status.leader = None;
        assert!(table(&answer(&status)).contains("no leader: reads go on"));
    }
}

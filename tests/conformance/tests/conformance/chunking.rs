//! Long lists, piece by piece.

use k8s_openapi::api::core::v1::PodTemplate;
use kube::Api;
use kube::api::{ListParams, PostParams};
use serde_json::json;
use skerry_tests_conformance::{World, containers};
use skerry_tests_kube_rs::{compact, refusal};

const COUNT: usize = 400;

/// Makes that many, and gives the API of them.
async fn templates(world: &World) -> Api<PodTemplate> {
    let templates: Api<PodTemplate> = world.api();
    for number in 0..COUNT {
        let template = json!({
            "metadata": {"name": format!("template-{number:04}")},
            "template": {"spec": {"containers": containers()}},
        });
        let template = serde_json::from_value(template).unwrap();
        templates
            .create(&PostParams::default(), &template)
            .await
            .unwrap();
    }
    templates
}

fn check(list: &kube::core::ObjectList<PodTemplate>, limit: usize, before: usize) -> usize {
    let found = list.items.len();
    assert!(found <= limit, "{found}");
    for (offset, template) in list.items.iter().enumerate() {
        let name = template.metadata.name.as_deref().unwrap();
        assert_eq!(name, format!("template-{:04}", before + offset));
    }
    let now = before + found;
    let more = list.metadata.continue_.as_deref().unwrap_or_default();
    match COUNT - now {
        0 => assert!(more.is_empty() && list.metadata.remaining_item_count.is_none()),
        left => {
            assert!(!more.is_empty());
            assert_eq!(list.metadata.remaining_item_count, Some(left as i64));
        }
    }
    now
}

#[tokio::test]
async fn a_list_comes_in_chunks_of_one_version() {
    let world = World::new("chunks").await;
    let templates = templates(&world).await;
    for limit in [1, 17, 60, 399, 400, 1000] {
        let mut now = 0;
        let mut version = None;
        let mut token = None;
        while now < COUNT {
            let mut options = ListParams::default().limit(limit as u32);
            options.continue_token = token;
            let list = templates.list(&options).await.unwrap();
            now = check(&list, limit, now);
            let found = list.metadata.resource_version;
            assert_eq!(
                *version.get_or_insert(found.clone()),
                found,
                "of one version"
            );
            token = list.metadata.continue_;
        }
    }
    let all = templates.list(&ListParams::default()).await.unwrap();
    check(&all, COUNT, 0);
    assert_eq!(all.items.len(), COUNT);
}

#[tokio::test]
async fn a_list_goes_on_after_its_version_is_compacted() {
    let world = World::alone("compacted").await;
    let templates = templates(&world).await;
    let limit = 40;
    let list = async |token: Option<String>| {
        let mut options = ListParams::default().limit(limit as u32);
        options.continue_token = token;
        templates.list(&options).await
    };
    let first = list(None).await.unwrap();
    let mut now = check(&first, limit, 0);

    // Something is written, or the newest version would still be the list's.
    let other = json!({
        "metadata": {"name": "zzz"}, "template": {"spec": {"containers": containers()}},
    });
    let other: PodTemplate = serde_json::from_value(other).unwrap();
    templates
        .create(&PostParams::default(), &other)
        .await
        .unwrap();
    templates.delete("zzz", &Default::default()).await.unwrap();
    compact(&world.cluster, 0).await;

    let status = refusal(list(first.metadata.continue_).await);
    assert_eq!((status.code, status.reason.as_str()), (410, "Expired"));
    let token = status.metadata.and_then(|metadata| metadata.continue_);
    let token = token.filter(|token| !token.is_empty());
    let mut token = Some(token.expect("a token that goes on, of another version"));
    let mut version = None;
    while now < COUNT {
        let next = list(token).await.unwrap();
        now = check(&next, limit, now);
        let found = next.metadata.resource_version;
        assert_ne!(found, first.metadata.resource_version);
        assert_eq!(
            *version.get_or_insert(found.clone()),
            found,
            "of one version again"
        );
        token = next.metadata.continue_;
    }
}

//! kubectl in two versions prints what it prints with an upstream server: a script a capability.

use skerry_tests_kubectl::play;

#[tokio::test]
async fn what_is_read_looks_as_with_upstream() {
    play("read").await;
}

#[tokio::test]
async fn what_is_created_is_told_and_what_is_wrong_is_refused_as_with_upstream() {
    play("create").await;
}

#[tokio::test]
async fn every_kind_is_described_as_with_upstream() {
    play("describe").await;
}

#[tokio::test]
async fn what_is_applied_has_its_owners_as_with_upstream() {
    play("apply").await;
}

#[tokio::test]
async fn what_is_changed_is_told_as_with_upstream() {
    play("change").await;
}

#[tokio::test]
async fn what_is_deleted_goes_as_with_upstream() {
    play("delete").await;
}

#[tokio::test]
async fn what_there_is_can_be_found_out_as_with_upstream() {
    play("discover").await;
}

#[tokio::test]
async fn who_may_do_what_is_told_as_with_upstream() {
    play("access").await;
}

#[tokio::test]
async fn nodes_are_managed_as_with_upstream() {
    play("nodes").await;
}

#[tokio::test]
async fn the_rest_of_the_client_works_as_with_upstream() {
    play("client").await;
}

//! put, get, del, txn, compaction, watch: what they print, in every format.
#![allow(clippy::unwrap_used)]

use skerry_tests_etcdctl::Both;

skerry_tests_etcdctl::with_one_and_with_three_members! {
    put_get_and_del_print_what_they_print_with_etcd,
    every_output_format_is_the_same,
    txn_reads_its_branches_from_standard_input,
    compaction_refuses_what_is_gone_or_to_come,
    watch_prints_past_and_present_events,
    an_interactive_watch_takes_requests_from_standard_input,
}

const FORMATS: [&str; 5] = ["simple", "json", "fields", "table", "protobuf"];

async fn put_get_and_del_print_what_they_print_with_etcd(members: usize) {
    let mut both = Both::start(members, [&[], &[]]).await.unwrap();
    for command in [
        "put a 1",
        "put a 2 --prev-kv",
        "put b 'two words'",
        "put b --ignore-value",
        "put missing --ignore-value",
        "put c x --lease=1234",
        "put d x --ignore-lease",
        "put dir/1 one",
        "put dir/2 two",
        "put dir/3 ''",
        "get a",
        "get missing",
        "get dir/ --prefix",
        "get dir/ --prefix --keys-only",
        "get dir/ --prefix --count-only -w fields",
        "get dir/ --prefix --limit 2",
        "get dir/ --prefix --print-value-only",
        "get dir/ --prefix --order DESCEND --sort-by KEY",
        "get dir/ --prefix --order ASCEND --sort-by VALUE",
        "get dir/ --prefix --order DESCEND --sort-by MODIFY",
        "get dir/ --prefix --order DESCEND --sort-by CREATE",
        "get dir/ --prefix --order ASCEND --sort-by VERSION",
        "get --from-key b",
        "get a dir/2",
        "get a --rev 2",
        "get a --rev 200",
        "get a --rev=-5",
        "get a --hex",
        "get a --consistency s",
        "get a --consistency x",
        "get '' --prefix --keys-only",
        "del missing",
        "del dir/1 --prev-kv",
        "del dir/ --prefix --prev-kv",
        "del a c",
        "del --from-key zzz",
        "del ''",
        "get '' --prefix",
    ] {
        both.same(command);
    }
    both.conclude();
}

async fn every_output_format_is_the_same(members: usize) {
    let mut both = Both::start(members, [&[], &[]]).await.unwrap();
    for format in FORMATS {
        for command in [
            "put k 'a value'",
            "get k",
            "put k other --prev-kv",
            "get '' --prefix",
            "del k --prev-kv",
        ] {
            // Protobuf is bytes with ids in them: that it decodes is what the clients' tests see.
            if format == "protobuf" {
                both.ends_the_same(&format!("{command} -w {format}"));
            } else {
                both.same(&format!("{command} -w {format}"));
            }
        }
    }
    both.conclude();
}

async fn txn_reads_its_branches_from_standard_input(members: usize) {
    let mut both = Both::start(members, [&[], &[]]).await.unwrap();
    both.same("put k v");
    for input in [
        "value(\"k\") = \"v\"\n\nput k w\nget k\n\nget other\n\n",
        "mod(\"k\") > \"100\"\n\nput k never\n\nput other yes\ndel k\n\n",
        "version(\"k\") = \"0\"\ncreate(\"other\") > \"1\"\n\nget '' --prefix\n\n\n",
        "create(\"other\") = \"0\"\n\ndel '' --prefix\n\nget other\n\n",
        "\n\nput same 1\nput same 2\n\n\n",
        "\n\n\n\n",
    ] {
        for format in ["simple", "json", "fields"] {
            both.same_with_input(&format!("txn -w {format}"), input);
        }
    }
    both.same("get '' --prefix -w json");
    both.conclude();
}

async fn compaction_refuses_what_is_gone_or_to_come(members: usize) {
    let mut both = Both::start(members, [&[], &[]]).await.unwrap();
    for command in [
        "put a 1",
        "put a 2",
        "put a 3",
        "compaction 3",
        "compaction 2",
        "compaction 4 --physical",
        "compaction 100",
        "compaction x",
        "get a --rev 2",
        "get a --rev 4",
        "watch a --rev 2",
    ] {
        // The watch ends by itself: its start is compacted.
        both.same(command);
    }
    both.conclude();
}

async fn watch_prints_past_and_present_events(members: usize) {
    let mut both = Both::start(members, [&[], &[]]).await.unwrap();
    for command in ["put w/1 a", "put w/2 b", "put w/1 c", "del w/2"] {
        both.same(command);
    }
    let lines = |count: usize| move |text: &str| text.lines().count() >= count;
    for (watch, count) in [
        ("watch w/1 --rev 1", 6),
        ("watch w/ --prefix --rev 1", 11),
        ("watch w/ --prefix --rev 1 --prev-kv", 14),
        ("watch w/1 w/3 --rev 3", 8),
        ("watch w/ --prefix --rev 1 -w json", 1),
        ("watch w/1 --rev 1 -w fields", 10),
        // A command is run for each event.
        (
            "watch w/1 --rev 4 -- sh -c 'env | grep ETCD_WATCH | sort'",
            4,
        ),
    ] {
        let background = both.start_background(watch, "").unwrap();
        both.finish(background, lines(count)).unwrap();
    }
    both.conclude();
}

async fn an_interactive_watch_takes_requests_from_standard_input(members: usize) {
    let mut both = Both::start(members, [&[], &[]]).await.unwrap();
    both.same("put w/1 a");
    both.same("put x/1 b");
    let input = "watch w/ --prefix --rev 1\n";
    let background = both.start_background("watch -i", input).unwrap();
    both.finish(background, |text| text.contains("w/1"))
        .unwrap();
    both.conclude();
}

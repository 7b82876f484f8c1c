//! A file as etcd lays it out is written and read back; what is damaged is refused.

use std::io::Cursor;

use anyhow::{Context, Result, ensure};
use skerry_bbolt::{BboltError, Database, Writer};

const BUCKETS: [&str; 10] = [
    "alarm",
    "auth",
    "authRoles",
    "authUsers",
    "cluster",
    "key",
    "lease",
    "members",
    "members_removed",
    "meta",
];
const ROWS: i64 = 20_000;

/// A `mvccpb.KeyValue` of fields that all have one byte of tag.
fn key_value(revision: i64) -> Vec<u8> {
    let mut message = Vec::new();
    let name = format!("/registry/things/{revision:08}");
    message.extend_from_slice(&[0x0a, name.len() as u8]);
    message.extend_from_slice(name.as_bytes());
    for tag in [0x10, 0x18] {
        message.push(tag);
        let mut rest = revision as u64;
        while rest >= 0x80 {
            message.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        message.push(rest as u8);
    }
    message.extend_from_slice(&[0x20, 1]);
    // Now and then a value that spans pages.
    let length: usize = if revision % 1000 == 0 { 10_000 } else { 100 };
    message.extend_from_slice(&[0x2a, length as u8 | 0x80, (length >> 7) as u8]);
    message.resize(message.len() + length, b'v');
    message
}

fn row_key(revision: i64) -> Vec<u8> {
    let mut key = revision.to_be_bytes().to_vec();
    key.push(b'_');
    key.extend_from_slice(&0_i64.to_be_bytes());
    key
}

fn fill<W: std::io::Write>(writer: &mut Writer<W>) -> Result<(), BboltError> {
    for bucket in BUCKETS {
        writer.bucket(bucket.as_bytes())?;
        match bucket {
            "key" => {
                for revision in 2..ROWS + 2 {
                    writer.put(&row_key(revision), &key_value(revision))?;
                }
            }
            "meta" => {
                writer.put(b"consistent_index", &7_u64.to_be_bytes())?;
                writer.put(b"term", &1_u64.to_be_bytes())?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn written() -> Result<Vec<u8>> {
    let mut measuring = Writer::measuring();
    fill(&mut measuring)?;
    let layout = measuring.finish()?;
    let mut file = Vec::new();
    let mut writer = Writer::new(&mut file, layout)?;
    fill(&mut writer)?;
    writer.finish()?;
    ensure!(file.len() as u64 == layout.bytes());
    Ok(file)
}

fn rows_are_all_there(file: &[u8]) -> Result<()> {
    let mut database = Database::open(Cursor::new(file))?;
    let mut next = 2;
    let found = database.rows(b"key", |key, value| {
        anyhow::ensure!(
            key == row_key(next) && value == key_value(next),
            "row {next}"
        );
        next += 1;
        Ok(())
    })?;
    ensure!(found && next == ROWS + 2, "rows up to {next}");
    Ok(())
}

#[test]
fn what_is_written_is_read_back_row_by_row() -> Result<()> {
    let file = written()?;
    rows_are_all_there(&file)?;
    let mut database = Database::open(Cursor::new(&file))?;
    let names: Vec<_> = BUCKETS
        .iter()
        .map(|name| name.as_bytes().to_vec())
        .collect();
    ensure!(database.buckets()? == names);
    Ok(())
}

#[test]
fn a_damaged_file_is_refused_or_read_and_never_a_panic() -> Result<()> {
    let file = written()?;
    let mut database = Database::open(Cursor::new(&file[..file.len() / 2]))?;
    ensure!(
        database
            .rows(b"key", |_, _| Ok::<(), BboltError>(()))
            .is_err()
    );
    ensure!(Database::open(Cursor::new(b"not a database")).is_err());
    let mut broken = file.clone();
    broken[16] ^= 1;
    rows_are_all_there(&broken).context("the other meta page serves")?;
    broken[4096 + 16] ^= 1;
    ensure!(Database::open(Cursor::new(&broken)).is_err());
    // The root's page, wherever a bit of its head is turned.
    let root = file.len() - 4096;
    for bit in 0..64 * 8 {
        let mut broken = file.clone();
        broken[root + bit / 8] ^= 1 << (bit % 8);
        if let Ok(mut database) = Database::open(Cursor::new(&broken)) {
            let _ = database.rows(b"meta", |_, _| Ok::<(), BboltError>(()));
        }
    }
    Ok(())
}

#[test]
fn rows_out_of_order_are_refused() -> Result<()> {
    let mut writer = Writer::measuring();
    ensure!(writer.put(b"early", b"").is_err());
    writer.bucket(b"b")?;
    writer.put(b"2", b"")?;
    ensure!(writer.put(b"2", b"").is_err() && writer.put(b"1", b"").is_err());
    ensure!(writer.bucket(b"a").is_err());
    Ok(())
}

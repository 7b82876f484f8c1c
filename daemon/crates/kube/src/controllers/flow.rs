//! The flow schemas and priority levels that upstream starts with, and what schemas are told.
//!
//! Invariant: what somebody has taken over is left as it is; the mandatory ones are never gone for
//! longer than it takes to write them.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Value, json};
use skerry_flow::{GROUP, LEVELS, SCHEMAS, Step, Wanted, dangling, is_left_over, keep};

use super::{RETRY_INTERVAL, own_options};
use crate::call;
use crate::engine::{self, Engine};
use crate::error::ApiError;
use crate::limits::FIRST_WRITES_MAX;
use crate::object;
use crate::options::{DeleteOptions, WriteOptions};
use crate::registry;
use crate::storage::Cursor;
use crate::time;

/// Who keeps the fields of the objects, and of their status: upstream's names.
const PRODUCER: &str = "api-priority-and-fairness-config-producer-v1";
const CONSUMER: &str = "api-priority-and-fairness-config-consumer-v1";

pub(super) async fn run(engine: &Engine) {
    loop {
        if let Err(error) = follow(engine).await {
            tracing::warn!(%error, "flow schemas are looked at anew");
        }
        tokio::time::sleep(RETRY_INTERVAL).await;
    }
}

async fn follow(engine: &Engine) -> Result<(), ApiError> {
    let wanted = skerry_flow::wanted();
    loop {
        let (levels, mut of_levels) = read(engine, LEVELS)?;
        let (schemas, mut of_schemas) = read(engine, SCHEMAS)?;
        let live = |one: &Wanted| {
            let name = object::name(&one.object);
            let all = match one.plural {
                LEVELS => &levels,
                _ => &schemas,
            };
            all.iter().find(|live| object::name(live) == name)
        };
        let steps: Vec<(&Wanted, Step)> = wanted
            .iter()
            .map(|one| (one, keep(live(one), one)))
            .filter(|(_, step)| *step != Step::Nothing)
            .collect();
        let left_over = |(plural, all): (&'static str, &Vec<Value>)| {
            let old = all
                .iter()
                .filter(|live| is_left_over(live, &wanted, plural));
            old.map(|live| (plural, object::name(live).to_owned()))
                .collect::<Vec<_>>()
        };
        let old: Vec<_> = [(LEVELS, &levels), (SCHEMAS, &schemas)]
            .into_iter()
            .flat_map(left_over)
            .collect();
        let told: Vec<(String, Value)> = schemas
            .iter()
            .filter_map(|schema| {
                let level = &schema["spec"]["priorityLevelConfiguration"]["name"];
                let found = levels
                    .iter()
                    .any(|live| object::name(live) == level.as_str().unwrap_or_default());
                let condition = dangling(schema, found)?;
                Some((object::name(schema).to_owned(), condition))
            })
            .collect();
        drop((levels, schemas));
        // One after the other, each would wait for the flash by itself.
        stream::iter(steps)
            .map(Ok)
            .try_for_each_concurrent(FIRST_WRITES_MAX, |(one, step)| engine.keep_one(one, step))
            .await?;
        for (plural, name) in old {
            let mut call = engine.own_call("delete", GROUP, "v1", plural, "", &name)?;
            call.is_exempt = true;
            let options = DeleteOptions::default();
            match engine.delete_object(&call, "", &name, &options).await {
                Ok(_) => {}
                Err(error) if error.code == 404 => {}
                Err(error) => return Err(error),
            }
        }
        stream::iter(told)
            .map(Ok)
            .try_for_each_concurrent(FIRST_WRITES_MAX, |(name, condition)| {
                engine.tell_schema(name, condition)
            })
            .await?;
        // Wakes up for what was written here as well, and finds nothing to do then.
        loop {
            let changes = tokio::select! {
                changes = of_levels.next() => changes?,
                changes = of_schemas.next() => changes?,
            };
            if !changes.is_empty() {
                break;
            }
        }
    }
}

/// All objects of a resource; the cursor stands behind what was read.
fn read(engine: &Engine, plural: &str) -> Result<(Vec<Value>, Cursor), ApiError> {
    let resource = engine.registry.find(GROUP, "v1", plural);
    let resource = resource.ok_or_else(ApiError::no_such_path)?;
    let keys = registry::keys(resource, "");
    let mut listing = engine.storage.list(keys.clone(), 0)?;
    let mut all = Vec::new();
    loop {
        let chunk = listing.next_chunk()?;
        if chunk.is_empty() {
            break;
        }
        for stored in chunk {
            all.push(engine::present(resource, &stored)?);
        }
    }
    let cursor = engine.storage.watch(keys, listing.revision() + 1)?;
    Ok((all, cursor))
}

fn options(manager: &str) -> WriteOptions {
    WriteOptions {
        field_manager: manager.into(),
        ..own_options()
    }
}

impl Engine {
    async fn keep_one(&self, wanted: &Wanted, step: Step) -> Result<(), ApiError> {
        match step {
            Step::Nothing => Ok(()),
            Step::Create(mut object) => {
                let mut call = self.own_call("create", GROUP, "v1", wanted.plural, "", "")?;
                call.is_exempt = true;
                call::conform(&mut object, GROUP, "v1", &call.resource.kind)?;
                let made = self.create_object(&call, object, &options(PRODUCER)).await;
                match made {
                    Err(error) if error.reason != "AlreadyExists" => Err(error),
                    _ => Ok(()),
                }
            }
            Step::Update(next) => {
                let name = object::name(&next).to_owned();
                let mut call = self.own_call("update", GROUP, "v1", wanted.plural, "", &name)?;
                call.is_exempt = true;
                if let Some(live) = self.read(&call.resource, "", &name)?
                    && live.object["metadata"]["resourceVersion"]
                        == next["metadata"]["resourceVersion"]
                {
                    self.replace(&call, &live, next, &options(PRODUCER)).await?;
                }
                Ok(())
            }
        }
    }

    /// Tells a schema whether its level is there.
    async fn tell_schema(&self, name: String, mut condition: Value) -> Result<(), ApiError> {
        let mut call = self.own_call("update", GROUP, "v1", SCHEMAS, "", &name)?;
        call.is_exempt = true;
        call.info.subresource = "status".into();
        let Some(live) = self.read(&call.resource, "", &name)? else {
            return Ok(());
        };
        let mut next = live.object.clone();
        condition["lastTransitionTime"] = time::rfc3339(time::now()).into();
        let status = object::fields_of(&mut next, "status");
        let conditions = status.entry("conditions").or_insert_with(|| json!([]));
        if let Value::Array(conditions) = conditions {
            conditions.retain(|one| one["type"] != condition["type"]);
            conditions.push(condition);
        }
        // Where it has changed meanwhile, the change brings us here again.
        self.replace(&call, &live, next, &options(CONSUMER)).await?;
        Ok(())
    }
}

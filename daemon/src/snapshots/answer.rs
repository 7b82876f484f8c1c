//! What the server answers to `skerry etcd-snapshot`: it takes a snapshot, and says what a Secret
//! says of a bucket.

use std::path::PathBuf;

use http::Method;
use serde_json::{Value, json};

use super::folder::Folder;
use super::secret;
use super::take::{Order, Snapshots};
use crate::admin::{Refused, Routes};
use crate::config::{BucketOf, BucketSecret, base_name};

/// Where it answers `skerry etcd-snapshot save`.
pub(crate) const ROUTE: &str = "etcd-snapshot";
/// Where it answers commands that ask for what a Secret says.
pub(crate) const BUCKET_ROUTE: &str = "etcd-snapshot-bucket";

/// These routes and those of `skerry etcd-snapshot`.
pub(crate) fn routes(routes: Routes, snapshots: &Snapshots) -> Routes {
    let saving = snapshots.clone();
    let routes = routes.at(Method::POST, ROUTE, move |ask| {
        let snapshots = saving.clone();
        async move {
            let order = asked(&ask.body, snapshots.scheduled())?;
            let taken = snapshots.save(order).await?;
            let remote = taken.remote.transpose().map_err(|error| {
                let path = taken.path.display();
                anyhow::anyhow!("saved as {path}, but: {error}")
            })?;
            Ok(json!({
                "name": taken.name,
                "location": format!("file://{}", taken.path.display()),
                "size": taken.bytes,
                "revision": taken.revision,
                "remote": remote,
            }))
        }
    });
    // Who may ask here may read the Secret anyway.
    let snapshots = snapshots.clone();
    routes.at(Method::POST, BUCKET_ROUTE, move |ask| {
        let snapshots = snapshots.clone();
        async move {
            let name = ask.body["name"].as_str().map(str::to_owned);
            let asked = BucketSecret {
                name: name.ok_or_else(|| Refused::bad_request("name: wants a Secret's"))?,
                retention: 0,
            };
            let settings = secret::read(snapshots.local(), &asked).await?;
            Ok(serde_json::to_value(settings).map_err(anyhow::Error::from)?)
        }
    })
}

/// What differs from the settings: by command nothing is removed.
fn asked(body: &Value, of_settings: Order) -> Result<Order, Refused> {
    let folder = match body["dir"].as_str().map(PathBuf::from) {
        None => of_settings.folder,
        Some(path) if path == of_settings.folder.path() => of_settings.folder,
        Some(path) if path.is_absolute() => Folder::at(path),
        Some(_) => return Err(Refused::bad_request("dir: wants an absolute path")),
    };
    let s3 = match &body["s3"] {
        Value::Null => of_settings.s3,
        asked => serde_json::from_value(asked.clone())
            .map(|settings| Some(BucketOf::Settings(settings)))
            .map_err(|_| Refused::bad_request("s3: wants the settings of a bucket"))?,
    };
    let base = body["name"].as_str().unwrap_or("on-demand");
    Ok(Order {
        base: base_name(base).map_err(|error| Refused::bad_request(format!("name: {error}")))?,
        folder,
        compress: body["compress"].as_bool().unwrap_or(of_settings.compress),
        retention: 0,
        s3,
    })
}

//! The administrator's kubeconfig, and the three files it is made of beside it.
//!
//! Knows nothing about how the certificate came to be. Where the folder asked for takes no files
//! (a root that is mounted read-only), they go to a folder that does.

use std::io;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::{KubeconfigError, Leaf, Pki, PkiError, file};

/// What a kubeconfig says.
pub struct Kubeconfig {
    /// `https://host:port` of the API server.
    pub server: String,
    /// `server-ca.crt`
    pub ca_bundle: String,
    /// `client-kube.crt`
    pub certificate: String,
    /// `client-kube.key`
    pub key: Zeroizing<String>,
}

impl Kubeconfig {
    /// The administrator's, for the API server at `server`.
    pub fn admin(pki: &Pki, server: impl Into<String>) -> Result<Kubeconfig, PkiError> {
        let (certificate, key) = pki.paths(Leaf::Admin);
        let text = |path: PathBuf| {
            file::read(&path)?.ok_or_else(|| PkiError::Read {
                path,
                source: io::Error::from(io::ErrorKind::NotFound),
            })
        };
        Ok(Kubeconfig {
            server: server.into(),
            ca_bundle: pki.ca_bundle().to_owned(),
            certificate: text(certificate)?.to_string(),
            key: text(key)?,
        })
    }

    /// The file's text: everything in one, so that it can be copied elsewhere.
    pub fn yaml(&self) -> Zeroizing<String> {
        let server = quoted(&self.server);
        let ca = STANDARD.encode(&self.ca_bundle);
        let certificate = STANDARD.encode(&self.certificate);
        let key = Zeroizing::new(STANDARD.encode(self.key.as_bytes()));
        let key = key.as_str();
        Zeroizing::new(format!(
            "apiVersion: v1\n\
             kind: Config\n\
             clusters:\n\
             - name: default\n\
             \x20 cluster:\n\
             \x20   certificate-authority-data: {ca}\n\
             \x20   server: {server}\n\
             contexts:\n\
             - name: default\n\
             \x20 context:\n\
             \x20   cluster: default\n\
             \x20   user: default\n\
             current-context: default\n\
             preferences: {{}}\n\
             users:\n\
             - name: default\n\
             \x20 user:\n\
             \x20   client-certificate-data: {certificate}\n\
             \x20   client-key-data: {key}\n"
        ))
    }
}

/// A YAML scalar in double quotes, escaped as JSON is, which YAML reads alike.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Writes the kubeconfig to `path` with `mode`, and `server-ca.crt`, `client-kube.crt` and
/// `client-kube.key` beside it; to the first of `fallbacks` that can be written where that folder is
/// read-only. Answers where the kubeconfig is.
pub fn write_kubeconfig(
    kubeconfig: &Kubeconfig,
    path: &Path,
    mode: u32,
    fallbacks: &[&Path],
) -> Result<PathBuf, KubeconfigError> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(KubeconfigError::Path {
            path: path.to_owned(),
        });
    };
    match write_into(kubeconfig, folder, name.as_ref(), mode) {
        Ok(written) => Ok(written),
        Err(first) if is_read_only(&first) => {
            let mut second = None;
            for folder in fallbacks {
                match write_into(kubeconfig, folder, name.as_ref(), mode) {
                    Ok(written) => {
                        tracing::warn!(
                            asked = %path.display(),
                            written = %written.display(),
                            "the folder of --write-kubeconfig is read-only: the kubeconfig is elsewhere"
                        );
                        return Ok(written);
                    }
                    Err(error) => second = Some(error),
                }
            }
            Err(match second {
                Some(second) => KubeconfigError::Nowhere {
                    first: Box::new(first),
                    second: Box::new(second),
                },
                None => first.into(),
            })
        }
        Err(other) => Err(other.into()),
    }
}

fn write_into(
    kubeconfig: &Kubeconfig,
    folder: &Path,
    name: &Path,
    mode: u32,
) -> Result<PathBuf, PkiError> {
    file::make_folder(folder, false)?;
    // Written again at every start if anything of it was lost.
    file::write_lazily(
        &folder.join("server-ca.crt"),
        &kubeconfig.ca_bundle,
        file::PUBLIC,
    )?;
    file::write_lazily(
        &folder.join("client-kube.key"),
        &kubeconfig.key,
        file::SECRET,
    )?;
    file::write_lazily(
        &folder.join("client-kube.crt"),
        &kubeconfig.certificate,
        file::PUBLIC,
    )?;
    let path = folder.join(name);
    file::write_lazily(&path, &kubeconfig.yaml(), mode)?;
    Ok(path)
}

fn is_read_only(error: &PkiError) -> bool {
    let PkiError::Write { source, .. } = error else {
        return false;
    };
    matches!(
        source.kind(),
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied
    )
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn kubeconfig() -> Kubeconfig {
        Kubeconfig {
            server: "https://127.0.0.1:6443".into(),
            ca_bundle: "the CA\n".into(),
            certificate: "the certificate\n".into(),
            key: Zeroizing::new("the key\n".into()),
        }
    }

    #[test]
    fn the_kubeconfig_carries_all_and_its_parts_lie_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("etc/skerry.yaml");
        let written = write_kubeconfig(&kubeconfig(), &path, 0o640, &[]).unwrap();
        assert_eq!(written, path);
        let text = fs::read_to_string(&path).unwrap();
        for part in ["the CA\n", "the certificate\n", "the key\n"] {
            assert!(text.contains(&STANDARD.encode(part)), "{part}");
        }
        assert!(
            text.contains("server: \"https://127.0.0.1:6443\"\n"),
            "{text}"
        );
        let mode = |name: &str| {
            fs::metadata(path.with_file_name(name))
                .unwrap()
                .permissions()
                .mode()
                & 0o7777
        };
        assert_eq!(mode("skerry.yaml"), 0o640);
        assert_eq!(mode("client-kube.key"), 0o600);
        assert_eq!(mode("client-kube.crt"), 0o644);
        assert_eq!(mode("server-ca.crt"), 0o644);
    }

    #[test]
    fn a_read_only_folder_sends_the_files_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        // No file can be made there, not even by root.
        let read_only = Path::new("/sys/skerry-test/skerry.yaml");
        let fallbacks = [Path::new("/sys/skerry-test"), folder.path()];
        let written = write_kubeconfig(&kubeconfig(), read_only, 0o600, &fallbacks).unwrap();
        assert_eq!(written, folder.path().join("skerry.yaml"));
        assert!(folder.path().join("client-kube.key").exists());
    }

    #[test]
    fn a_folder_that_is_a_file_is_an_error_with_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let blocked = folder.path().join("file");
        fs::write(&blocked, "").unwrap();
        let path = blocked.join("skerry.yaml");
        let error = write_kubeconfig(&kubeconfig(), &path, 0o600, &[folder.path()]).unwrap_err();
        assert!(error.to_string().contains("file"), "{error}");
        let error = write_kubeconfig(&kubeconfig(), Path::new("/"), 0o600, &[folder.path()]);
        assert!(matches!(error, Err(KubeconfigError::Path { .. })));
    }
}
